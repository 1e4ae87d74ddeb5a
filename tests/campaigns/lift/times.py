"""How long a lift takes beside `torch.export`: `python -m tests.campaigns.lift.times [NAMES]` writes docs/lifted.md.

Each network has a process of its own, with one thread. There each of the three is done three times, and the median
counts: `torch.export.export(module, (images,))`; a lift without comparison, which is tracing, writing, and compiling
what was written; a lift with it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch
from torch import nn

from archc.diagnostics import Source
from archc.elaborate.elaborator import elaborate
from archc.lifting import Constructors, lift
from archc.lifting.decompile import spec_text
from archc.lifting.initialisation import with_initializers
from archc.lifting.lift import traced
from archc.spec.loading import parse_text
from tests.campaigns.lift.networks import module, shape
from tests.campaigns.lift.table import put

PAGE = Path(__file__).parents[3] / "docs" / "lifted.md"
BEGIN, END = "<!-- times -->\n", "<!-- end of times -->\n"
NETWORKS = ("resnet18", "resnet50", "densenet121", "mobilenet_v3_small", "swin_t", "vit_b_16", "convnext_tiny")
TIMES = 3
HEAD = """\
| network | `torch.export` | lift alone / export | lift with comparison / export |
|---|---:|---:|---:|
"""


def main() -> None:
    """Measure the networks, each in a process, or one network in this one."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.lift.times", description=__doc__)
    parser.add_argument("names", nargs="*", default=NETWORKS)
    parser.add_argument("--here", action="store_true", help="measure one network in this process, and print JSON")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(*arguments.names)))
        return
    rows: list[str] = []
    for name in arguments.names:
        command = [sys.executable, "-m", __spec__.name, name, "--here"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        rows.append(_row(name, found))
        print(rows[-1], end="", flush=True)
        put(PAGE, BEGIN, END, HEAD + "".join(rows))


def measure(name: str) -> dict[str, float]:
    """The seconds of each of the three for one network."""
    torch.set_num_threads(1)
    constructors = Constructors()
    with constructors.watching():
        made = module(name).eval()
    sizes = shape(made)
    known = constructors.known(made)

    def alone() -> None:
        graph, _ = traced(made, {"input": sizes}, name)
        text = spec_text(with_initializers(graph, made.state_dict()), name, known, foreign=True)
        spec = parse_text(Source(f"{name}.yaml", text), Path.cwd())
        elaborate(spec, spec.resolve({}))

    return {
        "export": _seconds(lambda: _exported(made, sizes)),
        "alone": _seconds(alone),
        "compared": _seconds(lambda: lift(made, sizes, name=name, source=name, known=known)),
    }


def _exported(made: nn.Module, sizes: tuple[int, ...]) -> object:
    return torch.export.export(made, (torch.zeros(1, *sizes),))


def _seconds(do: Callable[[], object]) -> float:
    found = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        do()
        found.append(time.perf_counter() - begin)
    return median(found)


def _row(name: str, seconds: Mapping[str, float]) -> str:
    alone, compared = (f"{seconds[each] / seconds['export']:.2f}" for each in ("alone", "compared"))
    return f"| {name} | {seconds['export']:.1f} s | {alone} | {compared} |\n"


if __name__ == "__main__":
    main()

"""Networks of torchvision and timm lifted into specs: `python -m tests.campaigns.lift [NAMES] -o FILE`.

Needs torchvision; timm's networks are called `timm/NAME`. Without names: torchvision's classifiers and segmentation
networks, and the smallest networks of each of timm's model files. Each is lifted in a process of its own. Writes every
result as JSON, and the table in docs/lifted.md.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path

import torch

from archc.compare import Status
from archc.diagnostics import ArchcError
from archc.lifting import Constructors, Lifted, lift
from tests.campaigns.lift.networks import module, names, shape
from tests.campaigns.lift.processes import Row, rows
from tests.campaigns.lift.table import write

ROOT = Path(__file__).parents[3]


def main() -> None:
    """Parse the command line, lift, print and write."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.lift", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAMES", help="such as resnet18 or timm/resnet26d")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="every result, as JSON")
    parser.add_argument("--specs", type=Path, metavar="FOLDER", help="write the specs here")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs" / "lifted.md", help="the page with the table")
    parser.add_argument("--timm", type=int, default=3, metavar="N", help="networks of each of timm's model files")
    parser.add_argument("--at-once", type=int, default=2, metavar="N", help="processes, of one thread each")
    parser.add_argument("--seconds", type=float, default=300, help="limit of time for a network")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # on a busy machine two threads wait for each other, and take twice as long
    wanted = arguments.names or names(arguments.timm)
    found: dict[str, Row] = {}
    for row in rows(partial(_row, specs=arguments.specs), wanted, arguments.at_once, arguments.seconds):
        found[str(row["network"])] = row
        print(f"{row['network']}: {row.get('reason') or row['verdict']}, {row['seconds']:.0f} s", flush=True)
        done = [found[name] for name in wanted if name in found]
        arguments.output.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
        write(arguments.docs, done)


def _row(name: str, specs: Path | None) -> dict[str, object]:
    """What became of one network; `reason` tells why it was not lifted."""
    begin = time.perf_counter()
    constructors = Constructors()
    row: dict[str, object] = {"network": name}
    try:
        with constructors.watching():
            made = module(name)
        title = name.rpartition("/")[2]
        row |= _found(lift(made, shape(made), name=title, source=name, known=constructors.known(made)), specs)
    except ArchcError as error:
        row["reason"] = f"{error.diagnostics[0].code}: {error.diagnostics[0].message}"
    except Exception as error:  # a bug of archc's, which is to be counted and not to end the campaign
        row["reason"] = f"crashed: {type(error).__name__}: {error}"
    return row | {"seconds": time.perf_counter() - begin}


def _found(found: Lifted, specs: Path | None) -> dict[str, object]:
    if specs is not None:
        specs.mkdir(parents=True, exist_ok=True)
        (specs / f"{found.name}.yaml").write_text(found.text, encoding="utf-8")
    checks = {check.name: check for check in found.comparison.checks}
    told = {name: checks[name].detail for name in ("outputs", "training") if name in checks}
    equal = {name: check.status is Status.EQUAL for name, check in checks.items()}
    row: dict[str, object] = {"verdict": found.comparison.verdict.value, "flat": found.is_flat}
    row |= {"lines": len(found.text.splitlines()), "equal": equal, "notes": list(found.comparison.notes)}
    return row | told


main()

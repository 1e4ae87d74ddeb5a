"""What ONNX Runtime makes of archc's file and of torch.onnx's: `python -m tests.campaigns.graphs vit_b_16 swin_t`.

For each file the number of its nodes, of those after ONNX Runtime's optimisations, the most frequent of these, and its
latency for one image. The files of a network run in turn, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
import torch

import archc
from tests.campaigns.benchmarks.alternatives import EXPORTS

RUNS = 15
SHOWN = 8  # operators


def main() -> None:
    """Print two lines for each file, and one for each network."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.graphs", description=__doc__)
    parser.add_argument("networks", nargs="+", help="bundled specs")
    parser.add_argument("--opset", type=int, default=18, help="of archc's file")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in arguments.networks:
        with tempfile.TemporaryDirectory(prefix="graphs-") as folder:
            _compare(name, dict(_files(name, Path(folder), arguments.opset)))


def _files(name: str, folder: Path, opset: int) -> Iterator[tuple[str, Path]]:
    """The file of each exporter that can write one."""
    module = archc.build(name).eval()
    images = torch.zeros(2, *_image(name))
    archc.export(name, str(folder / "archc.onnx"), verify=False, opset=opset)
    yield "archc", folder / "archc.onnx"
    for exporter in ("dynamo", "older"):
        path = folder / f"{exporter}.onnx"
        with suppress(Exception), torch.no_grad():  # each has exceptions of its own
            EXPORTS[exporter](module, images, path)
        if path.is_file():
            yield exporter, path
        else:
            print(f"{name} {exporter}: cannot be exported")


def _compare(name: str, files: Mapping[str, Path]) -> None:
    sessions = {}
    for exporter, path in files.items():
        optimised = path.with_suffix(".optimised.onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = str(optimised)
        sessions[exporter] = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        before, after = _operators(path), _operators(optimised)
        often = ", ".join(f"{count} {word}" for word, count in after.most_common(SHOWN))
        print(f"{name} {exporter}: {before.total()} nodes, {after.total()} after optimisation: {often}", flush=True)
    x = np.random.default_rng(0).standard_normal((1, *_image(name))).astype(np.float32)
    seconds: dict[str, list[float]] = {exporter: [] for exporter in sessions}
    for _ in range(RUNS):
        for exporter, session in sessions.items():
            begun = time.perf_counter()
            session.run(None, {session.get_inputs()[0].name: x})
            seconds[exporter].append(time.perf_counter() - begun)
    ours = median(seconds["archc"])
    told = (f"{e} {median(s) * 1e3:.0f} ms ({median(s) / ours:.2f} of archc)" for e, s in seconds.items())
    print(f"{name} latency: {', '.join(told)}", flush=True)


def _image(name: str) -> list[int]:
    return [int(str(size)) for size in archc.compile(name).input.type.shape[1:]]


def _operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(str(path), load_external_data=False).graph.node)


if __name__ == "__main__":
    main()

"""An ONNX file in ONNX Runtime, in a process of its own.

`python -m tests.campaigns.benchmarks.runtime FILE` prints JSON.

Seconds to load it, median seconds of one image, and how many operators of each kind its optimised graph has.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime

LOADS = 5
RUNS = 20


def main(path: str) -> dict[str, Any]:
    """All figures of a file."""
    _session(path)  # the first load reads the file from the disk
    loads = []
    for _ in range(LOADS):
        start = time.perf_counter()
        _session(path)
        loads.append(time.perf_counter() - start)
    return {"load": median(loads), "run": _latency(_session(path)), "operators": _operators(path)}


def _session(path: str, optimised: str | None = None) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = optimised
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _latency(session: Any) -> float:
    image = {session.get_inputs()[0].name: np.zeros((1, 3, 224, 224), np.float32)}
    session.run(None, image)
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        session.run(None, image)
        taken.append(time.perf_counter() - start)
    return median(taken)


def _operators(path: str) -> dict[str, int]:
    """The operators of the graph that ONNX Runtime makes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        _session(path, str(optimised))
        nodes = onnx.load(optimised, load_external_data=False).graph.node
    return dict(sorted(Counter(node.op_type for node in nodes).items()))


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))

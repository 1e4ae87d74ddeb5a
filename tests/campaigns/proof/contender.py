"""An export by torch.onnx in a process of its own: `python -m tests.campaigns.proof.contender NAME SPEC FOLDER [FILE]`.

Appends a line of JSON to FOLDER/NAME.jsonl: the seconds of its work, from spec and weights to a file, without imports.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import archc
from archc.ir.types import nominal

IMPORTS = {
    "dynamo": ("torch", "onnx", "onnxscript"),
    "older": ("torch", "onnx"),
}
"""Contender -> the packages that it imports before its time begins."""


def main(name: str, spec: str, folder: str, weights: str | None = None) -> None:
    """Run a contender. One that fails tells so in its line."""
    warnings.simplefilter("ignore")
    for package in IMPORTS[name]:
        import_module(package)
    out = Path(folder) / f"{name}.onnx"
    begun = time.perf_counter()
    try:
        told = _torch(name, spec, out, weights)
    except Exception as error:  # every exporter has exceptions of its own
        told = {"error": f"{type(error).__name__}: {error}"}
    line = {"work": time.perf_counter() - begun, **told}
    with Path(folder, f"{name}.jsonl").open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def _torch(name: str, spec: str, out: Path, weights: str | None) -> dict[str, Any]:
    """torch.onnx.export of the module that archc builds, with a dynamic batch."""
    import torch

    from tests.campaigns.benchmarks.alternatives import EXPORTS

    begun = time.perf_counter()
    sizes = [nominal(dim) for dim in archc.compile(spec).input.type.shape[1:]]
    module = archc.build(spec, weights=weights).eval()
    building = time.perf_counter() - begun
    with torch.no_grad():
        EXPORTS[name](module, torch.zeros(2, *sizes), out)
    return {"building": building}


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Who writes correct files of a network, and which tools rewrite them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import onnx
import onnxruntime
import torch

from archc.exporting import exporters
from archc.verification.images import images
from archc.weights.network import Network
from tests.campaigns.foreign.float64 import in_float64

ONNX = exporters()["onnx"]
Write = Callable[[Network, Path], None]
Rewrite = Callable[[Path, Path], None]


def _archc(folded: bool) -> Write:
    def write(network: Network, path: Path) -> None:
        with path.open("wb") as file:
            ONNX.write(network, file, ONNX.asked(fold_batch_norm=folded))

    return write


def dynamo(network: Network, path: Path) -> None:
    """torch.onnx.export as it is by default; tensors keep their names."""
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.onnx.export(
        network.inference_module(), (_example(network),), path, dynamo=True, external_data=False, verbose=False,
        dynamic_shapes=({0: batch},),
    )  # fmt: skip


def older(network: Network, path: Path) -> None:
    """torch.onnx.export's older exporter, which traces and folds batch norms."""
    torch.onnx.export(
        network.inference_module(), (_example(network),), path, dynamo=False,
        input_names=["input"], dynamic_axes={"input": {0: "batch"}},
    )  # fmt: skip


def _example(network: Network) -> torch.Tensor:
    return torch.from_numpy(images(network.image_shapes()[0], 2))


def onnxslim(path: Path, out: Path) -> None:
    """onnxslim's optimiser."""
    onnx.save(import_module("onnxslim").slim(onnx.load(path)), out)


def _onnx_runtime(level: onnxruntime.GraphOptimizationLevel) -> Rewrite:
    def rewrite(path: Path, out: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(out)
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    return rewrite


def _float64(path: Path, out: Path) -> None:
    onnx.save(in_float64(onnx.load(path)), out)


SOURCES: dict[str, Write] = {
    "archc": _archc(folded=True),
    "archc, batch norms kept": _archc(folded=False),
    "torch.onnx": dynamo,
    "torch.onnx, older": older,
}
TOOLS: dict[str, Rewrite | None] = {
    "as it is": None,
    "onnxslim": onnxslim,
    "ONNX Runtime, basic": _onnx_runtime(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC),
    "ONNX Runtime, extended": _onnx_runtime(onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED),
    "float64 inside": _float64,
}

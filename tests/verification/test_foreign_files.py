"""Correct files that others wrote or rewrote pass.

`python -m tests.campaigns.foreign` tries them on every bundled spec.
"""

from functools import cache
from pathlib import Path

import onnx
import pytest

from archc.verification import Report, Verdict
from archc.verification.check import Verifier
from archc.weights.network import Network
from tests.campaigns.bugs.networks import Subject
from tests.campaigns.bugs.trial import passing
from tests.campaigns.bugs.weights import WEIGHTS
from tests.campaigns.foreign.float64 import in_float64
from tests.campaigns.foreign.sources import ONNX, SOURCES, TOOLS
from tests.elaborate.specs import compiled

HERE = {name: rewrite for name, rewrite in TOOLS.items() if name != "onnxslim"}  # which is not installed everywhere

UPSAMPLED = """\
name: upsampled
input: {channels: 3, height: 8, width: 8}
layers:
  - conv_transpose2d: {name: up1, out_channels: 8, kernel_size: 2, stride: 2}
  - relu
  - interpolate: 2
  - interpolate: {size: 20, mode: bilinear}
  - conv_transpose2d: {name: up2, out_channels: 3, kernel_size: 3, padding: 1}
"""
"""ONNX Runtime has no float64 kernel for most of it, and ONNX fixes the type of a factor."""

PERCEPTRON = """\
name: perceptron
input: {channels: 3, height: 4, width: 4}
layers:
  - flatten
  - linear: {name: fc1, out_features: 16}
  - relu: {name: act1}
  - linear: {name: fc2, out_features: 16}
  - relu: {name: act2}
  - linear: {name: fc3, out_features: 16}
"""

subject = cache(Subject)


@pytest.mark.filterwarnings("ignore")  # of PyTorch's older exporter, that it is old
@pytest.mark.parametrize("weights", ["fresh", "trained"])
@pytest.mark.parametrize("tool", HERE)
@pytest.mark.parametrize("source", ["archc", "archc, batch norms kept", "torch.onnx, older"])
def test_a_correct_file_passes(source: str, tool: str, weights: str, tmp_path: Path) -> None:
    network, path = subject("residual", weights).network, tmp_path / "residual.onnx"
    SOURCES[source](network, path)
    rewrite = HERE[tool]
    if rewrite is not None:
        path, written = tmp_path / "rewritten.onnx", path
        rewrite(written, path)
    report = Verifier(network).verify(path.name, ONNX.open(path))
    assert passing(report.verdict), report


@pytest.mark.filterwarnings("ignore")  # of PyTorch's older exporter, that it is old
@pytest.mark.parametrize("source", ["archc", "torch.onnx, older"])
def test_a_file_passes_that_computes_in_float64_what_its_runtime_can(source: str, tmp_path: Path) -> None:
    network, path = WEIGHTS["trained"](compiled(UPSAMPLED)), tmp_path / "upsampled.onnx"
    SOURCES[source](network, path)
    found = verified(network, in_float64(onnx.load(path)), path)
    assert found.verdict is Verdict.PASSED, found


def test_a_wrong_node_is_named_in_a_file_that_computes_in_float64(tmp_path: Path) -> None:
    network, path = WEIGHTS["trained"](compiled(PERCEPTRON)), tmp_path / "perceptron.onnx"
    SOURCES["archc"](network, path)
    model = onnx.load(path)
    next(node for node in model.graph.node if node.name.startswith("/act2/")).op_type = "Abs"
    found = verified(network, in_float64(model), path)
    assert found.verdict is Verdict.FAILED
    assert found.divergence is not None
    assert (found.divergence.path, found.divergence.reason) == ("act2", "the error exceeds the bound")


def verified(network: Network, model: onnx.ModelProto, path: Path) -> Report:
    onnx.save(model, path)
    return Verifier(network).verify(path.name, ONNX.open(path))

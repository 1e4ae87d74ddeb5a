"""How far a correct runtime may be off, by the rounding of its kernels."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from archc.exporting import exporters
from archc.verification import Verdict, verify
from archc.verification.reference import with_rounding_of_kernels
from archc.verification.rounding import ROUNDING
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.elaborate.specs import compiled, layers

ONNX = exporters()["onnx"]
RESIZED = """\
name: long
input: {channels: 3, length: 3000}
layers:
  - interpolate: {size: 12, mode: linear}
  - conv1d: {out_channels: 4, kernel_size: 3}
"""


def test_a_gate_is_off_by_a_rounding_of_what_it_multiplies() -> None:
    """GELU is x times a gate that 1 rounds; far below zero nothing but that rounding is left of it."""
    graph = layers("- gelu: {approximate: tanh}\n- relu")
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    x = np.full((1, *(int(str(size)) for size in graph.input.type.shape[1:])), -50.0, np.float32)
    x[..., 0] = 1.0  # from all of one kind nothing could be told
    (loose,) = with_rounding_of_kernels(network, (x,))
    assert not torch.nn.functional.gelu(torch.from_numpy(x[..., 1:]), approximate="tanh").any()
    assert 50 * ROUNDING < loose[..., 1:].max() <= 2 * 50 * ROUNDING


@pytest.fixture
def long_signal(tmp_path: Path) -> tuple[Network, Path]:
    """3,000 steps that are brought to 12, and the file of it."""
    network = Network(compiled(RESIZED, "."), InitializedWeights(compiled(RESIZED, ".").parameters(), 0), fresh=True)
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked(), None)
    return network, path


def test_a_pixel_is_off_by_a_rounding_of_where_it_lies(long_signal: tuple[Network, Path]) -> None:
    """ONNX Runtime divides by 12 / 3000, which float32 rounds; PyTorch multiplies by 250, and is exact."""
    network, path = long_signal
    report = verify(network, ONNX.open(path, ONNX.asked()), path.name)
    assert report.verdict is Verdict.PASSED


def test_a_pixel_that_lies_elsewhere_is_noticed(long_signal: tuple[Network, Path]) -> None:
    network, path = long_signal
    model = onnx.load(path)
    (resize,) = (node for node in model.graph.node if node.op_type == "Resize")
    mode = next(each for each in resize.attribute if each.name == "coordinate_transformation_mode")
    mode.s = b"align_corners"
    onnx.save(model, path)
    report = verify(network, ONNX.open(path, ONNX.asked()), path.name)
    assert report.verdict is Verdict.FAILED
    assert report.divergence is not None
    assert report.divergence.operator == "interpolate"

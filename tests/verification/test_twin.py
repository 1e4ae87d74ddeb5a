"""The calibrated twin: every layer of unit variance, every parameter of weight; what is delivered stays untouched."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from archc.exporting import exporters
from archc.ir.graph import Graph
from archc.nn import build_module
from archc.verification import Verdict, verify
from archc.verification.images import images
from archc.verification.report import OWN, TWIN
from archc.verification.rounding import FLOOR, rms
from archc.verification.statistics import VACUITY
from archc.verification.twin import calibrated_weights
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, VARIED, compiled

ONNX = exporters()["onnx"]

DEEP = """\
name: deep
input: {channels: 3, height: 16, width: 16}
layers:
  - conv2d: {name: first, out_channels: 8, kernel_size: 3, padding: 1}
  - sigmoid
  - sequence:
      - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
      - sigmoid
      - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
      - sigmoid
      - conv2d: {out_channels: 8, kernel_size: 3, padding: 1}
      - sigmoid
  - flatten
  - linear: {name: hidden, out_features: 20}
  - sigmoid
  - linear: {name: out, out_features: 10}
"""
"""Freshly initialised, its output hardly depends on its input."""

every_spec = pytest.mark.parametrize("spec", [RESIDUAL, VARIED, DEEP], ids=["residual", "varied", "deep"])


def sample(graph: Graph) -> np.ndarray:
    return images(tuple(size for size in graph.input.type.shape[1:] if isinstance(size, int)))


def fresh(graph: Graph) -> Network:
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)


def output(graph: Graph, weights: dict[str, np.ndarray]) -> np.ndarray:
    module = build_module(graph, weights).eval().double()
    with torch.no_grad():
        result: torch.Tensor = module(torch.from_numpy(sample(graph)).double())
    return result.numpy()


@every_spec
def test_every_convolution_and_linear_layer_has_an_output_of_unit_variance(spec: str) -> None:
    graph = compiled(spec)
    module = build_module(graph, calibrated_weights(graph, sample(graph))).eval()
    deviations: dict[str, float] = {}

    def record(name: str, layer: nn.Module, inputs: tuple[torch.Tensor, ...], y: torch.Tensor) -> None:
        deviations[name] = float(y.std(correction=0))

    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(partial(record, name))
    with torch.no_grad():
        module(torch.from_numpy(sample(graph)))
    assert deviations.keys() == {node.path for node in graph.nodes if node.operator.word in ("conv2d", "linear")}
    assert list(deviations.values()) == pytest.approx([1.0] * len(deviations), rel=1e-4)


@every_spec
def test_every_parameter_matters(spec: str) -> None:
    """Noise of its own size on any one tensor changes the output by far more than rounding does."""
    graph = compiled(spec)
    weights = calibrated_weights(graph, sample(graph))
    right = output(graph, weights)
    effects = {}
    for key, array in weights.items():
        if array.dtype == np.float32:
            noise = np.random.default_rng(1).standard_normal(array.shape) * rms(array)
            effects[key] = rms(output(graph, {**weights, key: (array + noise).astype(np.float32)}) - right) / rms(right)
    assert {key: effect for key, effect in effects.items() if effect < 25 * FLOOR} == {}


@every_spec
def test_the_output_depends_on_the_input(spec: str) -> None:
    graph = compiled(spec)
    y = output(graph, calibrated_weights(graph, sample(graph)))
    # Far beyond the vacuity guard, even with rounding errors of 25 times the floor.
    assert rms(y - y.mean(axis=0)) > 25 * VACUITY * FLOOR * rms(y)


def test_a_fresh_network_needs_its_twin() -> None:
    graph = compiled(DEEP)
    y = output(graph, dict(fresh(graph).weights))
    assert rms(y - y.mean(axis=0)) < VACUITY * FLOOR * rms(y)


def test_the_twin_is_the_same_at_every_run() -> None:
    graph = compiled(RESIDUAL)
    first, second = (calibrated_weights(graph, sample(graph)) for _ in range(2))
    assert list(first) == [parameter.path for parameter in graph.parameters()]
    assert all(first[key].tobytes() == second[key].tobytes() for key in first)


@pytest.mark.parametrize("name", ["onnx", "torchscript", "pt2"])
def test_verification_leaves_the_delivered_bytes_alone(name: str, tmp_path: Path) -> None:
    network = fresh(compiled(RESIDUAL))
    exporter = exporters()[name]
    path = tmp_path / f"net{exporter.suffix}"
    with path.open("wb") as file:
        exporter.write(network, file, exporter.asked())
    before = path.read_bytes()
    report = verify(network, exporter.open(path), path.name)
    assert (report.verdict, report.weights) == (Verdict.PASSED, TWIN)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_network_that_is_compared_under_its_own_weights_has_no_twin(tmp_path: Path) -> None:
    graph = compiled(RESIDUAL)
    given = Network(graph, calibrated_weights(graph, sample(graph)), fresh=False)
    path = tmp_path / "net.onnx"
    with path.open("wb") as file:
        ONNX.write(given, file, ONNX.asked())
    report = verify(given, ONNX.open(path), path.name)
    assert (report.verdict, report.weights) == (Verdict.PASSED, OWN)

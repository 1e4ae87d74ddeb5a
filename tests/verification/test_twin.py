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
from archc.verification.rounding import FLOOR, SHARP, rms
from archc.verification.statistics import VACUITY
from archc.verification.twin import calibrated_weights
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, VARIED, compiled
from tests.verification.sharpness import graph_at, sharpness

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

NORMED = """\
name: normed
input: {{channels: 3, height: 16, width: 16}}
layers:
  - conv2d: {{out_channels: 8, kernel_size: 4, stride: 4}}
  - flatten: {{start_dim: 2}}
  - permute: {{dims: [0, 2, 1]}}
  - layer_norm: {{eps: {eps}}}
  - sum:
      - - linear: 16
        - gelu
        - linear: 8
        - layer_norm: {{eps: {eps}}}
      - identity
  - flatten
  - linear: 10
"""
"""Layer norms after a convolution and after a linear layer."""

# Plain, of sigmoids, residual, dense, depthwise, with gates, with branches, shuffled.
BUNDLED = {
    "vgg19_grey": 32,
    "lenet5_sigmoid": 28,
    "resnet152": 64,
    "densenet121": 32,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "efficientnet_b0": 64,
    "efficientnet_v2_s": 32,
    "inception_v3": 107,
    "shufflenet_v2_x1_0": 64,
}

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
def test_what_reaches_an_activation_is_at_its_operating_point(spec: str) -> None:
    """But for sums, where a shortcut comes on top: their deviation suffices."""
    graph = compiled(spec)
    module = build_module(graph, calibrated_weights(graph, sample(graph))).eval()
    found: dict[str, tuple[float, float]] = {}

    def record(path: str, layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        found[path] = float(inputs[0].mean()), float(inputs[0].std(correction=0))

    producers = {node.output.name: node.operator for node in graph.nodes}
    for node in graph.nodes:
        if node.operator.operating_point():
            module.get_submodule(node.path).register_forward_pre_hook(partial(record, node.path))
    with torch.no_grad():
        module(torch.from_numpy(sample(graph)))
    for node in graph.nodes:
        if point := node.operator.operating_point():
            mean, deviation = found[node.path]
            assert 0.6 * point[1] < deviation < 1.5 * point[1], node.path
            assert producers[node.inputs[0].name].adds or abs(mean - point[0]) < 0.4 * point[1], node.path


@every_spec
def test_the_output_has_unit_size(spec: str) -> None:
    graph = compiled(spec)
    assert rms(output(graph, calibrated_weights(graph, sample(graph)))) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize(("name", "size"), BUNDLED.items())
def test_rounding_stays_small_and_a_hundredth_of_any_layer_is_noticed(name: str, size: int) -> None:
    """`python -m tests.verification.sharpness` shows every bundled spec."""
    found = sharpness(graph_at(name, size))
    assert found.float32_error < SHARP
    assert found.input_dependence > 10 * VACUITY
    assert {path: noticed for path, noticed in found.noticed.items() if noticed < 3} == {}


def test_the_scale_and_the_epsilon_of_what_a_layer_norm_takes_away_are_noticed() -> None:
    """The norm's input is small, so that its epsilon counts."""
    text = NORMED.format(eps=1e-5)
    graph = compiled(text)
    assert {path: noticed for path, noticed in sharpness(graph).noticed.items() if noticed < 3} == {}
    weights = calibrated_weights(graph, sample(graph))
    right, wrong = output(graph, weights), output(compiled(NORMED.format(eps=1e-6)), weights)
    assert rms(wrong - right) > 25 * FLOOR * rms(right)


STANDARDIZED = """\
name: standardized
input: {{channels: 3, height: 16, width: 16}}
defaults:
  conv2d: {{standardize: {{eps: {eps}, gain: {gain}}}}}
layers:
  - conv2d: {{name: first, out_channels: 8, kernel_size: 3, stride: 2}}
  - group_norm: {{num_groups: 2}}
  - relu
  - conv2d: {{name: second, out_channels: 8, kernel_size: 3}}
  - batch_norm
  - silu
  - flatten
  - linear: 10
"""


@pytest.mark.parametrize("gain", ["true", "false"])
def test_the_epsilon_of_standardised_filters_and_each_of_their_gains_are_noticed(gain: str) -> None:
    graph = compiled(STANDARDIZED.format(eps=1e-6, gain=gain))
    unscaled = {node.path for node in graph.nodes if node.operator.linear_axis and not node.operator.scaled_by}
    noticed = {path: noticed for path, noticed in sharpness(graph).noticed.items() if path not in unscaled}
    assert {path: share for path, share in noticed.items() if share < 3} == {}
    weights = calibrated_weights(graph, sample(graph))
    right = output(graph, weights)
    wrong = output(compiled(STANDARDIZED.format(eps=1e-7, gain=gain)), weights)
    assert rms(wrong - right) > 25 * FLOOR * rms(right)


def test_nothing_is_subnormal() -> None:
    """A convolution of subnormal numbers takes fifty times as long."""
    graph = graph_at("efficientnet_b0", 64)
    module = build_module(graph, calibrated_weights(graph, sample(graph))).eval()
    found: list[str] = []

    def look(path: str, layer: nn.Module, inputs: object, y: torch.Tensor) -> None:
        if bool(((y != 0) & (y.abs() < torch.finfo(torch.float32).tiny)).any()):
            found.append(path)

    for path, layer in module.named_modules():
        layer.register_forward_hook(partial(look, path))
    with torch.no_grad():
        module(torch.from_numpy(sample(graph)))
    assert found == []


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

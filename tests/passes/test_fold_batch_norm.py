"""Folding batch norms: a printed graph in, a printed graph out, and the same function in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import archc
from archc.ir.graph import Graph
from archc.ir.initializers import Initializer
from archc.ir.printer import print_graph
from archc.ir.verifier import InvalidGraph
from archc.nn import build_module
from archc.passes import Pass, fold_batch_norm, run_passes
from archc.passes.inference_graph import inference_graph
from archc.weights import resolve
from tests.elaborate.specs import compiled, layers

SPEC = """\
- conv2d: {name: conv1, out_channels: 4, kernel_size: 3, bias: false}
- batch_norm: {name: bn1}
- relu
- conv2d: {name: conv2, out_channels: 4, kernel_size: 3, groups: 2}
- batch_norm: {name: bn2, affine: false, eps: 1e-2}
- batch_norm: {name: twice}
- sum:
    - [{conv2d: {name: branch, out_channels: 4, kernel_size: 1}}, {batch_norm: {name: branch_norm}}]
    - - conv2d: {name: shared, out_channels: 4, kernel_size: 1}
      - sum: [{batch_norm: {name: norm}}, identity]
- flatten
- linear: {name: fc, out_features: 5, bias: false}
- output: raw
- batch_norm: {name: raw_norm}
- linear: {name: last, out_features: 3}
- batch_norm: {name: last_norm}
"""


def test_a_norm_is_folded_into_a_layer_whose_output_nothing_else_uses() -> None:
    graph = layers(SPEC)
    assert (
        print_graph(graph)
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  conv1       = conv2d[out_channels=4, kernel_size=3, bias=false](input) : float32[batch, 4, 30, 30]
  bn1         = batch_norm(conv1)                                        : float32[batch, 4, 30, 30]
  relu        = relu(bn1)                                                : float32[batch, 4, 30, 30]
  conv2       = conv2d[out_channels=4, kernel_size=3, groups=2](relu)    : float32[batch, 4, 28, 28]
  bn2         = batch_norm[eps=0.01, affine=false](conv2)                : float32[batch, 4, 28, 28]
  twice       = batch_norm(bn2)                                          : float32[batch, 4, 28, 28]
  branch      = conv2d[out_channels=4, kernel_size=1](twice)             : float32[batch, 4, 28, 28]
  branch_norm = batch_norm(branch)                                       : float32[batch, 4, 28, 28]
  shared      = conv2d[out_channels=4, kernel_size=1](twice)             : float32[batch, 4, 28, 28]
  norm        = batch_norm(shared)                                       : float32[batch, 4, 28, 28]
  :sum        = sum(norm, shared)                                        : float32[batch, 4, 28, 28]
  :sum_1      = sum(branch_norm, :sum)                                   : float32[batch, 4, 28, 28]
  flatten     = flatten(:sum_1)                                          : float32[batch, 3136]
  fc          = linear[out_features=5, bias=false](flatten)              : float32[batch, 5]
  raw_norm    = batch_norm(fc)                                           : float32[batch, 5]
  last        = linear[out_features=3](raw_norm)                         : float32[batch, 3]
  last_norm   = batch_norm(last)                                         : float32[batch, 3]
  return output = last_norm
  return raw = fc
"""
    )
    assert (
        print_graph(run_passes(graph, [fold_batch_norm]))
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  bn1         = conv2d conv1[out_channels=4, kernel_size=3](input)          : float32[batch, 4, 30, 30]
  relu        = relu(bn1)                                                   : float32[batch, 4, 30, 30]
  bn2         = conv2d conv2[out_channels=4, kernel_size=3, groups=2](relu) : float32[batch, 4, 28, 28]
  twice       = batch_norm(bn2)                                             : float32[batch, 4, 28, 28]
  branch_norm = conv2d branch[out_channels=4, kernel_size=1](twice)         : float32[batch, 4, 28, 28]
  shared      = conv2d[out_channels=4, kernel_size=1](twice)                : float32[batch, 4, 28, 28]
  norm        = batch_norm(shared)                                          : float32[batch, 4, 28, 28]
  :sum        = sum(norm, shared)                                           : float32[batch, 4, 28, 28]
  :sum_1      = sum(branch_norm, :sum)                                      : float32[batch, 4, 28, 28]
  flatten     = flatten(:sum_1)                                             : float32[batch, 3136]
  fc          = linear[out_features=5, bias=false](flatten)                 : float32[batch, 5]
  raw_norm    = batch_norm(fc)                                              : float32[batch, 5]
  last_norm   = linear last[out_features=3](raw_norm)                       : float32[batch, 3]
  return output = last_norm
  return raw = fc
"""
    )


def random_weights(graph: Graph) -> dict[str, np.ndarray]:
    """Weights in float64, variances positive and far from 1."""
    draws = np.random.default_rng(0)
    weights = {p.path: draws.standard_normal(p.shape) for p in graph.parameters()}
    return {path: np.asarray(abs(w) + 0.2 if path.endswith("running_var") else w) for path, w in weights.items()}


def outputs(graph: Graph, weights: dict[str, np.ndarray], image: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        result = build_module(graph, weights).double().eval()(image)
    return list(result) if isinstance(result, tuple) else [result]


def compare(graph: Graph, *passes: Pass) -> None:
    """The folded graph's derived weights give the same outputs, to rounding."""
    weights = random_weights(graph)
    folded = run_passes(graph, passes or [fold_batch_norm])
    derived = {
        p.path: p.derived.compute(*(weights[key] for key in p.derived.sources)) if p.derived else weights[p.path]
        for p in folded.parameters()
    }
    shape = [2, *(int(str(size)) for size in graph.input.type.shape[1:])]
    image = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for mine, expected in zip(outputs(folded, derived, image), outputs(graph, weights, image), strict=True):
        assert (mine - expected).abs().max() <= 1e-12 * expected.abs().max()


def test_the_folded_graph_computes_the_same() -> None:
    compare(layers(SPEC))


ONE, THREE = "{channels: 4, length: 9}", "{channels: 4, depth: 4, height: 5, width: 3}"
TWO = "{channels: 4, height: 5, width: 6}"


@pytest.mark.parametrize(
    ("word", "input"),
    [
        (f"{name}{axes}d", input)
        for name in ("conv", "conv_transpose")
        for axes, input in enumerate((ONE, TWO, THREE), 1)
    ],
)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", ["true", "false"])
def test_a_norm_is_folded_into_any_convolution(word: str, input: str, groups: int, bias: str) -> None:
    fields = f"out_channels: 6, kernel_size: 2, stride: 2, groups: {groups}, bias: {bias}"
    graph = compiled(f"name: net\ninput: {input}\nlayers:\n  - {word}: {{{fields}}}\n  - batch_norm\n  - relu\n")
    compare(graph)
    folded = run_passes(graph, [fold_batch_norm])
    assert [node.operator.word for node in folded.nodes] == [word, "relu"]
    for parameter in folded.parameters():
        weights = {key: array.astype(np.float32) for key, array in random_weights(graph).items()}
        assert parameter.derived is not None
        whole = parameter.derived.compute(*(weights[key].astype(np.float64) for key in parameter.derived.sources))
        np.testing.assert_array_equal(resolve(parameter, weights), whole.astype(np.float32))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("tensor", [np.asarray, torch.as_tensor])
def test_a_negative_variance_gives_nan_as_pytorch_has_it_and_no_warning(tensor: Callable[[np.ndarray], Any]) -> None:
    graph = layers("- conv2d: {name: conv, out_channels: 3, kernel_size: 1, bias: false}\n- batch_norm: {name: norm}\n")
    weights = random_weights(graph)
    weights["norm.running_var"] = np.array([-0.5, 1.0, np.inf])
    expected = outputs(graph, weights, torch.ones(1, 3, 32, 32, dtype=torch.float64))[0][0, :, 0, 0]
    assert expected.isnan().tolist() == [True, False, False]
    for parameter in run_passes(graph, [fold_batch_norm]).parameters():
        assert parameter.derived is not None
        derived = parameter.derived.compute(*(tensor(weights[key]) for key in parameter.derived.sources))
        nan = np.isnan(np.asarray(derived)).reshape(3, -1).any(1)
        assert nan.tolist() == [True, False, False], parameter.path


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_folded_residual_network_computes_the_same_without_any_norm(name: str) -> None:
    text = (
        "- basic: {width: 8, stride: 2, count: 2}\n" if name == "resnet18" else "- bottleneck: {width: 8, count: 2}\n"
    )
    compare(layers(text))
    folded = run_passes(archc.compile(name), [fold_batch_norm])
    assert "batch_norm" not in {node.operator.word for node in folded.nodes}


def test_the_derived_tensors_come_from_the_network_s_own_keys() -> None:
    graph = layers("- basic: {name: block, width: 8}")
    keys = {parameter.path for parameter in graph.parameters()}
    for parameter in run_passes(graph, [fold_batch_norm]).parameters():
        assert parameter.derived is not None
        assert set(parameter.derived.sources) <= keys
        assert isinstance(parameter.initializer, Initializer)


def test_a_norm_after_an_auxiliary_head_s_branching_is_folded_at_inference() -> None:
    graph = layers("""\
        - conv2d: {name: conv, out_channels: 4, kernel_size: 1}
        - aux: {tanh: {name: side}}
        - batch_norm
        """)
    with pytest.raises(InvalidGraph, match="fold_batch_norm: what it requires does not hold of the graph net"):
        run_passes(graph, [fold_batch_norm])
    assert [node.path for node in run_passes(graph, [inference_graph, fold_batch_norm]).nodes] == ["conv"]


def test_a_norm_that_is_not_over_the_features_of_a_linear_layer_stays() -> None:
    """Over an image a linear layer's features are the last axis, while the norm's channels are axis 1."""
    graph = layers("- linear: {name: rows, out_features: 5}\n- batch_norm\n")
    assert run_passes(graph, [fold_batch_norm]).nodes == graph.nodes
    compare(graph)


def test_a_norm_after_what_has_no_weight_stays() -> None:
    graph = layers("- flatten\n- tanh\n- batch_norm\n")
    assert run_passes(graph, [fold_batch_norm]).nodes == graph.nodes

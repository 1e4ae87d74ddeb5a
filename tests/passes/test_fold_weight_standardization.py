"""Folding weight standardisation: plain convolutions, which compute the same in float64, with a norm folded too."""

import numpy as np
import pytest

from archc.ir.printer import print_graph
from archc.passes import Pass, fold_batch_norm, fold_weight_standardization, run_passes
from archc.weights import resolve
from tests.elaborate.specs import layers
from tests.passes.test_fold_batch_norm import compare, random_weights

SPEC = """\
- conv2d: {name: plain, out_channels: 4, kernel_size: 3}
- conv2d: {name: own, out_channels: 6, kernel_size: 3, groups: 2, standardize: {eps: 0.01}}
- relu
- conv2d: {name: scaled, out_channels: 6, kernel_size: [2, 3], bias: false, standardize: {gain: true, gamma: 1.7}}
- batch_norm: {name: norm}
"""


def test_standardised_filters_become_plain_ones() -> None:
    graph = layers(SPEC)
    folded = run_passes(graph, [fold_weight_standardization, fold_batch_norm])
    assert (
        print_graph(folded)
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  plain = conv2d[out_channels=4, kernel_size=3](input)            : float32[batch, 4, 30, 30]
  own   = conv2d[out_channels=6, kernel_size=3, groups=2](plain)  : float32[batch, 6, 28, 28]
  relu  = relu(own)                                               : float32[batch, 6, 28, 28]
  norm  = conv2d scaled[out_channels=6, kernel_size=[2, 3]](relu) : float32[batch, 6, 27, 26]
  return output = norm
"""
    )
    assert [p.path for p in folded.parameters() if p.derived] == ["own.weight", "scaled.weight", "scaled.bias"]


@pytest.mark.parametrize("passes", [[fold_weight_standardization], [fold_weight_standardization, fold_batch_norm]])
def test_the_folded_graph_computes_the_same(passes: list[Pass]) -> None:
    compare(layers(SPEC), *passes)


SHARED = """\
- conv2d: {name: own, out_channels: 3, kernel_size: 3, standardize: {}}
- batch_norm: {name: norm}
- share: own
- share: norm
- relu
- conv2d: {name: last, out_channels: 5, kernel_size: 1}
- batch_norm
"""


def test_a_norm_is_not_folded_into_a_layer_that_is_used_again() -> None:
    graph = layers(SHARED)
    compare(graph, fold_weight_standardization, fold_batch_norm)
    words = [node.operator.word for node in run_passes(graph, [fold_weight_standardization, fold_batch_norm]).nodes]
    assert words == ["conv2d", "batch_norm", "conv2d", "batch_norm", "relu", "conv2d"]


def test_filters_are_derived_slice_by_slice() -> None:
    graph = layers("- conv2d: {out_channels: 256, kernel_size: 11, standardize: {gain: true}}\n- batch_norm\n")
    (folded,) = run_passes(graph, [fold_weight_standardization, fold_batch_norm]).nodes
    weights = {key: array.astype(np.float32) for key, array in random_weights(graph).items()}
    for parameter in folded.parameters:
        assert parameter.derived is not None
        whole = parameter.derived.compute(*(weights[key].astype(np.float64) for key in parameter.derived.sources))
        np.testing.assert_array_equal(resolve(parameter, weights), whole.astype(np.float32))


def test_a_norm_is_not_folded_into_filters_that_are_still_standardised() -> None:
    graph = layers("- conv2d: {out_channels: 4, kernel_size: 3, standardize: {}}\n- batch_norm\n")
    assert run_passes(graph, [fold_batch_norm]).nodes == graph.nodes

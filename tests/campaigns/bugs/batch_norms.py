"""Bugs in batch norms, as nodes of their own and folded into the layer before them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto
SCALE, SHIFT, MEAN, VARIANCE = 1, 2, 3, 4  # inputs of BatchNormalization


def _tensor_changed(draft: Draft, node: Node, index: int, change: Callable[[np.ndarray], Any]) -> None:
    draft.store(node.input[index], change(draft.array(node.input[index])))


@seeded("BatchNormalization", folded=False)
def epsilon_of_another_framework(draft: Draft, node: Node) -> None:
    """1e-3, which is Keras's, for PyTorch's 1e-5, or the other way round."""
    epsilon = 1e-3 if attribute(node, "epsilon") < 1e-4 else 1e-5
    set_attribute(node, "epsilon", epsilon)


@seeded("BatchNormalization", folded=False)
def epsilon_lost(draft: Draft, node: Node) -> None:
    set_attribute(node, "epsilon", 0.0)


@seeded("BatchNormalization", folded=False)
def momentum_for_epsilon(draft: Draft, node: Node) -> None:
    set_attribute(node, "epsilon", 0.1)


@seeded("BatchNormalization", folded=False)
def gamma_lost(draft: Draft, node: Node) -> None:
    _tensor_changed(draft, node, SCALE, np.ones_like)


@seeded("BatchNormalization", folded=False)
def beta_lost(draft: Draft, node: Node) -> None:
    _tensor_changed(draft, node, SHIFT, np.zeros_like)


@seeded("BatchNormalization", folded=False)
def gamma_and_beta_swapped(draft: Draft, node: Node) -> None:
    node.input[SCALE], node.input[SHIFT] = node.input[SHIFT], node.input[SCALE]


@seeded("BatchNormalization", folded=False)
def mean_and_variance_swapped(draft: Draft, node: Node) -> None:
    node.input[MEAN], node.input[VARIANCE] = node.input[VARIANCE], node.input[MEAN]


@seeded("BatchNormalization", folded=False)
def mean_lost(draft: Draft, node: Node) -> None:
    _tensor_changed(draft, node, MEAN, np.zeros_like)


@seeded("BatchNormalization", folded=False)
def mean_added(draft: Draft, node: Node) -> None:
    _tensor_changed(draft, node, MEAN, np.negative)


@seeded("BatchNormalization", folded=False)
def variance_for_standard_deviation(draft: Draft, node: Node) -> None:
    """(x - mean) / variance."""
    _tensor_changed(draft, node, VARIANCE, np.square)


@seeded("BatchNormalization", folded=False)
def standard_deviation_for_variance(draft: Draft, node: Node) -> None:
    _tensor_changed(draft, node, VARIANCE, np.sqrt)


@seeded("BatchNormalization", folded=False)
def unbiased_variance(draft: Draft, node: Node) -> None:
    """As if the running variance needed Bessel's correction once more, for 64 values."""
    _tensor_changed(draft, node, VARIANCE, lambda variance: variance * 64 / 63)


@seeded("BatchNormalization", folded=False)
def gamma_of_the_next_channel(draft: Draft, node: Node) -> None:
    _tensor_changed(draft, node, SCALE, lambda gamma: np.roll(gamma, 1))


@dataclass(frozen=True)
class _Folded:
    """What a folded layer was made of, in float64; `bias` is 0 where the layer had none."""

    weight: np.ndarray
    bias: Any
    gamma: np.ndarray
    beta: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    epsilon: float

    @property
    def scale(self) -> np.ndarray:
        return self.gamma / np.sqrt(self.variance + self.epsilon)


def _parts(draft: Draft, node: Node) -> _Folded:
    parameters = {parameter.path.rpartition(".")[2]: parameter for parameter in draft.origin(node).parameters}
    derived = parameters["weight"].derived if "weight" in parameters else None
    require(derived is not None, "no batch norm was folded into it")
    norm: Any = derived.norm  # type: ignore[union-attr]
    require(norm.affine, "the batch norm has no gamma")
    gamma, beta, mean, variance = (draft.origins.weights[key].astype(np.float64) for key in norm.keys)
    weight = draft.origins.weights[parameters["weight"].path].astype(np.float64)
    biased = parameters["bias"].derived.bias  # type: ignore[union-attr]
    bias = draft.origins.weights[biased].astype(np.float64) if biased else 0.0
    return _Folded(weight, bias, gamma, beta, mean, variance, norm.eps)


def _store(draft: Draft, node: Node, parts: _Folded, scale: Any, bias: Any) -> None:
    """The weights under some scale [out], and a bias."""
    axes = (1,) * (parts.weight.ndim - 1)
    draft.store(node.input[1], parts.weight * np.broadcast_to(scale, len(parts.weight)).reshape(-1, *axes))
    draft.store(node.input[2], np.broadcast_to(bias, len(parts.weight)))


@seeded("Conv", "Gemm")
def folding_without_epsilon(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    scale = p.gamma / np.sqrt(p.variance)
    _store(draft, node, p, scale, (p.bias - p.mean) * scale + p.beta)


@seeded("Conv", "Gemm")
def folding_with_epsilon_after_the_root(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    scale = p.gamma / (np.sqrt(p.variance) + p.epsilon)
    _store(draft, node, p, scale, (p.bias - p.mean) * scale + p.beta)


@seeded("Conv", "Gemm")
def folding_without_the_root(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    scale = p.gamma / (p.variance + p.epsilon)
    _store(draft, node, p, scale, (p.bias - p.mean) * scale + p.beta)


@seeded("Conv", "Gemm")
def folding_without_gamma(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    scale = 1 / np.sqrt(p.variance + p.epsilon)
    _store(draft, node, p, scale, (p.bias - p.mean) * scale + p.beta)


@seeded("Conv", "Gemm")
def folding_without_beta(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    _store(draft, node, p, p.scale, (p.bias - p.mean) * p.scale)


@seeded("Conv", "Gemm")
def folding_that_adds_the_mean(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    _store(draft, node, p, p.scale, (p.bias + p.mean) * p.scale + p.beta)


@seeded("Conv", "Gemm")
def folding_without_the_bias(draft: Draft, node: Node) -> None:
    """The bias is the batch norm's beta, as if its mean were zero."""
    p = _parts(draft, node)
    _store(draft, node, p, p.scale, p.beta)


@seeded("Conv", "Gemm")
def folding_with_an_unscaled_mean(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    _store(draft, node, p, p.scale, p.bias - p.mean + p.beta)


@seeded("Conv", "Gemm")
def folding_into_the_bias_alone(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    _store(draft, node, p, 1.0, (p.bias - p.mean) * p.scale + p.beta)


@seeded("Conv", "Gemm")
def folding_twice(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    _store(draft, node, p, p.scale**2, (p.bias - p.mean) * p.scale + p.beta)


@seeded("Conv", "Gemm")
def folding_along_the_input_channels(draft: Draft, node: Node) -> None:
    p = _parts(draft, node)
    require(p.weight.shape[0] == p.weight.shape[1], "the weight is not square")
    draft.store(node.input[1], p.weight * p.scale.reshape(1, -1, *(1,) * (p.weight.ndim - 2)))

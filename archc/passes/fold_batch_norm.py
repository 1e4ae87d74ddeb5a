"""Folds batch norms into the convolutions and linear layers before them.

At inference a batch norm is y = γ·(x - μ)/σ + β with σ = √(var + eps), per channel. After x = W·z + b this is
    W' = W · γ/σ    and    b' = (b - μ) · γ/σ + β.
W may be derived itself, as one that is standardised.
Requires: an inference graph.
Ensures: no batch norm follows a convolution or linear layer whose output and tensors nothing else uses; the folded
layer's weights are derived from the tensors that the spec's network has.
Source: Jacob et al. 2018, arXiv:1712.05877, section 3.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from archc.ir.graph import Derivation, Graph, Node, Parameter, Stored
from archc.ir.initializers import ZEROS
from archc.ir.operator import expect_channels
from archc.operators.normalization import BatchNorm
from archc.passes.run import Pass, is_inference


@dataclass(frozen=True)
class _Norm:
    """The tensors of a batch norm, by key, and its epsilon."""

    path: str
    affine: bool
    eps: float

    @property
    def keys(self) -> tuple[str, ...]:
        names = ("weight", "bias") if self.affine else ()
        return tuple(f"{self.path}.{name}" for name in (*names, "running_mean", "running_var"))

    def scale_and_shift(self, arrays: tuple[Any, ...]) -> tuple[Any, Any, Any]:
        """γ/σ, β and μ per channel."""
        *affine, mean, variance = arrays
        weight, bias = affine or (1.0, 0.0)
        return weight / _square_root(variance + self.eps), bias, mean


def _square_root(x: Any) -> Any:
    """Element by element; NaN of what is negative, as PyTorch has it, where NumPy would warn too."""
    root = abs(x) ** 0.5
    root[x < 0] = float("nan")
    return root


@dataclass(frozen=True)
class FoldedWeight(Derivation):
    """W' = W · γ/σ, per output channel; `shapes` are those of `Operator.per_filter`."""

    weight: Derivation
    norm: _Norm
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def sources(self) -> tuple[str, ...]:
        """Those of the layer's weight, and the norm's tensors."""
        return *self.weight.sources, *self.norm.keys

    @property
    def sliced(self) -> bool:
        """False for a transposed convolution, whose filters lie along axis 1."""
        return self.weight.sliced and self.shapes[1][0] == -1

    def compute(self, *arrays: Any) -> Any:
        """Shapes: weight [out, ...] (of a transposed convolution [in, out/groups, ...]), the norm's [out] each."""
        count = len(self.weight.sources)
        weight = self.weight.compute(*arrays[:count])
        scale, _, _ = self.norm.scale_and_shift(arrays[count:])
        own, factors = self.shapes
        return (weight.reshape(own) * scale.reshape(factors)).reshape(weight.shape)


@dataclass(frozen=True)
class FoldedBias(Derivation):
    """b' = (b - μ) · γ/σ + β; b is 0 where the layer had no bias."""

    bias: str | None
    norm: _Norm

    @property
    def sources(self) -> tuple[str, ...]:
        """The layer's bias, if it has one, and the norm's tensors."""
        return (*((self.bias,) if self.bias else ()), *self.norm.keys)

    def compute(self, *arrays: Any) -> Any:
        """Shapes: [out] each -> [out]."""
        bias, norm = (arrays[0], arrays[1:]) if self.bias else (0.0, arrays)
        scale, shift, mean = self.norm.scale_and_shift(norm)
        return (bias - mean) * scale + shift


def _fold_all(graph: Graph) -> Graph:
    """The folded layer keeps its path and gives the batch norm's value, so that values stay comparable."""
    nodes: dict[str, Node] = {}  # by the value that they give
    for node, layer in _pairs(graph):
        if layer is not None:
            del nodes[layer.output.name]
            node = _fold(layer, node)
        nodes[node.outputs[0].name] = node
    return replace(graph, nodes=tuple(nodes.values()))


def _pairs(graph: Graph) -> Iterator[tuple[Node, Node | None]]:
    """Every node; beside a batch norm that can be folded, the layer that it directly follows."""
    uses = Counter(value.name for node in graph.nodes for value in node.inputs)
    uses.update(output.value.name for output in graph.outputs)
    shared = {node.shares for node in graph.nodes}
    layers = {node.output.name: node for node in graph.nodes if node.path not in shared and _is_layer(node)}
    for node in graph.nodes:
        layer = layers.get(node.inputs[0].name) if isinstance(node.operator, BatchNorm) else None
        yield node, layer if layer and uses[layer.output.name] == 1 else None


def _is_layer(node: Node) -> bool:
    """True for a linear map along the axis of the channels, into which no norm is folded yet."""
    axis, bias = node.operator.linear_axis, node.parameter("bias")
    if axis is None or axis % node.output.type.ndim != 1 or node.shares:
        return False
    return node.operator.scaled_by == "weight" and (bias is None or bias.derived is None)


def _nothing_is_left(graph: Graph) -> bool:
    return all(layer is None for _, layer in _pairs(graph))


def _fold(layer: Node, norm_node: Node) -> Node:
    assert isinstance(norm_node.operator, BatchNorm), "a layer stands beside a batch norm alone"
    norm = _Norm(norm_node.module, norm_node.operator.affine, norm_node.operator.eps)
    weight, bias = layer.parameter("weight"), layer.parameter("bias")
    assert weight is not None, "a linear map has a weight"
    shapes = layer.operator.per_filter(weight.shape)
    folded_weight = weight._replace(derived=FoldedWeight(weight.derived or Stored(weight.path), norm, shapes))
    folded_bias = Parameter(
        layer.key("bias"),
        (expect_channels(layer.output.type),),
        ZEROS,
        derived=FoldedBias(bias.path if bias else None, norm),
    )
    return replace(
        layer,
        operator=layer.operator.model_copy(update={"bias": True}),
        parameters=(folded_weight, folded_bias),
        outputs=norm_node.outputs,
    )


fold_batch_norm = Pass("fold_batch_norm", _fold_all, requires=is_inference, ensures=_nothing_is_left)

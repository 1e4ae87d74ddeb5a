"""Folds weight standardisation into the weights of convolutions, which are then plain ones.

A filter w of n weights, of mean m and biased variance v, becomes
    w' = (w - m) / √(v + eps),    and with a gain g    w' · g · gamma / √n.
Ensures: no convolution standardises its filters.
Source: Qiao et al. 2019, arXiv:1903.10520; Brock et al. 2021, arXiv:2101.08692.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from archc.ir.graph import Derivation, Graph, Node
from archc.operators.convolution import Convolution
from archc.passes.run import Pass


@dataclass(frozen=True)
class StandardizedWeight(Derivation):
    """The filters of mean 0 and variance 1, times their gain, if there is one."""

    weight: str
    gain: str | None
    eps: float
    gamma: float

    @property
    def sources(self) -> tuple[str, ...]:
        """The weight, and the gain."""
        return (self.weight, *((self.gain,) if self.gain else ()))

    def compute(self, *arrays: Any) -> Any:
        """Shapes: weight [out, in/groups, ...], gain [out, 1, ...] -> the weight's."""
        weight, *gain = arrays
        filters = weight.reshape(len(weight), -1)
        centred = filters - filters.mean(1).reshape(-1, 1)
        variance = (centred * centred).mean(1).reshape(-1, 1)
        standardized = centred / (variance + self.eps) ** 0.5
        if gain:
            standardized = standardized * (gain[0].reshape(-1, 1) * self.gamma * filters.shape[1] ** -0.5)
        return standardized.reshape(weight.shape)


def _fold_all(graph: Graph) -> Graph:
    return replace(graph, nodes=tuple(map(_folded, graph.nodes)))


def _folded(node: Node) -> Node:
    if not isinstance(node.operator, Convolution) or node.operator.standardize is None:
        return node
    how, weight, gain = node.operator.standardize, node.parameter("weight"), node.parameter("gain")
    assert weight is not None, "a convolution has a weight"
    derived = StandardizedWeight(weight.path, gain.path if gain else None, how.eps, how.gamma)
    kept = [each for each in node.parameters if each not in (weight, gain)]
    return replace(
        node,
        operator=node.operator.model_copy(update={"standardize": None}),
        parameters=(weight._replace(derived=derived), *kept),
    )


def _filters_are_plain(graph: Graph) -> bool:
    return all(getattr(node.operator, "standardize", None) is None for node in graph.nodes)


fold_weight_standardization = Pass("fold_weight_standardization", _fold_all, ensures=_filters_are_plain)

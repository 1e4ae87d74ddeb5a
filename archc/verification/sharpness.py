"""How small a change of a network a comparison notices, layer by layer.

Let every weight w of a layer become w·(1 + ε·n) with n drawn from a normal distribution. For a small ε the outputs y
move by ε·J·(w∘n), where J is the Jacobian. In units of the bound and per element, their root mean square over n is that
of ‖(Jᵀv)∘w‖ over normal v, and Jᵀv is a gradient: one backward pass for all layers. The smallest ε that a comparison
notices is one over it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, sqrt

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from archc.ir.graph import Graph
from archc.verification.images import Inputs
from archc.verification.rounding import FACTOR, FLOOR, SHARP, relative_error, rms
from archc.weights import Array

NOTICED = 0.1  # relative change of any layer's weights that no comparison may overlook


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The smallest relative change of a block's weights that a comparison notices; infinite if it notices none.

    It is that of the block's least sensitive layer.
    """

    block: str
    smallest: float


@dataclass(frozen=True, slots=True)
class Sharpness:
    """What a comparison can tell: PyTorch's own float32 error as a share of the outputs, and what would be noticed."""

    float32_share: float
    sensitivities: tuple[Sensitivity, ...]

    @property
    def least(self) -> Sensitivity | None:
        """The least sensitive block; None for a network without weights."""
        return max(self.sensitivities, key=lambda found: found.smallest, default=None)

    @property
    def doubt(self) -> str | None:
        """Why agreement under these weights proves little; None if it proves enough."""
        if not self.float32_share <= SHARP:
            return f"rounding alone is {self.float32_share:.0e} of the output"
        hidden = [found.block for found in self.sensitivities if not found.smallest < NOTICED]
        return f"a change of {', '.join(hidden[:3])} would go unnoticed" if hidden else None


Slopes = Mapping[str, tuple[str, Sequence[float]]]
"""Layer → its block, and how far its change moves each output, per element: the root mean square of ‖(Jᵀv)∘w‖."""


def gradients(module: nn.Module, graph: Graph, inputs: Inputs) -> tuple[Slopes, list[Array]]:
    """The slopes of every layer with weights at these inputs, and the outputs; the module is in float32.

    What changes is each output channel of a linear map, by a factor of its own, and each number of other layers: to
    differentiate by all weights of a map takes as long as to run it.
    """
    changed, hooks = _changed(module.requires_grad_(False), graph)
    generator = torch.Generator().manual_seed(0)
    result = module(*map(torch.from_numpy, inputs))
    outputs = result if isinstance(result, tuple | list) else (result,)
    leaves = [tensor for tensors in changed.values() for tensor in tensors]
    squares: dict[str, list[float]] = {layer: [] for layer in changed}
    for y in outputs:
        v = torch.randn(y.shape, generator=generator) / sqrt(max(y.numel(), 1))
        given = leaves if y.requires_grad else []
        # Of a sum, since PyTorch imports sympy to check the shape of a gradient that it is given.
        found = torch.autograd.grad((v * y).sum(), given, retain_graph=True, allow_unused=True) if given else ()
        slopes = {id(leaf): slope for leaf, slope in zip(given, found, strict=True) if slope is not None}
        for layer, tensors in changed.items():
            parts = [(slopes[id(w)] * w.detach()).double().square().sum() for w in tensors if id(w) in slopes]
            squares[layer].append(float(sum(parts)))
    for hook in hooks:
        hook.remove()
    blocks = {node.path: node.scope or node.path for node in graph.nodes}
    module.requires_grad_(False)
    slopes_by_layer = {layer: (blocks[layer], list(map(sqrt, found))) for layer, found in squares.items()}
    return slopes_by_layer, [y.detach().numpy() for y in outputs]


def _changed(module: nn.Module, graph: Graph) -> tuple[dict[str, list[torch.Tensor]], list[RemovableHandle]]:
    """The tensors that change, by layer, and the hooks by which those of linear maps have an effect."""
    changed: dict[str, list[torch.Tensor]] = {}
    hooks = []
    for node in graph.nodes:
        weights = [module.get_parameter(p.path) for p in node.parameters if not p.buffer and not node.shares]
        if weights and node.operator.linear_axis is not None and not node.keys:
            axis = node.operator.linear_axis % node.output.type.ndim
            shape = [-1 if index == axis else 1 for index in range(node.output.type.ndim)]
            factors = torch.ones(int(str(node.output.type.shape[axis])), requires_grad=True)
            hook = partial(_multiplied, factors.reshape(shape))
            hooks.append(module.get_submodule(node.path).register_forward_hook(hook))
            changed[node.path] = [factors]
        elif weights:
            changed[node.path] = [weight.requires_grad_(True) for weight in weights]
    return changed, hooks


def _multiplied(factors: torch.Tensor, layer: nn.Module, inputs: object, y: torch.Tensor) -> torch.Tensor:
    return y * factors


def sharpness(slopes: Slopes, exact: Sequence[Array], single: Sequence[Array]) -> Sharpness:
    """How sharp a comparison with these outputs is."""
    shares = [relative_error(s, e) for s, e in zip(single, exact, strict=True)]
    bounds = [(FACTOR * share + FLOOR) * rms(e[:1]) for share, e in zip(shares, exact, strict=True)]
    blocks: dict[str, float] = {}
    for block, found in slopes.values():
        noticed = max((slope / bound for slope, bound in zip(found, bounds, strict=True) if bound), default=0.0)
        blocks[block] = max(blocks.get(block, 0.0), 1 / noticed if noticed else inf)
    return Sharpness(max(shares), tuple(Sensitivity(block, smallest) for block, smallest in blocks.items()))

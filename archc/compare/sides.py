"""The two sides of a comparison, in float64 with the same weights, and one run of either."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import nn

from archc.compare.drawing import drawn, drawn_weights, is_computed
from archc.compare.factory import foreign
from archc.compare.outputs import Named, tensors
from archc.compare.sizes import Case
from archc.compare.watch import Draw, Watch
from archc.ir.graph import Graph
from archc.nn import build_module

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Run:
    """What one side gave for an input: its outputs, and what it drew at random."""

    outputs: list[Named]
    draws: list[Draw]


@dataclass(frozen=True)
class Step(Run):
    """What one side gave in training: gradients by key, and buffers after the step."""

    gradients: Tensors
    buffers: Tensors


@dataclass
class Sides:
    """A network and a module with the same keys. `theirs` is a copy, so that the person's own stays as it is."""

    graph: Graph
    given: nn.Module
    seed: int
    ours: nn.Module = field(init=False)
    theirs: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.ours = self._built().double()
        with foreign("copying the module"):
            self.theirs = deepcopy(self.given).to("cpu", torch.float64).requires_grad_()
        self.give_weights()

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """The drawn weights by key."""
        return drawn_weights(self.graph, self.seed)

    def give_weights(self) -> None:
        """Give both sides the drawn weights, and have them forget gradients.

        Computed buffers are the module's: where those of the spec are others by more than a rounding, that is told by
        itself, and outputs in float64 would show a rounding of float32.
        """
        computed = {parameter.path for parameter in self.graph.parameters() if is_computed(parameter)}
        for module in (self.ours, self.theirs):
            module.zero_grad(set_to_none=True)
            state = module.state_dict()
            for key in self.weights.keys() - computed:
                state[key].copy_(torch.from_numpy(self.weights[key]))
        own, their = self.ours.state_dict(), self.theirs.state_dict()
        for key in computed:
            own[key].copy_(their[key])

    def single(self) -> nn.Module:
        """The network's module in float32, whose error tells what rounding does."""
        return self._built()

    def inputs(self, case: Case) -> list[torch.Tensor]:
        """Inputs of these shapes in float64."""
        names = [value.name for value in self.graph.inputs]
        return [drawn(name, shape, self.seed) for name, shape in zip(names, case.shapes, strict=True)]

    def _built(self) -> nn.Module:
        return build_module(self.graph, {key: value.copy() for key, value in self.weights.items()})


def evaluate(module: nn.Module, inputs: Sequence[torch.Tensor], watch: Watch | None = None) -> Run:
    """The outputs outside training, watched by this or by a watch of its own."""
    module.eval()
    with torch.no_grad(), comparable(), watch or Watch(module) as watch:
        return Run(list(tensors(module(*_copies(inputs)))), watch.draws)


def train(
    module: nn.Module,
    inputs: Sequence[torch.Tensor],
    seed: int,
    order: Callable[[list[Named]], list[Named]],
    uniform: float | None,
) -> Step:
    """One step: forward in training, and backward from a weighted sum of the outputs in this order.

    For `uniform` see `Watch`.
    """
    module.train()
    with comparable():
        with Watch(module, uniform) as watch:
            outputs = order(list(tensors(module(*_copies(inputs)))))
        loss = [
            (each.tensor * drawn(f"loss {i}", each.tensor.shape, seed).to(each.tensor.dtype)).sum()
            for i, each in enumerate(outputs)
        ]
        trained = [each for each in loss if each.requires_grad]
        if trained:
            torch.stack(trained).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {key: each.grad for key, each in module.named_parameters() if each.grad is not None}
    found = [Named(each.name, each.tensor.detach()) for each in outputs]
    return Step(found, watch.draws, gradients, dict(module.state_dict()))


@contextmanager
def comparable() -> Iterator[None]:
    """Constants that a module makes as it runs are in float64; attention runs outside training as in it."""
    before, fast = torch.get_default_dtype(), torch.backends.mha.get_fastpath_enabled()
    torch.set_default_dtype(torch.float64)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
        torch.backends.mha.set_fastpath_enabled(fast)


def _copies(inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Copies: a module may work in place."""
    return [each.clone() for each in inputs]

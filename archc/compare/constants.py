"""Finds the constants that a module has in float32, and gives them to the network that it is compared with.

A table of sines that was computed in float32 is off by roundings, which outputs in float64 would show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten

from archc.compare.sides import Sides, evaluate
from archc.compare.sizes import declared
from archc.compare.watch import Watch

ROUNDING = 2.0**-17  # of the sine of an angle below 128 that was computed in float32

Tensors = Mapping[str, torch.Tensor]


def adopt_constants(sides: Sides) -> list[str]:
    """Notes. Side effect: our constants become the module's, where these are the same but for roundings."""
    own = _constants(sides.ours)
    if not own:
        return []
    search = _Search(sides.theirs, own)
    with suppress(Exception):  # the comparison of outputs runs the module again, and tells why it fails
        evaluate(sides.theirs, sides.inputs(next(iter(declared(sides.graph)))), search)
    errors = [_adopt(own[name], found) for name, found in search.found.items()]
    largest = max(errors, default=0.0)
    if not largest:
        return []
    count = sum(error > 0 for error in errors)
    told = f"in {count} of them they differ from the spec's by roundings, at most {largest:.0e}"
    return [f"constants: the module's own are used on both sides; {told}"]


def _constants(module: nn.Module) -> Tensors:
    """What a network computes from the fields of its spec, and what has no key."""
    keys = module.state_dict().keys()
    return {
        name: each
        for name, each in module.named_buffers()
        if name not in keys and each.is_floating_point() and each.ndim
    }


def _adopt(own: torch.Tensor, found: torch.Tensor) -> float:
    """The largest difference. Side effect: the constant becomes what was found."""
    their = found.to(own.dtype).reshape(own.shape)
    error = float((own - their).abs().max())
    own.copy_(their)
    return error


class _Search(Watch):  # type: ignore[no-untyped-call]
    """Runs a module, and finds a tensor in it for each of these constants. Axes of size 1 do not count."""

    def __init__(self, module: nn.Module, constants: Tensors) -> None:
        super().__init__(module)
        self.found: dict[str, torch.Tensor] = {}
        self._wanted: dict[tuple[int, ...], dict[str, torch.Tensor]] = {}
        for name, tensor in constants.items():
            self._wanted.setdefault(_shape(tensor), {})[name] = tensor

    def see(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        """Weigh what an operation is given, and what it gives."""
        for each in tree_flatten((args, result))[0]:
            if isinstance(each, torch.Tensor) and each.is_floating_point():
                self._weigh(each)

    def _weigh(self, tensor: torch.Tensor) -> None:
        wanted = self._wanted.get(_shape(tensor), {})
        for name, own in list(wanted.items()):
            if torch.allclose(tensor.to(own.dtype).reshape(own.shape), own, rtol=ROUNDING, atol=ROUNDING):
                self.found[name] = tensor.detach().clone()
                del wanted[name]


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    return tuple(size for size in tensor.shape if size != 1)

"""Masks drawn at random: what multiplies a value by zeros and ones for each image is stochastic depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isclose
from typing import Any

import torch

from archc.lifting.modules import NoWord
from archc.lifting.records import BATCH_SIZE
from archc.lifting.values import Values
from archc.operators.arithmetic import Mul
from archc.operators.regularization import Dropout, StochasticDepth

CLOSE = 1e-6
PRODUCTS = ("mul", "imul", "rmul", "multiply")


@dataclass(frozen=True)
class Mask:
    """Numbers drawn at random. `kept` is the probability of a one; None for uniform numbers.

    `shift` was added to these, and `scale` is what ones have become.
    """

    kept: float | None
    shift: float = 0.0
    scale: float = 1.0


class Masks:
    """The tensors of one run that were drawn at random, and what was made of them."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[torch.Tensor, Mask]] = {}

    def see(self, name: str, args: Sequence[Any], out: Any) -> None:
        """A function of constants was computed."""
        mask = self._made(name, args)
        if isinstance(out, torch.Tensor):
            self._known.pop(id(out), None)
            if mask is not None:
                self._known[id(out)] = (out, mask)

    def of(self, tensor: object) -> Mask | None:
        """What is known of a tensor."""
        known = self._known.get(id(tensor))
        return known[1] if known else None

    def _made(self, name: str, args: Sequence[Any]) -> Mask | None:
        if name == "rand":
            return Mask(None)
        if name == "bernoulli" and args:
            return _drawn(args)
        masks = [mask for each in args[:2] if (mask := self.of(each))]
        numbers = [float(each) for each in args[:2] if isinstance(each, int | float)]
        if name in KEEP and masks:
            return masks[0]
        change = CHANGES.get(name)
        return change(masks[0], numbers[0] if numbers else 0.0) if change and len(masks) == 1 else None

    def apply(self, tracer: Values, args: Sequence[Any], out: torch.Tensor) -> bool:
        """Record the product of a value and a mask; False if there is no mask. Raises NoWord: it does not rescale."""
        pairs = [(x, mask, drawn) for x, drawn in (args[:2], args[1::-1]) if (mask := self.of(drawn))]
        if len(args) != 2 or not pairs:
            return False
        x, mask, drawn = pairs[0]
        if mask.kept is None:
            raise NoWord("a product with uniform random numbers")
        value = tracer.value(x)
        if not isclose(mask.scale * mask.kept, 1, rel_tol=CLOSE):
            maker = tracer.record(value)
            factor = maker.operator.other if maker and isinstance(maker.operator, Mul) else 1.0
            if maker is None or not isclose(factor * mask.scale * mask.kept, 1, rel_tol=CLOSE):
                raise NoWord("stochastic depth that does not divide what it keeps by its probability")
            (value,) = maker.inputs
        tracer.give(_operator(1 - mask.kept, tuple(drawn.shape), tuple(x.shape)), [value], out)
        return True


def _drawn(args: Sequence[Any]) -> Mask:
    """`mask.bernoulli_(keep)`, or `bernoulli(full(shape, keep))`."""
    if len(args) > 1 and isinstance(args[1], float | int):
        return Mask(float(args[1]))
    return Mask(float(args[0].flatten()[0]))


def _operator(p: float, drawn: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The operator that drops by a mask of this shape."""
    p = float(f"{p:.6g}")  # 1 - (1 - p) has roundings
    if drawn == shape:
        return Dropout(p=p)
    if len(drawn) == len(shape) and set(drawn[1:]) == {1} and drawn[0] in (1, BATCH_SIZE):
        return StochasticDepth(p=p, mode="row" if drawn[0] == BATCH_SIZE else "batch")
    raise NoWord(f"a random mask of shape {list(drawn)}")


def _floor(mask: Mask, _: float) -> Mask | None:
    return replace(mask, kept=mask.shift, shift=0.0) if mask.kept is None else mask


KEEP = ("to", "type", "float", "type_as", "contiguous", "clone", "detach", "expand_as")
CHANGES: dict[str, Callable[[Mask, float], Mask | None]] = {
    **dict.fromkeys(("add", "iadd", "radd"), lambda mask, y: replace(mask, shift=mask.shift + y)),
    **dict.fromkeys(("div", "truediv", "itruediv"), lambda mask, y: replace(mask, scale=mask.scale / y)),
    **dict.fromkeys(PRODUCTS, lambda mask, y: replace(mask, scale=mask.scale * y)),
    **dict.fromkeys(("lt", "le"), lambda mask, y: replace(mask, kept=y) if mask.kept is None else None),
    "floor": _floor,
}

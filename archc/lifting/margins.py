"""Margins: of zeros, or of minus infinity around what a maximum is taken of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, ClassVar

import torch
from torch.nn import functional

from archc.ir.types import TensorType
from archc.lifting.filters import as_pair
from archc.lifting.named import bound, named
from archc.lifting.records import StandIn
from archc.lifting.values import Values
from archc.operators.convolution import same_upper
from archc.operators.padding import Pad
from archc.operators.pooling import MaxPool2d


class LowMargin(StandIn):
    """Stands for a margin of minus infinity, which never is the largest, until a maximum is taken."""

    word: ClassVar[str] = "low_margin"
    told: ClassVar[str] = "a margin of minus infinity that is no pooling's"
    sides: tuple[int, int, int, int]

    def infer(self, *inputs: TensorType) -> TensorType:
        """The padded shape."""
        left, right, top, bottom = self.sides
        *kept, height, width = inputs[0].shape
        return inputs[0].with_shape(*kept, height + (top + bottom), width + (left + right))


def pad(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A margin."""
    given = bound(Pad.word, args, kwargs)
    sides = tuple(given[Pad.word])
    if not any(sides):
        tracer.alias(out, given["input"])
        return True
    if min(sides) < 0 and given.get("mode", "constant") == "constant":
        tracer.alias(out, tracer.again(_cropped, given["input"], sides, given.get("value") or 0.0))
        return True
    if given.get("value") == -inf and len(sides) == 4 and given.get("mode", "constant") == "constant":
        tracer.give(LowMargin(sides=sides), [tracer.value(given["input"])], out)
        return True
    return named(Pad.word)(tracer, args, kwargs, out)


def _cropped(x: torch.Tensor, sides: Sequence[int], value: float) -> torch.Tensor:
    """A margin that is negative on some sides: there the edge is cut off, and the others are padded."""
    for axis, (before, after) in enumerate(zip(sides[::2], sides[1::2], strict=True)):
        first, cut = max(0, -before), max(0, -before) + max(0, -after)
        dim = x.ndim - 1 - axis
        x = x.narrow(dim, first, x.shape[dim] - cut) if cut else x
    return functional.pad(x, [max(0, side) for side in sides], value=value)


def max_pool2d(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A maximum of windows, with the margin before it as its padding."""
    given = bound(MaxPool2d.word, args, kwargs)
    margin = tracer.record(tracer.view(given["input"]).base)
    if margin is None or not isinstance(margin.operator, LowMargin):
        return named(MaxPool2d.word)(tracer, args, kwargs, out)
    left, right, top, bottom = margin.operator.sides
    kernel, dilation = as_pair(given["kernel_size"]), as_pair(given.get("dilation", 1))
    stride = as_pair(given.get("stride") or kernel)
    if as_pair(given.get("padding", 0)) != (0, 0) or given.get("ceil_mode"):
        return False
    fields: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "dilation": dilation}
    if (left, top) == (right, bottom):
        fields["padding"] = (top, left)
    else:
        sizes = (int(str(size)) for size in tracer.trace.types[margin.inputs[0]].shape[2:])
        windows = zip(sizes, kernel, stride, dilation, strict=True)
        if [same_upper(*window) for window in windows] != [(top, bottom), (left, right)]:
            return False
        fields["padding"] = "same_upper"
    tracer.give(MaxPool2d.model_validate(fields), margin.inputs, out)
    return True

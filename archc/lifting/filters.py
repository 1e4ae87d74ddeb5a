"""Convolutions whose filters are computed: standardised by a batch norm over their weights, as for weight
standardisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import inf, nextafter, prod, sqrt
from typing import Any, ClassVar

import torch
from torch import nn

from archc.ir.operator import Operator
from archc.lifting.axes import expanded
from archc.lifting.modules import NoWord
from archc.lifting.named import Handler, bound, named
from archc.lifting.records import Record, StandIn, Trace, Value
from archc.lifting.values import Values
from archc.operators._standardization import Standardization
from archc.operators.arithmetic import Mul
from archc.operators.blur_pooling import BlurPool2d
from archc.operators.convolution import Convolution
from archc.operators.normalization import BatchNorm
from archc.operators.padding import Pad
from archc.operators.source import Parameter

NEAR = 8  # roundings


class StandardizedFilters(StandIn):
    """Stands for filters of mean 0 and variance 1 until a convolution takes them."""

    word: ClassVar[str] = "standardized_filters"
    told: ClassVar[str] = "filters that are standardised, outside a convolution"
    eps: float
    gain: str | None = None
    scale: float = 1.0


def batch_norm(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A batch norm; without running statistics, of a weight as [1, filters, weights]: standardised filters."""
    given = bound(BatchNorm.word, args, kwargs)
    weight = _parameter_of(tracer, given["input"])
    if weight is None or given.get("running_mean") is not None or not given.get("training") or given.get("bias"):
        return named(BatchNorm.word)(tracer, args, kwargs, out)
    filters = tracer.trace.types[weight.output].shape
    if list(given["input"].shape) != [1, filters[0], prod(map(int, map(str, filters[1:])))]:
        return False
    gain, scale = _gain(tracer, given.get("weight"))
    if given.get("weight") is not None and gain is None:
        return False
    operator = StandardizedFilters(eps=given.get("eps", 1e-5), gain=gain, scale=scale)
    tracer.give(operator, [tracer.value(given["input"])], out)
    return True


def convolution(word: str) -> Handler:
    """A convolution, whose weight may be standardised filters."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        given = bound(word, args, kwargs)
        if not tracer.knows(given["weight"]) and not isinstance(given["weight"], nn.Parameter):
            return _blur(tracer, given, out)
        found = _maker(tracer, given["weight"], StandardizedFilters)
        weight = _maker(tracer, given["weight"], Parameter) if found else None
        if found is None or weight is None:
            return named(word)(tracer, args, kwargs, out)
        filters = found.operator
        assert isinstance(filters, StandardizedFilters), "it was asked for"
        how: dict[str, Any] = {"eps": filters.eps}
        given["weight"] = tracer.tensor(str(weight.path))
        if filters.gain is not None:
            given["gain"] = tracer.tensor(filters.gain)
            how |= {"gain": True, "gamma": _gamma(filters.scale, given["weight"][0].numel())}
        return named(word)(tracer, (), {**given, "standardize": how}, out)

    return handle


def _blur(tracer: Values, given: Mapping[str, Any], out: torch.Tensor) -> bool:
    """A convolution with a constant: a blur with binomial weights, behind a margin that mirrors the edges."""
    x, weight = given["input"], given["weight"].detach().cpu()
    size, (stride, *_) = weight.shape[-1], as_pair(given.get("stride", 1))
    margin = tracer.record(tracer.view(x).base)
    blur = BlurPool2d(filter_size=size, stride=stride) if size > 1 and weight.ndim == 4 else None
    if blur is None or margin is None or not isinstance(margin.operator, Pad) or given.get("bias") is not None:
        raise NoWord("a convolution whose filters are a constant")
    along = torch.tensor(blur.weights_along_an_axis(), dtype=weight.dtype)
    usual = weight.shape == (x.shape[1], 1, size, size) and torch.allclose(weight, along[:, None] * along)
    usual &= given.get("groups", 1) == x.shape[1] and as_pair(given.get("stride", 1)) == (stride, stride)
    usual &= as_pair(given.get("padding", 0)) == (0, 0) and as_pair(given.get("dilation", 1)) == (1, 1)
    usual &= (margin.operator.mode, margin.operator.pad) == ("reflect", (blur.margin,) * 4)
    if not usual:
        raise NoWord("a convolution whose filters are a constant")
    tracer.give(blur, margin.inputs, out)
    return True


def as_pair(value: Any) -> tuple[int, int]:
    """A number for both axes, or two."""
    first, *rest = value if isinstance(value, tuple | list) else (value,)
    return first, (rest or [first])[0]


def _gamma(scale: float, weights: int) -> float:
    """The shortest number that gives this scale when it is divided by the root of the number of weights."""
    number = scale * sqrt(weights)
    fitting = [each for each in _neighbours([number]) if each * weights**-0.5 == scale]
    return min(fitting, key=lambda each: len(repr(each)), default=number)


def share_gammas(trace: Trace) -> None:
    """Side effect: convolutions that were given one gamma have one again.

    Each was told by a scale, which several neighbouring numbers give. One that gives all of their scales is taken.
    """
    groups: dict[str, list[Record]] = {}
    for record in trace.records:
        how = record.operator.standardize if isinstance(record.operator, Convolution) else None
        if how is not None and how.gain:
            groups.setdefault(f"{how.gamma:.10g}", []).append(record)
    for records in groups.values():
        sizes = {(how.gamma, _weights(trace, record)) for record in records if (how := _how(record))}
        scales = {(gamma * weights**-0.5, weights) for gamma, weights in sizes}
        near = list(_neighbours([gamma for gamma, _ in sizes]))
        fitting = [each for each in near if all(each * weights**-0.5 == scale for scale, weights in scales)]
        for record in records if fitting else ():
            how = _how(record).model_copy(update={"gamma": min(fitting, key=lambda each: len(repr(each)))})
            record.operator = record.operator.model_copy(update={"standardize": how})


def _how(record: Record) -> Standardization:
    assert isinstance(record.operator, Convolution), "it is one of these"
    assert record.operator.standardize is not None, "it is one of these"
    return record.operator.standardize


def _weights(trace: Trace, record: Record) -> int:
    """The number of weights of a filter."""
    assert isinstance(record.operator, Convolution), "it is one of these"
    channels = int(str(trace.types[record.inputs[0]].shape[1]))
    return channels // record.operator.groups * prod(record.operator.kernel_size)


def _neighbours(numbers: Sequence[float]) -> Iterator[float]:
    """Every float from a few below the least of these to a few above the largest."""
    number, last = min(numbers), max(numbers)
    for _ in range(NEAR):
        number, last = nextafter(number, -inf), nextafter(last, inf)
    while number <= last:
        yield number
        number = nextafter(number, inf)


def _gain(tracer: Values, weight: torch.Tensor | None) -> tuple[str | None, float]:
    """The key of a gain, and the number by which it is multiplied."""
    if weight is None:
        return None, 1.0
    record = _maker(tracer, weight, Parameter)
    factor = _maker(tracer, weight, Mul)
    scale = factor.operator.other if factor and isinstance(factor.operator, Mul) else 1.0
    return (record.path if record else None), scale


def _parameter_of(tracer: Values, tensor: torch.Tensor) -> Record | None:
    """The record of the parameter of which a tensor is a view, with all axes in their order."""
    view = tracer.view(tensor)
    record = tracer.record(view.base)
    record = tracer.record(record.inputs[0]) if record and record.operator.moves and record.inputs else record
    if record is None or not isinstance(record.operator, Parameter):
        return None
    before, after = ([a for axis in axes for a in expanded(axis)] for axes in (_axes(tracer, record.output), view.axes))
    return record if before == after else None


def _axes(tracer: Values, value: Value) -> Any:
    return tracer.trace.axes[value]


def _maker(tracer: Values, tensor: torch.Tensor, kind: type[Operator]) -> Record | None:
    """The record of this kind from which a tensor is made by moves and factors alone."""
    record = tracer.record(tracer.view(tensor).base)
    while record is not None and not isinstance(record.operator, kind):
        passed = record.operator.moves or isinstance(record.operator, StandardizedFilters | Mul)
        record = tracer.record(record.inputs[0]) if passed and record.inputs else None
    return record

"""Convolutions whose filters are computed: standardised by a batch norm over their weights, as for weight
standardisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod, sqrt
from typing import Any, ClassVar

import torch

from archc.ir.operator import Operator
from archc.lifting.axes import expanded
from archc.lifting.named import Handler, bound, named
from archc.lifting.records import Record, Value
from archc.lifting.values import Values
from archc.operators.arithmetic import Mul
from archc.operators.normalization import BatchNorm
from archc.operators.source import Parameter


class StandardizedFilters(Operator):
    """Stands for filters of mean 0 and variance 1 until a convolution takes them."""

    word: ClassVar[str] = "standardized filters"
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
            how |= {"gain": True, "gamma": _short(filters.scale * sqrt(given["weight"][0].numel()))}
        return named(word)(tracer, (), {**given, "standardize": how}, out)

    return handle


def _short(number: float) -> float:
    """A number that was divided by a root and multiplied by it again, without the rounding of that."""
    return float(f"{number:.14g}")


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

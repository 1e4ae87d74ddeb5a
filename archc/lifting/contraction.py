"""`einsum` as a product of matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch

from archc.lifting.values import Values


def einsum(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A product of two tensors, or one with its axes in another order."""
    equation, *operands = args
    operands = list(operands[0]) if len(operands) == 1 and not isinstance(operands[0], torch.Tensor) else operands
    left, _, result = equation.replace(" ", "").partition("->")
    labels = left.split(",")
    if "." in equation or any(len(set(each)) != len(each) for each in (*labels, result)) or not result:
        return False
    if len(operands) == 1 and sorted(labels[0]) == sorted(result):
        tracer.alias(out, tracer.again(_ordered, operands[0], labels[0], result))
        return True
    if len(operands) != 2 or any(set(one) - set(other) - set(result) for one, other in (labels, labels[::-1])):
        return False
    tracer.alias(out, tracer.again(_product, *operands, *labels, result))
    return True


def _ordered(x: torch.Tensor, before: str, after: str) -> torch.Tensor:
    return x if before == after else x.permute([before.index(label) for label in after])


def _product(x: torch.Tensor, y: torch.Tensor, one: str, other: str, result: str) -> torch.Tensor:
    """Axes that both have and the result keeps stand before the matrices; those that it loses are multiplied along."""
    kept = "".join(label for label in one if label in other and label in result)
    lost = "".join(label for label in one if label in other and label not in result)
    rows = "".join(label for label in one if label not in other)
    columns = "".join(label for label in other if label not in one)
    sizes = dict(zip(one + other, (*x.shape, *y.shape), strict=True))
    found = _grouped(x, one, kept, rows, lost) @ _grouped(y, other, kept, lost, columns)
    order = kept + rows + columns
    return _ordered(found.reshape([sizes[label] for label in order]), order, result)


def _grouped(x: torch.Tensor, labels: str, kept: str, *groups: str) -> torch.Tensor:
    """The axes that are kept, and each group of others as one axis."""
    sizes = dict(zip(labels, x.shape, strict=True))
    shape = [*(sizes[label] for label in kept), *(prod(sizes[label] for label in group) for group in groups)]
    ordered = _ordered(x, labels, kept + "".join(groups))
    return ordered if len(shape) == ordered.ndim else ordered.reshape(shape)

"""Slices, elements and pieces of tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from archc.lifting import axes as ax
from archc.lifting.modules import NoWord
from archc.lifting.records import StandIn
from archc.lifting.values import Values
from archc.operators.arrangement import Narrow, Select
from archc.operators.rearrangement import Gather


class Empty(StandIn):
    """A slice without elements, which a concatenation leaves out."""

    word: ClassVar[str] = "empty"
    told: ClassVar[str] = "a slice without elements"
    dim: int


def split(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Pieces of an axis, one behind the other."""
    x = args[0]
    dim = (args[2] if len(args) > 2 else kwargs.get("dim", 0)) % x.ndim
    start = 0
    for piece in out:
        length = piece.shape[dim]
        _narrowed(tracer, x, dim, start, length, piece)
        start += length
    return True


def _narrowed(tracer: Values, x: torch.Tensor, dim: int, start: int, length: int, out: torch.Tensor) -> None:
    """A slice along one axis. What the batch is merged with stays merged."""
    view = tracer.view(x)
    if length == 0:
        tracer.give(Empty(dim=dim), [tracer.unmerged(x)], out)
    elif not ax.merges_batch(view.axes):
        tracer.give(Narrow(dim=dim, start=start, length=length), [tracer.value(x)], out)
    else:
        _narrowed_beside_batch(tracer, x, dim, start, length, out)


def _narrowed_beside_batch(
    tracer: Values, x: torch.Tensor, dim: int, start: int, length: int, out: torch.Tensor
) -> None:
    view = tracer.view(x)
    whole, axis = ax.unmerged(view.axes), ax.expanded(view.axes[dim])
    if any(atom.is_batch for atom in axis):
        raise NoWord("a slice of an axis that is merged with the batch")
    at = ax.place_in_unmerged(view.axes, dim)
    value = tracer.give(Narrow(dim=at, start=start, length=length), [tracer.unmerged(x)], out)
    piece = tracer.trace.axes[value][at]
    whole[at] = piece
    tracer.keep_axes(out, value, whole, [piece if i == dim else a for i, a in enumerate(view.axes)])


def unbind(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Every element along an axis."""
    x = args[0]
    dim = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % x.ndim
    for index, piece in enumerate(out):
        _selected(tracer, x, dim, index, piece)
    return True


def _selected(tracer: Values, x: torch.Tensor, dim: int, index: int, out: torch.Tensor) -> None:
    view = tracer.view(x)
    merged = ax.merges_batch(view.axes)
    whole = ax.unmerged(view.axes) if merged else list(tracer.trace.axes[tracer.value(x)])
    at = ax.place_in_unmerged(view.axes, dim) if merged else dim
    value = tracer.give(Select(dim=at, index=index), [tracer.unmerged(x)], out)
    left = [axis for place, axis in enumerate(whole) if place != at]
    tracer.keep_axes(out, value, left, [a for i, a in enumerate(view.axes) if i != dim] if merged else left)


def index(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Slices, elements, new axes, and elements that an index picks."""
    x, given = args
    indices = list(given) if isinstance(given, tuple) else [given]
    if any(isinstance(each, torch.Tensor) for each in indices):
        return _gathered(tracer, x, indices, out)
    if any(each is Ellipsis for each in indices):
        at = next(i for i, each in enumerate(indices) if each is Ellipsis)
        missing = x.ndim - sum(each is not None and each is not Ellipsis for each in indices)
        indices[at : at + 1] = [slice(None)] * missing
    current, dim = x, 0
    for each in indices:
        if each is None:
            current, dim = tracer.again(torch.unsqueeze, current, dim), dim + 1
        elif isinstance(each, slice):
            start, end, step = each.indices(current.shape[dim])
            if step != 1:
                current = _strided(tracer, current, dim, start, end, step)
            elif (start, end) != (0, current.shape[dim]):
                current = tracer.again(torch.narrow, current, dim, start, end - start)
            dim += 1
        elif isinstance(each, int):
            current = tracer.again(torch.select, current, dim, each % current.shape[dim])
        else:
            return False
    tracer.alias(out, current)
    return True


def _strided(tracer: Values, x: torch.Tensor, dim: int, start: int, end: int, step: int) -> torch.Tensor:
    """Every `step`-th element: the axis split in two, of which one is picked."""
    size = x.shape[dim]
    if end < size - step + 1 + start or start >= step:
        raise NoWord(f"every {step}th of {size} elements from {start} to {end}")
    if size % step:
        return tracer.again(_strided_with_rest, x, dim, start, step)
    split = tracer.again(torch.reshape, x, (*x.shape[:dim], size // step, step, *x.shape[dim + 1 :]))
    return tracer.again(torch.select, split, dim + 1, start)


def _strided_with_rest(x: torch.Tensor, dim: int, start: int, step: int) -> torch.Tensor:
    """The same of an axis whose end is shorter than a step: what the whole steps give, and one element of the rest."""
    dim, size = dim % x.ndim, x.shape[dim]
    whole = size // step * step
    found = x.narrow(dim, 0, whole)[(*[slice(None)] * dim, slice(start, None, step))]
    return torch.cat([found, x.narrow(dim, whole + start, 1)], dim) if start < size - whole else found


def _gathered(tracer: Values, x: torch.Tensor, indices: Sequence[Any], out: torch.Tensor) -> bool:
    """`table[index]`."""
    places = [at for at, each in enumerate(indices) if isinstance(each, torch.Tensor)]
    if len(places) != 1 or any(each != slice(None) for at, each in enumerate(indices) if at not in places):
        return False
    (dim,) = places
    index = indices[dim]
    if tracer.knows(index):
        base = tracer.view(index)
        whole = tracer.trace.axes[base.base]
        value = tracer.give(Gather(dim=dim), [tracer.value(x), base.base], out)
        made = tracer.trace.axes[value]
        new = [*made[:dim], *whole, *made[dim + len(whole) :]]
        tracer.keep_axes(out, value, new, [*made[:dim], *base.axes, *made[dim + len(whole) :]])
        return True
    tracer.give(Gather(dim=dim), [tracer.value(x), tracer.value(index)], out)
    return True


def narrow(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A slice along one axis."""
    x, dim, start, length = args
    _narrowed(tracer, x, dim % x.ndim, start % x.shape[dim], length, out)
    return True


def select(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """One element along an axis."""
    x, dim, index = args
    _selected(tracer, x, dim % x.ndim, index, out)
    return True

"""Functions of PyTorch that several operators say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from archc.lifting.modules import NoWord
from archc.lifting.named import Handler
from archc.lifting.records import BATCH_SIZE
from archc.lifting.values import Values
from archc.operators.join import Quotient
from archc.operators.source import Full

MOST_COPIES = 8  # of an axis as branches of a concat; more are made by adding zeros


def composed(function: Callable[..., torch.Tensor]) -> Handler:
    """A function of PyTorch by what calls others instead of it."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        tracer.alias(out, tracer.again(function, *args, **kwargs))
        return True

    return handle


def _stack(tensors: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
    at = dim % (tensors[0].ndim + 1)
    return torch.cat([each.unsqueeze(at) for each in tensors], at)


def _addcmul(x: torch.Tensor, y: torch.Tensor, z: torch.Tensor, *, value: float = 1) -> torch.Tensor:
    product = y * z
    return x + (product if value == 1 else product * value)


def _listed(sizes: Sequence[Any]) -> list[int]:
    """Sizes that were given one by one, or as one list."""
    return list(sizes[0] if sizes and isinstance(sizes[0], list | tuple) else sizes)


def _repeat(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    counts = _listed(sizes)
    x = x.reshape((1,) * (len(counts) - x.ndim) + tuple(x.shape))
    for dim, count in enumerate(counts):
        if count > 1 and not (dim == 0 and x.shape[0] == 1):  # over the batch it is repeated by itself
            x = _copies(x, count, dim)
    return x if counts[0] == 1 or x.shape[0] != 1 else x.expand(counts[0], *x.shape[1:])


def _copies(x: torch.Tensor, count: int, dim: int) -> torch.Tensor:
    if count <= MOST_COPIES:
        return torch.cat([x] * count, dim)
    wide = x.unsqueeze(dim)
    return wide.expand(*wide.shape[:dim], count, *wide.shape[dim + 1 :]).flatten(dim, dim + 1)


def _expand(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    """An axis of size 1 is repeated by the zeros that are added to it; over the batch it is repeated by itself."""
    shape = _listed(sizes)
    x = x.reshape((1,) * (len(shape) - x.ndim) + tuple(x.shape))
    grown = [1 if size in (-1, own) else size for own, size in zip(x.shape, shape, strict=True)]
    if grown[0] == BATCH_SIZE:
        grown[0] = 1
    return x + torch.zeros(grown) if prod(grown) > 1 else x


def _tile(x: torch.Tensor, *sizes: Any) -> torch.Tensor:
    counts = _listed(sizes)
    return _repeat(x, *[1] * (x.ndim - len(counts)), *counts)


def _repeat_interleave(x: torch.Tensor, repeats: int, dim: int, **_: Any) -> torch.Tensor:
    """Each element several times: a new axis of copies, merged with that before it."""
    if not isinstance(repeats, int):
        raise NoWord("repeat_interleave with several numbers")
    if dim == 0 and x.shape[0] == 1:
        return _repeat(x, repeats, *[1] * (x.ndim - 1))
    dim %= x.ndim
    copies = _copies(x.unsqueeze(dim + 1), repeats, dim + 1)
    return copies.flatten(dim, dim + 1)


def _total(x: torch.Tensor, dim: Any, keepdim: bool = False) -> torch.Tensor:
    """The sum along axes: their mean, times the number of elements."""
    dims = [dim] if isinstance(dim, int) else dim
    return x.mean(dims, keepdim) * prod(x.shape[each] for each in dims)


def total(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A sum along axes."""
    if len(args) < 2 and "dim" not in kwargs:
        return False
    return composed(_total)(tracer, args, kwargs, out)


def largest(function: Callable[..., torch.Tensor]) -> Handler:
    """`x.max(dim)`, of which the values are used."""

    def handle(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
        if isinstance(out, torch.Tensor):
            return False
        tracer.alias(out[0], tracer.again(function, *args, **kwargs))
        return True

    return handle


def reciprocal(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """One, divided by a tensor."""
    one = tracer.constant(Full(shape=(1,), fill_value=1.0))
    tracer.give(Quotient(), [one, tracer.value(args[0])], out)
    return True


COMPOSED: dict[str, Handler] = {
    "stack": composed(_stack),
    "addcmul": composed(_addcmul),
    "repeat": composed(_repeat),
    "tile": composed(_tile),
    "repeat_interleave": composed(_repeat_interleave),
    "reshape_as": composed(lambda x, other: x.reshape(other.shape)),
    "view_as": composed(lambda x, other: x.reshape(other.shape)),
    "expand": composed(_expand),
    "expand_as": composed(lambda x, other: x.expand(other.shape)),
    "movedim": composed(lambda x, source, to: x.permute(_moved(x.ndim, source, to))),
    "rsqrt": composed(lambda x: x.sqrt().reciprocal()),
    "sum": total,
    "max": largest(lambda x, dim, keepdim=False: x.amax(dim, keepdim)),
    "min": largest(lambda x, dim, keepdim=False: x.amin(dim, keepdim)),
    "reciprocal": reciprocal,
}


def _moved(ndim: int, source: int, to: int) -> list[int]:
    order = [axis for axis in range(ndim) if axis != source % ndim]
    order.insert(to % ndim, source % ndim)
    return order

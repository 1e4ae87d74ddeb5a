"""How much of the image (a signal, a volume) one element of a value sees.

Along each axis of the image, r' = r + (extent - 1) * stride, and the strides multiply. Which axis of a value runs along
which axis of the image is followed through permutations, reductions and reshapes; an axis into which several were
merged (tokens) runs along all of them, so that whatever slides over it may see all of each.
Source: Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", section 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from itertools import zip_longest
from math import ceil
from typing import NamedTuple

from archc.ir.graph import Graph
from archc.ir.operator import Operator, Window
from archc.ir.types import TensorType

Sizes = tuple[int | None, ...]
Steps = tuple[int | Fraction | None, ...]


class Field(NamedTuple):
    """What one element of a value sees of the image, for each of its axes (such as height, width), in pixels.

    `size` is the extent, `stride` the distance between neighbours', a fraction where the value is finer than the image.
    Along an axis that is seen as a whole both have None; where every axis is, they are None themselves. What does not
    depend on the image sees 0 pixels.
    """

    size: Sizes | None
    stride: Steps | None


class _View(NamedTuple):
    """The sizes and strides of a field, and for each axis of the value the axes of the image along which it runs."""

    axes: tuple[tuple[int, ...], ...]
    size: Steps
    stride: Steps


def receptive_fields(graph: Graph) -> dict[str, Field]:
    """The field of every value of a graph, by the value's name; the image is the first input."""
    image = graph.input.type
    ndim = max(0, image.ndim - 2)
    axes = ((), (), *((axis,) for axis in range(ndim)))[: image.ndim]
    views = {graph.input.name: _View(axes, (1,) * ndim, (1,) * ndim)}
    for node in graph.nodes:
        seen = [_through(node.operator, value.type, views[value.name]) for value in node.inputs if value.name in views]
        if seen:
            view = seen[0] if len(seen) == 1 else _union(seen)
            for value in node.outputs:
                views[value.name] = view if len(view.axes) == value.type.ndim else _everything(value.type.ndim, ndim)
    blind = Field((0,) * ndim, (1,) * ndim)
    fields = dict.fromkeys([value.name for value in graph.values()], blind)
    return fields | {name: _field(size, stride) for name, (_, size, stride) in views.items()}


@lru_cache(4096)
def _field(size: Steps, stride: Steps) -> Field:
    if all(extent is None for extent in size):
        return Field(None, None)
    whole = tuple([None if extent is None else ceil(extent) for extent in size])
    return Field(whole, tuple([int(step) if step is not None and step == int(step) else step for step in stride]))


class _Rule(NamedTuple):
    """What an operator does to views of one type of input; `follows` is None where every axis stays what it is."""

    windows: tuple[tuple[int, Window], ...]
    follows: tuple[tuple[int, ...], ...] | None


@lru_cache(4096)
def _rule(operator: Operator, x: TensorType) -> _Rule:
    follows = operator.follows(x)
    same = follows == tuple([(axis,) for axis in range(x.ndim)])
    return _Rule(tuple(operator.windows(x).items()), None if same else follows)


def _through(operator: Operator, x: TensorType, view: _View) -> _View:
    """What is seen through an operator on an input with this view."""
    windows, follows = _rule(operator, x)  # pyright: ignore[reportArgumentType]  # it is frozen, and so has a hash
    if windows:
        size, stride = list(view.size), list(view.stride)
        for axis, window in windows:
            for direction in view.axes[axis]:
                alone = len(view.axes[axis]) == 1
                size[direction], stride[direction] = _slid(window, size[direction], stride[direction], alone=alone)
        view = view._replace(size=tuple(size), stride=tuple(stride))
    if follows is None:
        return view
    return view._replace(axes=tuple([tuple([d for a in followed for d in view.axes[a]]) for followed in follows]))


def _slid(
    window: Window, size: int | Fraction | None, stride: int | Fraction | None, *, alone: bool
) -> tuple[int | Fraction | None, int | Fraction | None]:
    if window == (1, 1):
        return size, stride
    if None in (size, stride, *window) or not alone:
        return None, None
    assert size is not None
    assert stride is not None
    assert window.extent is not None
    assert window.stride is not None
    return size + (window.extent - 1) * stride, stride * window.stride


def _union(views: list[_View]) -> _View:
    """What all together see: the largest in each direction."""
    last_first = zip_longest(*(reversed(view.axes) for view in views), fillvalue=())  # as values broadcast
    axes = [tuple(dict.fromkeys(d for each in axis for d in each)) for axis in last_first]
    return _View(tuple(reversed(axes)), _largest(view.size for view in views), _largest(view.stride for view in views))


def _everything(axes: int, directions: int) -> _View:
    """What is seen by an operator of which no more is known, such as one that picks by an index of several axes."""
    return _View((tuple(range(directions)),) * axes, (None,) * directions, (None,) * directions)


def _largest(sizes: Iterable[Steps]) -> Steps:
    return tuple([None if None in each else max(n for n in each if n is not None) for each in zip(*sizes, strict=True)])

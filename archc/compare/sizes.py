"""The sizes and batches at which both sides are run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from archc.ir.graph import Graph
from archc.ir.types import BATCH, Dim

LARGEST = 4  # a declared maximum is run if it has at most this many times the pixels of the usual size
SHARES = (1 / 2, 5 / 8, 3 / 4)  # of a fixed size, by axis: what no spec declares, and no two axes alike

Shapes = tuple[tuple[int, ...], ...]
"""One shape for each input, the batch included."""


@dataclass(frozen=True, slots=True)
class Case:
    """Shapes to run. A `declared` one is a promise of the spec; another is tried, and either side may refuse it."""

    shapes: Shapes
    declared: bool = True

    def __str__(self) -> str:
        return " and ".join("×".join(map(str, shape)) for shape in self.shapes)

    @property
    def pixels(self) -> int:
        """The numbers in one image of each input."""
        return sum(prod(shape[1:]) for shape in self.shapes)

    def with_batch(self, graph: Graph, batch: int) -> Case:
        """The same sizes at another batch, unless the spec fixes it."""
        shapes = zip(graph.inputs, self.shapes, strict=True)
        return Case(tuple([(_batch(value.type.shape[0], batch), *shape[1:]) for value, shape in shapes]), self.declared)


def cases(graph: Graph) -> list[Case]:
    """One image of the declared size, more at the ends of dynamic ones, and more at a size that no spec declares."""
    usual = _declared(graph, "optimum")
    ends = [_declared(graph, end) for end in ("minimum", "maximum")]
    found = [usual, *(end.with_batch(graph, 3) for end in ends if end.pixels <= LARGEST * usual.pixels)]
    shapes = tuple([tuple(_other(value.type.shape)) for value in graph.inputs])
    if shapes != usual.shapes:
        found += [Case(shapes, declared=False).with_batch(graph, batch) for batch in (3, 2)]
    return [case for case in dict.fromkeys(found) if case == usual or case.shapes[0][1:] != usual.shapes[0][1:]]


def larger_batches(graph: Graph) -> list[Case]:
    """More images of the declared size, where neither side takes another."""
    usual = _declared(graph, "optimum")
    return [case for batch in (2, 3) if (case := usual.with_batch(graph, batch)) != usual]


def _declared(graph: Graph, end: str) -> Case:
    return Case(tuple([tuple([_size(dim, end) for dim in value.type.shape]) for value in graph.inputs]))


def _size(dim: Dim, end: str) -> int:
    if isinstance(dim, int):
        return dim
    return 1 if dim.symbol == BATCH.symbol else dim.at(getattr(dim, end))


def _batch(dim: Dim, batch: int) -> int:
    return dim if isinstance(dim, int) else batch


def _other(dims: tuple[Dim, ...]) -> Iterator[int]:
    for axis, dim in enumerate(dims):
        share = SHARES[(axis - 2) % len(SHARES)] if axis >= 2 and isinstance(dim, int) else 1
        yield max(1, round(_size(dim, "optimum") * share))

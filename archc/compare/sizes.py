"""The sizes and batches at which both sides are run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from archc.ir.graph import Graph
from archc.ir.types import BATCH, Dim

LARGEST = 4  # a declared maximum is run if it has at most this many times the pixels of the usual size
SHARES = (1 / 2, 5 / 8, 3 / 4)  # of a fixed size, by axis: what no spec declares, and no two axes alike
SMALLER = (1 / 4, 5 / 16, 3 / 8)  # the same for a size that takes a sixth of the time, or less
LEAST = 48  # pixels of an axis: below, maps of one pixel would hide the outer weights of a kernel

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


def declared(graph: Graph) -> list[Case]:
    """One image of the declared size, and more at the ends of dynamic ones."""
    usual = _declared(graph, "optimum")
    ends = [_declared(graph, end) for end in ("minimum", "maximum")]
    found = [usual, *(end.with_batch(graph, 3) for end in ends if end.pixels <= LARGEST * usual.pixels)]
    return [case for case in dict.fromkeys(found) if case == usual or case.shapes[0][1:] != usual.shapes[0][1:]]


def undeclared(graph: Graph) -> list[list[Case]]:
    """More images at sizes that no spec declares: lists of cases of which the first is enough that both sides take."""
    other, smaller = (_scaled(graph, shares) for shares in (SHARES, SMALLER))
    if other.shapes == _declared(graph, "optimum").shapes:
        return []
    three, two = (other.with_batch(graph, batch) for batch in (3, 2))
    least = min(size for shape in smaller.shapes for size in shape[2:])
    return [[three], [*([smaller.with_batch(graph, 2)] if least >= LEAST else []), two]]


def images_of_step(graph: Graph) -> int:
    """The batch of a training step: two images give a batch norm of vectors values of one size, and so no gradient."""
    return 3 if any(node.operator.tracks_statistics for node in graph.nodes) else 2


def larger_batch(graph: Graph) -> list[Case]:
    """More images of the declared size, where neither side takes another: two or three, and a step has the others."""
    usual = _declared(graph, "optimum")
    case = usual.with_batch(graph, 5 - images_of_step(graph))
    return [case] if case != usual else []


def _declared(graph: Graph, end: str) -> Case:
    return Case(tuple([tuple([_size(dim, end) for dim in value.type.shape]) for value in graph.inputs]))


def _size(dim: Dim, end: str) -> int:
    if isinstance(dim, int):
        return dim
    return 1 if dim.symbol == BATCH.symbol else dim.at(getattr(dim, end))


def _batch(dim: Dim, batch: int) -> int:
    return dim if isinstance(dim, int) else batch


def _scaled(graph: Graph, shares: Sequence[float]) -> Case:
    """Shares of each fixed size, as a case that no spec declares."""
    return Case(tuple([tuple(_other(value.type.shape, shares)) for value in graph.inputs]), declared=False)


def _other(dims: tuple[Dim, ...], shares: Sequence[float]) -> Iterator[int]:
    for axis, dim in enumerate(dims):
        share = shares[(axis - 2) % len(shares)] if axis >= 2 and isinstance(dim, int) else 1
        yield max(1, round(_size(dim, "optimum") * share))

"""Inputs for a comparison: images of several kinds, drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from archc.ir.types import BATCH, SymbolicDim, TensorType
from archc.verification.pictures import KINDS, drawn, seeded
from archc.weights import Array

COUNT = 5
USUAL = 2  # images that are compared with each other, to see that the output depends on them
LARGEST_BATCH = 64  # of a declared range; more would say nothing else
DRAWN_BATCHES = (9, 17)  # of a file from elsewhere, beyond all of 1 to 8
DRAWN_SIZES = 4  # of such a file, between the ends of dynamic sizes
MOST_ELEMENTS = 2**27  # of the largest value in a batch: a drawn batch shall not need gigabytes

Inputs = tuple[Array, ...]
"""One array for each input of the network, in its order; axis 0 is the batch."""


@dataclass(frozen=True)
class Sample:
    """Inputs of one size, and the batches in which they are run.

    `kinds` names the images. `where` tells the size, or whose inputs they are; empty for the usual ones. With a `fixed`
    batch all images are run, so many at a time.
    """

    inputs: Inputs
    batches: tuple[int, ...]
    kinds: tuple[str, ...]
    where: str = ""
    fixed: bool = False

    def parts(self, *, every: bool) -> list[Array]:
        """Which images to run together: at `every` batch, or at the first that holds all images.

        A batch that is larger repeats them.
        """
        count, batches = len(self.kinds), self.batches
        if self.fixed:
            return [np.arange(start, start + batches[0]) % count for start in range(0, count, batches[0])]
        if not every:
            batches = (min((batch for batch in batches if batch >= count), default=batches[-1]),)
        return [np.arange(batch) % count for batch in batches]


def images(shape: tuple[int, ...], count: int = COUNT, seed: int = 2015) -> Array:
    """Images [count, *shape] as float32, cycling through the kinds that are alike in scale."""
    kinds = list(KINDS)[:3]
    return drawn(shape, [kinds[index % len(kinds)] for index in range(count)], seeded(seed))


@dataclass(frozen=True)
class Fixed:
    """What a file has fixed that the network leaves open: the batch, and dynamic sizes.

    `sizes` are the symbols' values, and `shown` the sizes that these give.
    """

    batch: int | None = None
    sizes: tuple[tuple[str, int], ...] = ()
    shown: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        told = [f"the file's batch is fixed at {self.batch}"] if self.batch else []
        return ", ".join(told + [f"its {symbol} is fixed at {size}" for symbol, size in self.shown])


@dataclass(frozen=True)
class Plan:
    """Which inputs to draw.

    `thorough` is for a file of which only the outputs can be judged: images of every kind, each batch from 1 to 8 and a
    larger one that cannot be guessed. Otherwise it is noise and one kind that is drawn.
    """

    seed: int
    thorough: bool = False
    fixed: Fixed = Fixed()


def samples(types: Sequence[TensorType], plan: Plan, elements: int) -> list[Sample]:
    """What an artefact with inputs of these types is run on.

    That is its usual size, every corner of its dynamic sizes, and some between them. `elements` is the size of the
    largest value for one image: it limits the batch.
    """
    generator = seeded(plan.seed)
    first, *others = KINDS
    kinds = tuple(KINDS) if plan.thorough else (first, str(generator.choice(others)))
    wanted = (1, len(kinds))
    if plan.thorough:
        larger = int(generator.integers(*DRAWN_BATCHES))
        wanted = (*range(1, 9), max(len(kinds), min(larger, MOST_ELEMENTS // elements)))
    usual, *further = _sizes(types, plan, generator)
    fixed = plan.fixed.batch is not None or isinstance(types[0].shape[0], int)
    found = [Sample(_inputs(types, usual, kinds, generator), _batches(types, plan, wanted), kinds, fixed=fixed)]
    for sizes in further:
        inputs = _inputs(types, sizes, tuple(KINDS)[:2], generator)
        batches = _batches(types, plan, (1, 2), declared=False)
        found.append(Sample(inputs, batches, tuple(KINDS)[:2], f" at {_size(inputs)}", fixed))
    return found


def _batches(
    types: Sequence[TensorType], plan: Plan, wanted: tuple[int, ...], *, declared: bool = True
) -> tuple[int, ...]:
    """These batches as far as they are allowed, and the ends of a range that is `declared`."""
    batch = types[0].shape[0]
    if plan.fixed.batch:
        return (plan.fixed.batch,)
    if not isinstance(batch, SymbolicDim):
        return (batch,)
    if batch == BATCH:
        return tuple(sorted({*wanted}))
    ends = {batch.minimum, min(batch.maximum, max(LARGEST_BATCH, batch.minimum))}
    inside = {size for size in wanted if batch.minimum <= size <= batch.maximum}
    return tuple(sorted(inside | ends if declared or not inside else inside))


Sizes = Mapping[str, int]
"""A value for each dynamic size but the batch, by symbol."""


def _sizes(types: Sequence[TensorType], plan: Plan, generator: np.random.Generator) -> list[Sizes]:
    """The usual sizes, then every corner and points between them."""
    dims = [dim for type in types for dim in type.shape[1:]]
    dynamic = {dim.symbol: dim for dim in dims if isinstance(dim, SymbolicDim)}
    known = dict(plan.fixed.sizes)
    usual = [known.get(symbol, dim.optimum) for symbol, dim in dynamic.items()]
    ends = [{known[symbol]} if symbol in known else {dim.minimum, dim.maximum} for symbol, dim in dynamic.items()]
    inside = [(min(each) + (len(each) > 1), max(max(each), min(each) + 1)) for each in ends]
    count = DRAWN_SIZES if plan.thorough else 1
    between = [tuple(int(generator.integers(*each)) for each in inside) for _ in range(count)]
    chosen = dict.fromkeys([tuple(usual), *product(*map(sorted, ends)), *between])
    return [dict(zip(dynamic, sizes, strict=True)) for sizes in chosen]


def _inputs(
    types: Sequence[TensorType], sizes: Sizes, kinds: tuple[str, ...], generator: np.random.Generator
) -> Inputs:
    return tuple(drawn(_shape(type, sizes), kinds, generator) for type in types)


def _shape(type: TensorType, sizes: Sizes) -> tuple[int, ...]:
    return tuple(dim.at(sizes[dim.symbol]) if isinstance(dim, SymbolicDim) else dim for dim in type.shape[1:])


def _size(inputs: Inputs) -> str:
    return ", ".join("x".join(map(str, x.shape[2:])) for x in inputs)

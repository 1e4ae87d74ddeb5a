"""Inputs for a comparison: images of several kinds, drawn from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from archc.ir.types import BATCH, SymbolicDim, TensorType
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
    kinds = list(_KINDS)[:3]
    return _drawn(shape, [kinds[index % len(kinds)] for index in range(count)], seeded(seed))


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
    first, *others = _KINDS
    kinds = tuple(_KINDS) if plan.thorough else (first, str(generator.choice(others)))
    wanted = (1, len(kinds))
    if plan.thorough:
        drawn = int(generator.integers(*DRAWN_BATCHES))
        wanted = (*range(1, 9), max(len(kinds), min(drawn, MOST_ELEMENTS // elements)))
    usual, *further = _sizes(types, plan, generator)
    fixed = plan.fixed.batch is not None or isinstance(types[0].shape[0], int)
    found = [Sample(_inputs(types, usual, kinds, generator), _batches(types, plan, wanted), kinds, fixed=fixed)]
    for sizes in further:
        inputs = _inputs(types, sizes, tuple(_KINDS)[:2], generator)
        batches = _batches(types, plan, (1, 2), declared=False)
        found.append(Sample(inputs, batches, tuple(_KINDS)[:2], f" at {_size(inputs)}", fixed))
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
    return tuple(_drawn(_shape(type, sizes), kinds, generator) for type in types)


def _shape(type: TensorType, sizes: Sizes) -> tuple[int, ...]:
    return tuple(dim.at(sizes[dim.symbol]) if isinstance(dim, SymbolicDim) else dim for dim in type.shape[1:])


def _size(inputs: Inputs) -> str:
    return ", ".join("x".join(map(str, x.shape[2:])) for x in inputs)


def seeded(seed: int) -> np.random.Generator:
    """What all inputs of this seed are drawn from."""
    return np.random.Generator(np.random.Philox(key=seed))


def _drawn(shape: tuple[int, ...], kinds: tuple[str, ...] | list[str], generator: np.random.Generator) -> Array:
    """One image of each of these kinds."""
    return np.stack([_KINDS[kind](generator, shape) for kind in kinds]).astype(np.float32)


def _noise(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """White noise, as from normalised pixels that have nothing in common."""
    return generator.standard_normal(shape)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Pixels between 0 and 1, as before normalisation: the mean is not zero."""
    return generator.random(shape)


def _smooth(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A few low frequencies with a sharp edge: neighbouring pixels are alike, as in photographs."""
    channels, *space = shape if len(shape) > 1 else (1, *shape)
    grid = np.ix_(*(np.linspace(0, 1, size) for size in space))
    picture = np.zeros((channels, *space))
    for plane in picture:
        for _ in range(4):
            frequencies, phase = generator.uniform(0.5, 4, len(space)), generator.uniform(0, 2 * np.pi)
            along = sum(frequency * place for frequency, place in zip(frequencies, grid, strict=True))
            plane += generator.uniform(0.2, 1) * np.sin(2 * np.pi * along + phase)
    return (picture + np.where(grid[-1] > generator.uniform(0.3, 0.7), 1.0, -1.0)).reshape(shape)


def _faint(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Nearly nothing: half of the pixels are exactly 0, the others hardly more."""
    return generator.uniform(0, 0.02, shape) * (generator.random(shape) < 0.5)


def _dark(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Nearly black after normalisation, with hardly a contrast."""
    return generator.uniform(-2.2, -1.8, shape)


def _bright(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Nearly white after normalisation, with hardly a contrast."""
    return generator.uniform(2.2, 2.6, shape)


def _saturated(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Pixels at either end of the range alone, in runs: neighbours are equal, so that maxima tie."""
    ends = generator.choice([-2.2, 2.6], shape)
    return np.where(generator.random(shape) < 0.5, ends, np.roll(ends, 1, axis=-1))


def _large(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Pixels from 0 to 255, as somebody feeds them who has forgotten to divide."""
    return generator.uniform(0, 255, shape)


Draw = Callable[[np.random.Generator, tuple[int, ...]], Array]
_KINDS: dict[str, Draw] = {
    "noise": _noise,
    "smooth": _smooth,
    "uniform": _uniform,
    "faint": _faint,
    "dark": _dark,
    "bright": _bright,
    "saturated": _saturated,
    "large": _large,
}

"""Pictures of several kinds, each of which shows another mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from archc.weights import Array


def seeded(seed: int) -> np.random.Generator:
    """What all inputs of this seed are drawn from."""
    return np.random.Generator(np.random.Philox(key=seed))


def drawn(shape: tuple[int, ...], kinds: Sequence[str], generator: np.random.Generator) -> Array:
    """One image of each of these kinds."""
    return np.stack([KINDS[kind](generator, shape) for kind in kinds]).astype(np.float32)


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
KINDS: dict[str, Draw] = {
    "noise": _noise,
    "smooth": _smooth,
    "uniform": _uniform,
    "faint": _faint,
    "dark": _dark,
    "bright": _bright,
    "saturated": _saturated,
    "large": _large,
}

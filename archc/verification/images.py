"""Inputs for a comparison: images of several kinds, the same at every run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archc.weights import Array

COUNT = 5
BATCHES = (1, 2, 5)  # the smaller batches are parts of the largest, so that five reference images serve all


def images(shape: tuple[int, ...], count: int = COUNT) -> Array:
    """Images [count, C, H, W] as float32, cycling through the distributions."""
    generator = np.random.Generator(np.random.Philox(key=2015))
    drawn = [_DISTRIBUTIONS[index % len(_DISTRIBUTIONS)](generator, shape) for index in range(count)]
    return np.stack(drawn).astype(np.float32)


def _normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """White noise, as from normalised pixels that have nothing in common."""
    return generator.standard_normal(shape)


def _uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Pixels between 0 and 1, as before normalisation: the mean is not zero."""
    return generator.random(shape)


def _smooth(generator: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """A few low frequencies with a sharp edge: neighbouring pixels are alike, as in photographs."""
    channels, height, width = shape
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None, :]
    picture = np.zeros(shape)
    for channel in range(channels):
        for _ in range(4):
            frequency, phase = generator.uniform(0.5, 4, 2), generator.uniform(0, 2 * np.pi)
            wave = np.sin(2 * np.pi * (frequency[0] * rows + frequency[1] * columns) + phase)
            picture[channel] += generator.uniform(0.2, 1) * wave
    return picture + np.where(columns > generator.uniform(0.3, 0.7), 1.0, -1.0)


_DISTRIBUTIONS: tuple[Callable[[np.random.Generator, tuple[int, ...]], Array], ...] = (
    _normal,
    _uniform,
    _smooth,
)

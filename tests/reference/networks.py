"""Figures of networks that this project did not write, and the weights and images they were computed with.

Source: README.md beside this file.
"""

import gzip
import json
import zlib
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path

import numpy as np

COMPUTED = ("relative_position_index", "relative_coords_table")


@dataclass(frozen=True)
class Reference:
    """Figures of one network; `state_dict` maps keys to shapes, in order."""

    input: tuple[int, ...]
    gain: float
    parameters: int
    conv_linear_macs: int
    state_dict: dict[str, tuple[int, ...]]
    logits: np.ndarray
    logits_rms: float
    argmax: int
    float32_error: float


@cache
def references() -> dict[str, Reference]:
    """Every network by name."""
    data = json.loads(gzip.decompress((Path(__file__).parent / "figures.json.gz").read_bytes()))
    return {name: _reference(**figures) for name, figures in data.items()}


def _reference(
    input: list[int], state_dict: list[tuple[str, list[int]]], logits: list[float], **figures: float
) -> Reference:
    shapes = {key: tuple(shape) for key, shape in state_dict}
    return Reference(input=tuple(input), state_dict=shapes, logits=np.array(logits), **figures)  # type: ignore[arg-type]


def weights(reference: Reference) -> dict[str, np.ndarray]:
    """The weights that the figures were computed with: each tensor is drawn from its own key.

    What a network computes from its configuration is not among them.
    """
    given = {key: shape for key, shape in reference.state_dict.items() if not key.endswith(COMPUTED)}
    return {key: _tensor(key, shape, reference.gain) for key, shape in given.items()}


def _tensor(key: str, shape: tuple[int, ...], gain: float) -> np.ndarray:
    draw = np.random.Generator(np.random.Philox(key=zlib.crc32(key.encode())))
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_var"):
        values = draw.uniform(0.5, 1.5, shape)
    elif key.endswith(("running_mean", "bias")):
        values = 0.1 * draw.standard_normal(shape)
    elif sum(size > 1 for size in shape) <= 1:
        values = draw.uniform(0.5, 1.5, shape)
    else:
        values = gain * draw.standard_normal(shape) / np.sqrt(prod(shape[1:]))
    return np.asarray(values, np.float32)


def images(reference: Reference) -> np.ndarray:
    """The images that the figures were computed with."""
    return np.random.Generator(np.random.Philox(key=2015)).standard_normal(reference.input).astype(np.float32)

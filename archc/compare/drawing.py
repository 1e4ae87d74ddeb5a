"""Draws weights, inputs and factors: from a tensor's key alone, so that both sides get the same numbers.

No tensor is zero or one throughout: a gamma, gate or layer scale that starts at zero would hide its branch.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from archc.ir.dtype import FLOAT32
from archc.ir.graph import Graph, Parameter
from archc.ir.initializers import Values

Floats = npt.NDArray[Any]
GAIN = 1.4  # of a matrix, about that of Kaiming: signals neither vanish nor explode behind ReLUs
STEPS = (
    6  # training steps so far: the next counts a seventh in a cumulative average, which no person writes as momentum
)


def drawn_weights(graph: Graph, seed: int) -> dict[str, Floats]:
    """A tensor for each key, exact in float32; what the network computes from its fields has its own values."""
    return {parameter.path: _tensor(parameter, seed) for parameter in graph.parameters()}


def is_computed(parameter: Parameter) -> bool:
    """True for a buffer whose values follow from the spec, such as an index of relative positions."""
    return isinstance(parameter.initializer, Values)


def drawn(name: str, shape: Sequence[int], seed: int) -> torch.Tensor:
    """Normal numbers in float64, exact in float32."""
    return torch.from_numpy(_normal(shape, 1.0, _generator(name, seed))).double()


def _tensor(parameter: Parameter, seed: int) -> Floats:
    if isinstance(parameter.initializer, Values):
        return np.array(parameter.initializer.values, parameter.dtype).reshape(parameter.shape)
    if parameter.dtype != FLOAT32:
        return np.full(parameter.shape, STEPS, np.int64)
    return _numbers(parameter, _generator(parameter.path, seed))


def _numbers(parameter: Parameter, generator: np.random.Generator) -> Floats:
    """Variances and vectors of factors lie around 1, means and biases around 0; matrices keep the scale of signals."""
    name, shape = parameter.path.rpartition(".")[2], parameter.shape
    if name == "running_mean" or name.endswith("bias"):
        return _normal(shape, 0.1, generator)
    if name == "running_var" or sum(size > 1 for size in shape) <= 1:
        return np.asarray(generator.random(shape, np.float32) + np.float32(0.5))
    return _normal(shape, GAIN / sqrt(prod(shape[1:])), generator)


def _normal(shape: Sequence[int], scale: float, generator: np.random.Generator) -> Floats:
    numbers: Floats = np.asarray(generator.standard_normal(tuple(shape), np.float32))
    numbers *= np.float32(scale)
    return numbers


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))  # the fastest at normal numbers

"""Draws inputs for a node that is compared by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import torch

from archc.ir.types import BATCH, TensorType
from archc.verification.local import smaller

Tensors = Mapping[str, torch.Tensor]
POOL = 2**18 - 5  # random numbers that are drawn once; odd, so that no axis of an image fits into it


class Drawer:
    """Draws inputs in float64, exact in float32.

    The usual ones are normal, with zeros and ties among them: halves from -8 to 8, which hit the bounds of activations
    as well. Large ones saturate an activation, and small ones show a wrong epsilon.
    """

    def __init__(self, seed: int) -> None:
        self._generator = generator_of(seed)
        self._normal = torch.randn(POOL, generator=self._generator)
        halves = torch.randint(-16, 17, (POOL,), generator=self._generator) / 2
        self._usual = torch.where(torch.rand(POOL, generator=self._generator) < 0.75, self._normal, halves)

    def usual(self, types: Mapping[str, TensorType], size: str, *, small: bool = False) -> Tensors:
        """Inputs of these types by name, at the `optimum`, `minimum` or `maximum` of dynamic sizes.

        With `small` the images are small ones instead.
        """
        shapes = {name: _shape(type, 1, size) for name, type in types.items()}
        if small:
            shapes = {name: [*shape[:2], *map(smaller, shape[2:])] for name, shape in shapes.items()}
        return {name: self._from(self._usual, shape) for name, shape in shapes.items()}

    def scaled(self, types: Mapping[str, TensorType], scale: float) -> Tensors:
        """Normal numbers times a scale, for two images."""
        return {name: self._from(self._normal, _shape(type, 2, "optimum")) * scale for name, type in types.items()}

    def _from(self, pool: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """Numbers of a pool that begin anywhere in it: to draw each anew takes longer than the node."""
        return tiled(pool.roll(int(torch.randint(POOL, (), generator=self._generator))), shape).double()


def tiled(values: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Values, repeated to fill a shape."""
    count = prod(shape)
    return values.repeat(count // len(values) + 1)[:count].reshape(tuple(shape))


def generator_of(seed: int) -> torch.Generator:
    """What all numbers of this seed are drawn from."""
    return torch.Generator().manual_seed(seed)


def _shape(type: TensorType, batch: int, size: str) -> list[int]:
    """A type's shape at this batch, and at the `minimum`, `optimum` or `maximum` of its dynamic sizes."""
    return [
        dim if isinstance(dim, int) else dim.at(batch if dim.symbol == BATCH.symbol else getattr(dim, size))
        for dim in type.shape
    ]

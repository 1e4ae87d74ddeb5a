"""Reshapes in ONNX of values whose height or width may be dynamic."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from archc.ir.types import Dim, SymbolicDim, TensorType, largest, nominal, smallest

from .builder import OnnxBuilder


def reshape(b: OnnxBuilder, x: str, type: TensorType, name: str = "shape", kept: int = 1) -> str:
    """`x` with another shape, of which the first `kept` sizes are those of `x` and at most one other is dynamic.

    `name` is the constant's.
    """
    sizes = [0] * kept + [size if isinstance(size, int) else -1 for size in type.shape[kept:]]
    assert sizes.count(-1) <= 1, f"the shape of {type} does not follow from the number of its elements"
    return b.emit("Reshape", [x, b.constant(name, sizes, "int64")], type)


def reshape_like(b: OnnxBuilder, x: str, like: str, type: TensorType) -> str:
    """`x` with the shape of the value `like`, which has this type; it is asked for only where it has to be."""
    if sum(isinstance(size, SymbolicDim) for size in type.shape[1:]) <= 1:
        return reshape(b, x, type)
    shape = b.emit("Shape", [like], TensorType((type.ndim,), "int64"))
    return b.emit("Reshape", [x, shape], type)


def product(sizes: Sequence[Dim]) -> Dim:
    """How many elements these axes have; by a name of its own if one of them is dynamic."""
    if all(isinstance(size, int) for size in sizes):
        return prod(map(largest, sizes))
    bounds = (prod(map(bound, sizes)) for bound in (smallest, nominal, largest))
    return SymbolicDim("*".join(f"({size})" for size in sizes), *bounds)

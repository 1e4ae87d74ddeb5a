"""Reshapes and slices in ONNX of values whose height or width may be dynamic."""

from collections.abc import Sequence
from math import prod

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.types import Dim, SymbolicDim, TensorType, largest, nominal, smallest


def reshape(b: Emitter, x: OnnxTensor, type: TensorType, name: str = "shape", kept: int = 1) -> OnnxTensor:
    """`x` with another shape, of which the first `kept` sizes are those of `x` and at most one other is dynamic.

    `name` is the constant's.
    """
    sizes = [0] * kept + [size if isinstance(size, int) else -1 for size in type.shape[kept:]]
    assert sizes.count(-1) <= 1, f"the shape of {type} does not follow from the number of its elements"
    return b.emit("Reshape", [x, b.constant(name, sizes, INT64)], type)


def reshape_like(b: Emitter, x: OnnxTensor, like: OnnxTensor) -> OnnxTensor:
    """`x` with the shape of another tensor; the shape is asked for at run time only where it has to be."""
    if sum(isinstance(size, SymbolicDim) for size in like.type.shape[1:]) <= 1:
        return reshape(b, x, like.type)
    shape = b.emit("Shape", [like], TensorType((like.type.ndim,), INT64))
    return b.emit("Reshape", [x, shape], like.type)


def product(sizes: Sequence[Dim]) -> Dim:
    """How many elements these axes have; by a name of its own if one of them is dynamic."""
    if all(isinstance(size, int) for size in sizes):
        return prod(map(largest, sizes))
    bounds = (prod(map(bound, sizes)) for bound in (smallest, nominal, largest))
    return SymbolicDim("*".join(f"({size})" for size in sizes), *bounds)


def group_size(type: TensorType, groups: int) -> Dim:
    """How many elements of one image a group of channels has."""
    channels, *space = type.shape[1:]
    assert isinstance(channels, int), "channels are never dynamic"
    return product([channels // groups, *space])


def slice_axis(b: Emitter, x: OnnxTensor, axis: int, start: int, end: int, size: Dim | None = None) -> OnnxTensor:
    """The elements from `start` up to `end` along one axis; `size` of them where that is not their difference."""
    bounds = [b.constant(label, [value], INT64) for label, value in (("start", start), ("end", end), ("axis", axis))]
    shape, size = x.type.shape, end - start if size is None else size
    return b.emit("Slice", [x, *bounds], x.type.with_shape(*shape[:axis], size, *shape[axis + 1 :]))

"""Reductions over axes in ONNX, written so that runtimes compute them well."""

from collections.abc import Sequence
from math import prod

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.types import Dim, TensorType, largest

LONGEST_SUM = 256
"""Values that are summed one after the other; ONNX Runtime's float32 sum of 784 equal ones is off by 23 roundings, that
of 50,176 by 2,500, and PyTorch's by 3."""


def mean(b: Emitter, x: OnnxTensor, axes: Sequence[int], keepdim: bool) -> OnnxTensor:
    """The mean over some axes."""
    return sum_axes(b, "ReduceMean", x, axes, keepdim)


def sum_axes(b: Emitter, op_type: str, x: OnnxTensor, axes: Sequence[int], keepdim: bool) -> OnnxTensor:
    """A reduction that sums and can be made axis by axis: one node, or over many values one for each axis."""
    if prod(largest(x.type.shape[axis]) for axis in axes) <= LONGEST_SUM:
        return reduce_axes(b, op_type, x, axes, keepdim)
    for axis in sorted(axes, reverse=True):  # from the last, so that what is left keeps its number
        x = reduce_axes(b, op_type, x, [axis], keepdim)
    return x


def reduce_axes(b: Emitter, op_type: str, x: OnnxTensor, axes: Sequence[int], keepdim: bool) -> OnnxTensor:
    """One node; its axes became an input with opset 18."""
    type = reduced_type(x.type, axes, keepdim)
    if b.opset < 18:
        return b.emit(op_type, [x], type, axes=axes, keepdims=int(keepdim))
    return b.emit(op_type, [x, b.constant("axes", axes, INT64)], type, keepdims=int(keepdim))


def reduced_type(x: TensorType, axes: Sequence[int], keepdim: bool) -> TensorType:
    """The type of a reduction over some axes."""
    shape: list[Dim] = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return x.with_shape(*(size for axis, size in enumerate(shape) if keepdim or axis not in axes))

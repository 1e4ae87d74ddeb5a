"""Means in ONNX, written so that runtimes compute them well."""

from collections.abc import Sequence
from math import prod

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.types import Dim, TensorType, largest

LONGEST_SUM = 256
"""Values that are summed one after the other; ONNX Runtime's float32 sum of 784 equal ones is off by 23 roundings, that
of 50,176 by 2,500, and PyTorch's by 3."""


def mean(b: Emitter, x: OnnxTensor, axes: Sequence[int], keepdim: bool) -> OnnxTensor:
    """The mean over some axes: one ReduceMean, or over many values one for each axis."""
    if prod(largest(x.type.shape[axis]) for axis in axes) <= LONGEST_SUM:
        return _reduce_mean(b, x, axes, keepdim)
    for axis in sorted(axes, reverse=True):  # from the last, so that what is left keeps its number
        x = _reduce_mean(b, x, [axis], keepdim)
    return x


def _reduce_mean(b: Emitter, x: OnnxTensor, axes: Sequence[int], keepdim: bool) -> OnnxTensor:
    type = _reduced(x.type, axes, keepdim)
    if b.opset < 18:
        return b.emit("ReduceMean", [x], type, axes=axes, keepdims=int(keepdim))
    return b.emit("ReduceMean", [x, b.constant("axes", axes, INT64)], type, keepdims=int(keepdim))


def _reduced(x: TensorType, axes: Sequence[int], keepdim: bool) -> TensorType:
    shape: list[Dim] = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return x.with_shape(*(size for axis, size in enumerate(shape) if keepdim or axis not in axes))

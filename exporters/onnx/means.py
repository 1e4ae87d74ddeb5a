"""Means in ONNX, written so that runtimes compute them well."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from archc.ir.types import Dim, TensorType, largest

from .builder import OnnxBuilder

LONGEST_SUM = 256
"""Values that are summed one after the other; ONNX Runtime's float32 sum of 784 equal ones is off by 23 roundings, that
of 50,176 by 2,500, and PyTorch's by 3."""


def mean(b: OnnxBuilder, x: str, x_type: TensorType, axes: Sequence[int], keepdim: bool) -> str:
    """The mean over some axes: one ReduceMean, or over many values one for each axis."""
    if prod(largest(x_type.shape[axis]) for axis in axes) <= LONGEST_SUM:
        return _reduce_mean(b, x, _reduced(x_type, axes, keepdim), axes, keepdim)
    for axis in sorted(axes, reverse=True):  # from the last, so that what is left keeps its number
        x_type = _reduced(x_type, [axis], keepdim)
        x = _reduce_mean(b, x, x_type, [axis], keepdim)
    return x


def _reduce_mean(b: OnnxBuilder, x: str, y_type: TensorType, axes: Sequence[int], keepdim: bool) -> str:
    if b.opset < 18:
        return b.emit("ReduceMean", [x], y_type, axes=axes, keepdims=int(keepdim))
    return b.emit("ReduceMean", [x, b.constant("axes", axes, "int64")], y_type, keepdims=int(keepdim))


def _reduced(x_type: TensorType, axes: Sequence[int], keepdim: bool) -> TensorType:
    shape: list[Dim] = [1 if axis in axes else size for axis, size in enumerate(x_type.shape)]
    return x_type.with_shape(*(size for axis, size in enumerate(shape) if keepdim or axis not in axes))

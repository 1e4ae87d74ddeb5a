"""Pooling in ONNX, without `ceil_mode` and `auto_pad`, on which runtimes disagree: the padding is always explicit.

A window grid that PyTorch rounds up ends e pixels beyond the padded input. Those e pixels are padding of another kind:
they never count, while the real padding counts in an average with `count_include_pad`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archc.ir.graph import Node
from archc.ir.types import SymbolicDim, TensorType, largest

from .builder import OnnxBuilder
from .means import LONGEST_SUM, mean

if TYPE_CHECKING:
    import numpy as np

    from archc.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d


def _overhang(node: Node, op: MaxPool2d | AvgPool2d) -> tuple[int, int]:
    """How far the last window of each axis reaches beyond the padded input, in pixels; never negative."""
    overhang = []
    for axis in (0, 1):
        size, count = node.inputs[0].type.shape[2 + axis], node.output.type.shape[2 + axis]
        if isinstance(size, SymbolicDim) or isinstance(count, SymbolicDim):
            overhang.append(0)  # the shape rule refuses ceil_mode for dynamic sizes
            continue
        extent = op.dilations[axis] * (op.kernel_size[axis] - 1) + 1
        end = (count - 1) * op.strides[axis] + extent
        overhang.append(max(0, end - size - 2 * op.padding[axis]))
    return overhang[0], overhang[1]


def _pads(op: MaxPool2d | AvgPool2d, overhang: tuple[int, int]) -> tuple[int, ...]:
    return *op.padding, op.padding[0] + overhang[0], op.padding[1] + overhang[1]


def max_pool2d(b: OnnxBuilder, node: Node, op: MaxPool2d, x: list[str]) -> str:
    """MaxPool; ONNX Runtime refuses padding of a whole kernel, so a larger one (dilated windows) becomes a Pad node."""
    pads: tuple[int, ...] | None = _pads(op, _overhang(node, op))
    assert pads is not None
    if any(pad >= kernel for pad, kernel in zip(pads, op.kernel_size * 2, strict=True)):
        x, pads = [_padded(b, node, x, pads, float("-inf"))], None
    return b.emit(
        "MaxPool", x, node.output.type,
        kernel_shape=op.kernel_size, strides=op.strides, pads=pads, dilations=op.dilation,
    )  # fmt: skip


def avg_pool2d(b: OnnxBuilder, node: Node, op: AvgPool2d, x: list[str]) -> str:
    """AveragePool.

    Where real padding counts and an overhang does not, the real padding becomes a Pad node. With a divisor of its own
    everything counts, which makes the mean a sum over a constant number of pixels.
    """
    overhang = _overhang(node, op)
    pads, counted = _pads(op, overhang), op.count_include_pad
    if op.divisor_override is not None:
        y = _average(b, node, op, x, pads, counted=True)
        factor = op.kernel_size[0] * op.kernel_size[1] / op.divisor_override
        return b.emit("Mul", [y, b.constant("factor", factor)], node.output.type)
    if counted and any(overhang):
        if any(op.padding):
            x = [_padded(b, node, x, (*op.padding, *op.padding), 0.0)]
        pads, counted = (0, 0, *overhang), False
    return _average(b, node, op, x, pads, counted)


def _average(b: OnnxBuilder, node: Node, op: AvgPool2d, x: list[str], pads: tuple[int, ...], counted: bool) -> str:
    return b.emit(
        "AveragePool", x, node.output.type,
        kernel_shape=op.kernel_size, strides=op.strides, pads=pads, count_include_pad=int(counted and any(pads)),
    )  # fmt: skip


def _padded(b: OnnxBuilder, node: Node, x: list[str], pads: tuple[int, ...], value: float) -> str:
    """The input with `pads` (top, left, bottom, right) around its height and width."""
    x_type = node.inputs[0].type
    top, left, bottom, right = pads
    padded = x_type.with_shape(*x_type.shape[:2], x_type.shape[2] + (top + bottom), x_type.shape[3] + (left + right))
    amounts = b.constant("pads", (0, 0, top, left, 0, 0, bottom, right), "int64")
    return b.emit("Pad", [*x, amounts, b.constant("value", value)], padded, mode="constant")


def adaptive_avg_pool2d(b: OnnxBuilder, node: Node, op: AdaptiveAvgPool2d, x: list[str]) -> str:
    """GlobalAveragePool for 1x1 of few pixels; an AveragePool for equal windows; else products with two matrices."""
    x_type = node.inputs[0].type
    if op.output_size == (1, 1):
        if largest(x_type.shape[2]) * largest(x_type.shape[3]) > LONGEST_SUM:
            return mean(b, x[0], x_type, [2, 3], keepdim=True)
        return b.emit("GlobalAveragePool", x, node.output.type)
    sizes = [size for size in x_type.shape[2:] if isinstance(size, int)]  # the shape rule refuses dynamic ones
    if tuple(sizes) == op.output_size:
        return x[0]
    if all(size % count == 0 for size, count in zip(sizes, op.output_size, strict=True)):
        window = tuple(size // count for size, count in zip(sizes, op.output_size, strict=True))
        return b.emit("AveragePool", x, node.output.type, kernel_shape=window, strides=window)
    rows, columns = (averaging_matrix(size, count) for size, count in zip(sizes, op.output_size, strict=True))
    halfway: TensorType = x_type.with_shape(*x_type.shape[:2], op.output_size[0], sizes[1])
    y = b.emit("MatMul", [b.constant("rows", rows), *x], halfway)
    return b.emit("MatMul", [y, b.constant("columns", columns.T)], node.output.type)


def averaging_matrix(size: int, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Row i averages the pixels from floor(i*size/count) up to ceil((i+1)*size/count). Shape [count, size]."""
    import numpy as np

    matrix = np.zeros((count, size))
    for i in range(count):
        start, end = i * size // count, -(-(i + 1) * size // count)
        matrix[i, start:end] = 1 / (end - start)
    return matrix

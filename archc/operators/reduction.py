"""Pooling to a given size, and means over axes."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Axes, PositivePair
from archc.ir.operator import IMAGE, TOKENS, WHOLE, Operator, Window, cases, expect, expect_rank, images
from archc.ir.types import SymbolicDim, TensorType, largest
from archc.operators._mean import LONGEST_SUM, mean


class AdaptiveAvgPool2d(Operator):
    """The mean over an output_size grid of windows: row i covers floor(i*H/h) up to ceil((i+1)*H/h).

    Shapes: x [N, C, H, W] -> [N, C, h, w].
    Source: torch.nn.AdaptiveAvgPool2d.
    """

    word = "adaptive_avg_pool2d"
    elsewhere = ("gap", "global_avg_pool")
    axes: ClassVar[int] = 2
    torch = "nn.AdaptiveAvgPool{axes}d({output_size})"
    output_size: PositivePair
    examples = cases(
        {"output_size": 1},
        {"output_size": [3, 11]},
        {"output_size": [4, 7]},
        {"output_size": [10, 13]},
        {"output_size": [2, 20]},
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *output_size]. Raises ShapeError: wrong rank, or a dynamic size pooled to more than 1x1."""
        (x,) = inputs
        expect_rank(x, self.axes + 2, images(self.axes))
        dynamic = any(isinstance(size, SymbolicDim) for size in x.shape[2:])
        expect(
            set(self.output_size) == {1} or not dynamic,
            f"has windows that depend on the size, but {x} is dynamic",
            "output_size",
            "a dynamic size can be pooled to 1",
        )
        return x.with_shape(*x.shape[:2], *self.output_size)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The widest window and the mean step along each axis; all of an axis that is pooled to 1."""
        return {
            axis: Window(max(-(-(i + 1) * n // k) - i * n // k for i in range(k)), max(1, n // k)) if k > 1 else WHOLE
            for axis, (n, k) in enumerate(zip(map(largest, x.shape[2:]), self.output_size, strict=True), 2)
        }

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """For how many axes torch.nn's class is."""
        return {"axes": self.axes}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """GlobalAveragePool for 1 of few pixels; an AveragePool for equal windows; else products with matrices."""
        space = x[0].type.shape[2:]
        if set(self.output_size) == {1}:
            if prod(map(largest, space)) > LONGEST_SUM:
                return mean(b, x[0], range(2, x[0].type.ndim), keepdim=True)
            return b.emit("GlobalAveragePool", x, b.output)
        sizes = [size for size in space if isinstance(size, int)]  # the shape rule refuses dynamic ones
        if tuple(sizes) == self.output_size:
            return x[0]
        if all(size % count == 0 for size, count in zip(sizes, self.output_size, strict=True)):
            window = tuple(size // count for size, count in zip(sizes, self.output_size, strict=True))
            return b.emit("AveragePool", x, b.output, kernel_shape=window, strides=window)
        rows, columns = (averaging_matrix(size, count) for size, count in zip(sizes, self.output_size, strict=True))
        halfway = x[0].type.with_shape(*x[0].type.shape[:2], self.output_size[0], sizes[1])
        y = b.emit("MatMul", [b.constant("rows", rows), *x], halfway)
        return b.emit("MatMul", [y, b.constant("columns", list(zip(*columns, strict=True)))], b.output)


def averaging_matrix(size: int, count: int) -> list[list[float]]:
    """Row i averages the pixels from floor(i*size/count) up to ceil((i+1)*size/count). Shape [count, size]."""
    bounds = ((i * size // count, -(-(i + 1) * size // count)) for i in range(count))
    return [[1 / (end - start) if start <= pixel < end else 0.0 for pixel in range(size)] for start, end in bounds]


class Mean(Operator):
    """The mean over the axes `dim`, which are dropped unless `keepdim`.

    Shapes: x [N, ...] -> x without the axes.
    Source: torch.mean; ONNX ReduceMean-18.
    """

    word = "mean"
    torch = "{x}.mean(dim={dim}, keepdim={keepdim})"
    dim: Axes
    keepdim: bool = False
    examples = (
        *cases({"dim": [2, 3]}, {"dim": -1, "keepdim": True}, {"dim": [1, 3], "keepdim": True}, {"dim": 1}),
        *cases({"dim": 1}, on=[TOKENS]),
        *cases({"dim": [2, -1], "keepdim": True}, on=[IMAGE]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The other axes. Raises ShapeError: an axis that is not there, named twice, or the batch."""
        (x,) = inputs
        for axis in self.dim:
            expect(-x.ndim <= axis < x.ndim, f"dim {axis} is not an axis of {x}", "dim")
        axes = self.reduced(x)
        expect(len(set(axes)) == len(axes), "names an axis twice", "dim")
        expect(0 not in axes, "dim 0 is the batch axis", "dim")
        kept = (1 if axis in axes else size for axis, size in enumerate(x.shape) if self.keepdim or axis not in axes)
        return x.with_shape(*kept)

    def reduced(self, x: TensorType) -> tuple[int, ...]:
        """The axes, counted from the front."""
        return tuple(axis % x.ndim for axis in self.dim)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of each axis."""
        return dict.fromkeys(self.reduced(x), WHOLE)

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The axes that are kept."""
        return tuple([(axis,) for axis in range(x.ndim) if self.keepdim or axis not in self.reduced(x)])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceMean."""
        return mean(b, x[0], self.reduced(x[0].type), self.keepdim)

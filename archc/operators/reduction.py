"""Pooling to a given size, and reductions over axes."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar, Literal

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Axes, NonNegative, PositiveNumber, PositivePair
from archc.ir.operator import IMAGE, TOKENS, WHOLE, Operator, Window, cases, expect, expect_rank, images
from archc.ir.types import SymbolicDim, TensorType, largest, smallest
from archc.operators._reduce import LONGEST_SUM, mean, reduce_axes, reduced_type, sum_axes


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


class _Reduction(Operator):
    """What reductions share: the axes `dim`, which are dropped unless `keepdim`."""

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
        return reduced_type(x, axes, self.keepdim)

    def reduced(self, x: TensorType) -> tuple[int, ...]:
        """The axes, counted from the front."""
        return tuple(axis % x.ndim for axis in self.dim)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of each axis."""
        return dict.fromkeys(self.reduced(x), WHOLE)

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The axes that are kept."""
        return tuple([(axis,) for axis in range(x.ndim) if self.keepdim or axis not in self.reduced(x)])


class Mean(_Reduction):
    """The mean over the axes `dim`, which are dropped unless `keepdim`.

    Shapes: x [N, ...] -> x without the axes.
    Source: torch.mean; ONNX ReduceMean-18.
    """

    word = "mean"
    torch = "{x}.mean(dim={dim}, keepdim={keepdim})"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceMean."""
        return mean(b, x[0], self.reduced(x[0].type), self.keepdim)


class Amax(_Reduction):
    """The largest value over the axes `dim`, which are dropped unless `keepdim`.

    Shapes: x [N, ...] -> x without the axes.
    Source: torch.amax; ONNX ReduceMax-18.
    """

    word = "amax"
    elsewhere = ("max",)
    torch = "{x}.amax({dim}, {keepdim})"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceMax."""
        return reduce_axes(b, "ReduceMax", x[0], self.reduced(x[0].type), self.keepdim)


class Amin(_Reduction):
    """The smallest value over the axes `dim`, which are dropped unless `keepdim`.

    Shapes: x [N, ...] -> x without the axes.
    Source: torch.amin; ONNX ReduceMin-18.
    """

    word = "amin"
    elsewhere = ("min",)
    torch = "{x}.amin({dim}, {keepdim})"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceMin."""
        return reduce_axes(b, "ReduceMin", x[0], self.reduced(x[0].type), self.keepdim)


class Var(_Reduction):
    """The variance over the axes `dim`: the sum of squared deviations, divided by their number less `correction`.

    Shapes: x [N, ...] -> x without the axes, unless `keepdim`.
    Source: torch.var.
    """

    word = "var"
    torch = "{x}.var({dim}, correction={correction}, keepdim={keepdim})"
    correction: NonNegative = 1
    examples = (
        *cases({"dim": [2, 3]}, {"dim": -1, "keepdim": True, "correction": 0}, {"dim": 1, "correction": 3}),
        *cases({"dim": 1}, on=[TOKENS]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The other axes. Raises ShapeError: as reductions do, or the corrected number of values is unknown or 0."""
        (x,) = inputs
        y = super().infer(x)
        sizes = [x.shape[axis] for axis in self.reduced(x)]
        dynamic = any(isinstance(size, SymbolicDim) for size in sizes)
        message = f"has a correction, which depends on the size, but {x} is dynamic"
        expect(self.correction == 0 or not dynamic, message, "correction", "write correction: 0")
        count = prod(map(smallest, sizes))
        message = f"correction (={self.correction}) must be less than the number of values (={count})"
        expect(self.correction < count, message, "correction")
        return y

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """The mean of the squared deviations from the mean, and a factor for the correction."""
        axes = self.reduced(x[0].type)
        deviation = b.emit("Sub", [*x, mean(b, x[0], axes, keepdim=True)], x[0].type)
        y = mean(b, b.emit("Mul", [deviation, deviation], x[0].type), axes, self.keepdim)
        if self.correction == 0:
            return y
        count = prod(largest(x[0].type.shape[axis]) for axis in axes)
        return b.emit("Mul", [y, b.constant("factor", count / (count - self.correction))], b.output)


class Norm(_Reduction):
    """The length over the axes `dim`: the sum of absolute values (`p: 1`), or the root of the sum of squares (`p: 2`).

    Shapes: x [N, ...] -> x without the axes, unless `keepdim`.
    Source: torch.norm; ONNX ReduceL1-18, ReduceL2-18.
    """

    word = "norm"
    elsewhere = ("vector_norm",)
    torch = "{x}.norm({p}, {dim}, {keepdim})"
    p: Literal[1, 2] = 2
    examples = (
        *cases({"dim": [2, 3]}, {"dim": -1, "keepdim": True, "p": 1}, {"dim": 1}, {"dim": [1, 2], "p": 1}),
        *cases({"dim": 1}, on=[TOKENS]),
    )

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceL1 or ReduceL2, over many values axis by axis."""
        return sum_axes(b, f"ReduceL{self.p}", x[0], self.reduced(x[0].type), self.keepdim)


class Normalize(Operator):
    """x divided by its length along `dim`, which counts as no less than eps.

    Source: torch.nn.functional.normalize.
    """

    word = "normalize"
    elsewhere = ("l2_norm", "l2_normalize")
    torch = "torch.nn.functional.normalize({x}, {p}, {dim}, {eps})"
    dim: int = 1
    p: Literal[1, 2] = 2
    eps: PositiveNumber = 1e-12
    examples = (
        *cases({}, {"dim": -1, "eps": 3.0}, {"dim": 2, "p": 1}),
        *cases({"dim": -1}, on=[TOKENS]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: no such axis, or the batch."""
        (x,) = inputs
        expect(-x.ndim <= self.dim < x.ndim, f"dim (={self.dim}) is not an axis of {x}", "dim")
        expect(self.dim % x.ndim != 0, "dim (=0) is the batch axis", "dim")
        return x

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of `dim`."""
        return {self.dim % x.ndim: WHOLE}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceL1 or ReduceL2, Clip and Div; LpNormalization has no eps."""
        length = sum_axes(b, f"ReduceL{self.p}", x[0], [self.dim % x[0].type.ndim], keepdim=True)
        return b.emit("Div", [*x, b.emit("Clip", [length, b.constant("eps", self.eps)], length.type)], b.output)

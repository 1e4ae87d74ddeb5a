"""Reductions over axes."""

from collections.abc import Mapping
from math import prod
from typing import Literal

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Axes, NonNegative, PositiveNumber
from archc.ir.operator import IMAGE, TOKENS, WHOLE, Operator, Window, cases, expect, expect_axis
from archc.ir.types import SymbolicDim, TensorType, batch_axis, largest, smallest
from archc.operators._reduce import mean, reduce_axes, reduced_type, sum_axes


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
        for axis in axes:
            expect(axis != batch_axis(x), f"dim {axis} is the batch axis", "dim")
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
        expect_axis(x, self.dim)
        return x

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of `dim`."""
        return {self.dim % x.ndim: WHOLE}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceL1 or ReduceL2, Clip and Div; LpNormalization has no eps."""
        length = sum_axes(b, f"ReduceL{self.p}", x[0], [self.dim % x[0].type.ndim], keepdim=True)
        return b.emit("Div", [*x, b.emit("Clip", [length, b.constant("eps", self.eps)], length.type)], b.output)

"""Pooling to a given size, over any number of axes."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import PositivePair, PositiveSingle, PositiveTriple
from archc.ir.operator import SIGNAL, VOLUME, WHOLE, Operator, Window, cases, expect, expect_rank, images
from archc.ir.types import SymbolicDim, TensorType, largest
from archc.operators._reduce import LONGEST_SUM, mean
from archc.operators._reshape import product, reshape


def bounds(size: int, count: int) -> list[tuple[int, int]]:
    """Window i of `count` covers floor(i*size/count) up to ceil((i+1)*size/count)."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


class _AdaptivePool(Operator):
    """What adaptive pools share: a grid of windows along `axes` axes."""

    axes: ClassVar[int]
    output_size: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *output_size]. Raises ShapeError: wrong rank, or a dynamic size pooled to more than 1."""
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
        sizes = zip(map(largest, x.shape[2:]), self.output_size, strict=True)
        return {axis: Window(_widest(n, k), max(1, n // k)) if k > 1 else WHOLE for axis, (n, k) in enumerate(sizes, 2)}

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """For how many axes torch.nn's class is."""
        return {"axes": self.axes}

    def equal_windows(self, x: TensorType) -> Mapping[str, tuple[int, ...]] | None:
        """ONNX's attributes of a pool with these windows; None if they differ in size or distance.

        Of n pixels and k windows, with n = s*k + r, window i begins at i*s + floor(i*r/k). That is i*s for all of them
        if r is 0 or 1; they have s pixels, or s + 1, of which neighbours share one.
        """
        kernels: list[int] = []
        strides: list[int] = []
        for size, count in zip(x.shape[2:], self.output_size, strict=True):
            assert isinstance(size, int), "infer refuses dynamic sizes"
            stride, rest = divmod(size, count)
            if stride == 0 or rest > 1:
                return None
            kernels.append(stride + rest)
            strides.append(stride)
        return {"kernel_shape": tuple(kernels), "strides": tuple(strides)}


def _widest(size: int, count: int) -> int:
    return max(end - start for start, end in bounds(size, count))


class _AdaptiveAvgPool(_AdaptivePool):
    torch = "nn.AdaptiveAvgPool{axes}d({output_size})"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """GlobalAveragePool for 1 of few pixels; an AveragePool for equal windows; else products with matrices."""
        space = x[0].type.shape[2:]
        if set(self.output_size) == {1}:
            if prod(map(largest, space)) > LONGEST_SUM:
                return mean(b, x[0], range(2, x[0].type.ndim), keepdim=True)
            return b.emit("GlobalAveragePool", x, b.output)
        if space == self.output_size:
            return x[0]
        if windows := self.equal_windows(x[0].type):
            return b.emit("AveragePool", x, b.output, **windows)
        y = x[0]
        for axis, (size, count) in enumerate(zip(space, self.output_size, strict=True), 2):
            if size != count:
                y = _averaged(b, y, axis, averaging_matrix(int(str(size)), count))
        return y


def averaging_matrix(size: int, count: int) -> list[list[float]]:
    """Row i averages the pixels of window i. Shape [count, size]."""
    return [
        [1 / (end - start) if start <= pixel < end else 0.0 for pixel in range(size)]
        for start, end in bounds(size, count)
    ]


NAMES = {0: "columns", 1: "rows", 2: "layers"}  # by how many axes follow


def _averaged(b: Emitter, x: OnnxTensor, axis: int, matrix: list[list[float]]) -> OnnxTensor:
    """The product of a matrix with one axis; axes after the next to last are one while it is computed."""
    shape, after = x.type.shape, x.type.ndim - 1 - axis
    type = x.type.with_shape(*shape[:axis], len(matrix), *shape[axis + 1 :])
    if after == 0:
        return b.emit("MatMul", [x, b.constant(NAMES[after], list(zip(*matrix, strict=True)))], type)
    factor = b.constant(NAMES[after], matrix)
    if after == 1:
        return b.emit("MatMul", [factor, x], type)
    rest = product(shape[axis + 1 :])
    y = reshape(b, x, x.type.with_shape(*shape[: axis + 1], rest), "merged")
    y = b.emit("MatMul", [factor, y], x.type.with_shape(*shape[:axis], len(matrix), rest))
    return reshape(b, y, type, "shape")


class _AdaptiveMaxPool(_AdaptivePool):
    torch = "nn.AdaptiveMaxPool{axes}d({output_size})"

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *output_size]. Raises ShapeError: as of all adaptive pools, or windows differ."""
        output = super().infer(*inputs)
        space = ", ".join(map(str, inputs[0].shape[2:]))
        expect(
            set(self.output_size) == {1} or self.equal_windows(inputs[0]) is not None,
            f"has windows of several sizes or distances, which no pool of ONNX has: [{space}] to {[*self.output_size]}",
            "output_size",
            "an output_size that divides the size has equal windows",
        )
        return output

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """GlobalMaxPool for 1, else MaxPool."""
        if set(self.output_size) == {1}:
            return b.emit("GlobalMaxPool", x, b.output)
        return b.emit("MaxPool", x, b.output, **(self.equal_windows(x[0].type) or {}))


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean over an output_size grid of windows: window i covers floor(i*L/l) up to ceil((i+1)*L/l).

    Shapes: x [N, C, L] -> [N, C, l].
    Source: torch.nn.AdaptiveAvgPool1d.
    """

    word = "adaptive_avg_pool1d"
    axes = 1
    output_size: PositiveSingle
    examples = cases(
        {"output_size": 1},
        {"output_size": 5},
        {"output_size": 7},
        {"output_size": 23},
        on=[SIGNAL],
    )


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The mean over an output_size grid of windows: row i covers floor(i*H/h) up to ceil((i+1)*H/h).

    Shapes: x [N, C, H, W] -> [N, C, h, w].
    Source: torch.nn.AdaptiveAvgPool2d.
    """

    word = "adaptive_avg_pool2d"
    elsewhere = ("gap", "global_avg_pool")
    axes = 2
    output_size: PositivePair
    examples = cases(
        {"output_size": 1},
        {"output_size": [3, 11]},
        {"output_size": [4, 7]},
        {"output_size": [10, 13]},
        {"output_size": [2, 20]},
    )


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean over an output_size grid of windows: layer i covers floor(i*D/d) up to ceil((i+1)*D/d).

    Shapes: x [N, C, D, H, W] -> [N, C, d, h, w].
    Source: torch.nn.AdaptiveAvgPool3d.
    """

    word = "adaptive_avg_pool3d"
    axes = 3
    output_size: PositiveTriple
    examples = cases(
        {"output_size": 1},
        {"output_size": [3, 5, 1]},
        {"output_size": [4, 2, 3]},
        {"output_size": [2, 7, 7]},
        on=[VOLUME],
    )


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest value over an output_size grid of windows: window i covers floor(i*L/l) up to ceil((i+1)*L/l).

    Windows that differ in size are refused, for no pool of ONNX has them.

    Shapes: x [N, C, L] -> [N, C, l].
    Source: torch.nn.AdaptiveMaxPool1d.
    """

    word = "adaptive_max_pool1d"
    axes = 1
    output_size: PositiveSingle
    examples = cases(
        {"output_size": 1},
        {"output_size": 5},
        on=[SIGNAL],
    )


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest value over an output_size grid of windows: row i covers floor(i*H/h) up to ceil((i+1)*H/h).

    Windows that differ in size are refused, for no pool of ONNX has them.

    Shapes: x [N, C, H, W] -> [N, C, h, w].
    Source: torch.nn.AdaptiveMaxPool2d.
    """

    word = "adaptive_max_pool2d"
    elsewhere = ("gmp", "global_max_pool")
    axes = 2
    output_size: PositivePair
    examples = cases(
        {"output_size": 1},
        {"output_size": [3, 11]},
        {"output_size": [1, 2]},
        {"output_size": [4, 5]},
    )


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest value over an output_size grid of windows: layer i covers floor(i*D/d) up to ceil((i+1)*D/d).

    Windows that differ in size are refused, for no pool of ONNX has them.

    Shapes: x [N, C, D, H, W] -> [N, C, d, h, w].
    Source: torch.nn.AdaptiveMaxPool3d.
    """

    word = "adaptive_max_pool3d"
    axes = 3
    output_size: PositiveTriple
    examples = cases(
        {"output_size": 1},
        {"output_size": [3, 5, 1]},
        on=[VOLUME],
    )

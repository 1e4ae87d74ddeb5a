"""Pooling."""

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from archc.ir.operator import (
    NonNegativePair,
    Operator,
    Positive,
    PositivePair,
    ShapeError,
    Window,
    expect,
    expect_rank,
)  # fmt: skip
from archc.ir.types import Dim, SymbolicDim, TensorType
from archc.operators.convolution import sliding_size


def _as_axes(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Axes = Annotated[
    tuple[int, ...],
    BeforeValidator(_as_axes),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]}),
]


class _Pool2d(Operator):
    """What max and average pooling share: a window that slides over height and width."""

    kernel_size: PositivePair
    stride: PositivePair | None = None
    padding: NonNegativePair = (0, 0)

    ceil_mode: bool = False

    @property
    def strides(self) -> tuple[int, int]:
        """The stride; the kernel size where none is given."""
        return self.stride or self.kernel_size

    @property
    def dilations(self) -> tuple[int, int]:
        """The dilation of the window."""
        return (1, 1)

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, H', W']. Raises ShapeError: wrong rank, padding over half the kernel, or H' < 1."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        for kernel, padding in zip(self.kernel_size, self.padding, strict=True):
            expect(
                2 * padding <= kernel,
                f"padding (={padding}) must be at most half of kernel_size (={kernel})",
                "padding",
            )
        return x.with_shape(*x.shape[:2], *(self._size(axis, x.shape[2 + axis]) for axis in (0, 1)))

    def _size(self, axis: int, size: Dim) -> Dim:
        """Output size along one axis.

        With `ceil_mode` the division rounds up, and a window that would start in the end padding is dropped.
        Source: torch.nn.MaxPool2d, "Shape" and the note on ceil_mode.
        """
        kernel, stride, padding = self.kernel_size[axis], self.strides[axis], self.padding[axis]
        dilation = self.dilations[axis]
        if self.ceil_mode and stride > 1 and isinstance(size, SymbolicDim):
            raise ShapeError(f"has ceil_mode, which depends on the size, but {size} is dynamic", "ceil_mode")
        if self.ceil_mode and isinstance(size, int):
            ceil = -((dilation * (kernel - 1) + 1 - size - 2 * padding) // stride) + 1
            if ceil >= 1:
                return ceil - 1 if (ceil - 1) * stride >= size + padding else ceil
        return sliding_size(size, kernel, stride, padding, dilation)

    def window(self, *inputs: TensorType) -> Window | None:
        """The dilated kernel."""
        extent = tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel_size, strict=True))
        return Window((extent[0], extent[1]), self.strides)


class MaxPool2d(_Pool2d):
    """The largest value of each window; padding never wins. The stride is the kernel_size unless it is written.

    Shapes: x [N, C, H, W] -> [N, C, H', W'], H' as for a convolution, rounded up with `ceil_mode`.
    Source: torch.nn.MaxPool2d; ONNX MaxPool-12.
    """

    word = "max_pool2d"
    dilation: PositivePair = (1, 1)

    @property
    def dilations(self) -> tuple[int, int]:
        """The dilation of the window."""
        return self.dilation


class AvgPool2d(_Pool2d):
    """The mean of each window; `count_include_pad` counts the padding's zeros, `divisor_override` replaces the count.

    The stride is the kernel_size unless it is written.

    Shapes: x [N, C, H, W] -> [N, C, H', W'], H' as for a convolution, rounded up with `ceil_mode`.
    Source: torch.nn.AvgPool2d; ONNX AveragePool-11.
    """

    word = "avg_pool2d"
    count_include_pad: bool = True
    divisor_override: Positive | None = None


class AdaptiveAvgPool2d(Operator):
    """The mean over an output_size grid of windows: row i covers floor(i*H/h) up to ceil((i+1)*H/h).

    Shapes: x [N, C, H, W] -> [N, C, h, w].
    Source: torch.nn.AdaptiveAvgPool2d.
    """

    word = "adaptive_avg_pool2d"
    output_size: PositivePair

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *output_size]. Raises ShapeError: wrong rank, or a dynamic size pooled to more than 1x1."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        dynamic = any(isinstance(size, SymbolicDim) for size in x.shape[2:])
        expect(
            self.output_size == (1, 1) or not dynamic,
            f"has windows that depend on the size, but {x} is dynamic",
            "output_size",
            "a dynamic size can be pooled to 1",
        )
        return x.with_shape(*x.shape[:2], *self.output_size)

    def window(self, *inputs: TensorType) -> Window | None:
        """The widest window and the mean step; the whole image for 1x1."""
        if self.output_size == (1, 1):
            return None
        height, width = (
            (max(-(-(i + 1) * n // k) - i * n // k for i in range(k)), max(1, n // k))
            for n, k in zip(inputs[0].shape[2:], self.output_size, strict=True)
            if isinstance(n, int)
        )
        return Window((height[0], width[0]), (height[1], width[1]))


class Mean(Operator):
    """The mean over the axes `dim`, which are dropped unless `keepdim`.

    Shapes: x [N, ...] -> x without the axes.
    Source: torch.mean; ONNX ReduceMean-18.
    """

    word = "mean"
    dim: Axes
    keepdim: bool = False

    def infer(self, *inputs: TensorType) -> TensorType:
        """The other axes. Raises ShapeError: an axis that is not there, named twice, or the batch."""
        (x,) = inputs
        for axis in self.dim:
            expect(-x.ndim <= axis < x.ndim, f"dim {axis} is not an axis of {x}", "dim")
        axes = self.axes(x)
        expect(len(set(axes)) == len(axes), "names an axis twice", "dim")
        expect(0 not in axes, "dim 0 is the batch axis", "dim")
        kept = (1 if axis in axes else size for axis, size in enumerate(x.shape) if self.keepdim or axis not in axes)
        return x.with_shape(*kept)

    def axes(self, x: TensorType) -> tuple[int, ...]:
        """The axes, counted from the front."""
        return tuple(axis % x.ndim for axis in self.dim)

    def window(self, *inputs: TensorType) -> Window | None:
        """The whole image."""
        return None

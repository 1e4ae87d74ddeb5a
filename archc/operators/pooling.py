"""Pooling by sliding windows, over any number of axes.

In ONNX it is written without `ceil_mode` and `auto_pad`, on which runtimes disagree: the padding is always explicit. A
window grid that PyTorch rounds up ends e pixels beyond the padded input. Those e pixels are padding of another kind:
they never count, while the real padding counts in an average with `count_include_pad`.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Discriminator, Tag

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import (
    NonNegativePair,
    NonNegativeSingle,
    NonNegativeTriple,
    Positive,
    PositivePair,
    PositiveSingle,
    PositiveTriple,
)
from archc.ir.operator import SIGNAL, VOLUME, Operator, ShapeError, Window, cases, expect, expect_rank, images
from archc.ir.types import Dim, SymbolicDim, TensorType, smallest
from archc.operators._pad import padded
from archc.operators.convolution import (
    dilated_windows,
    more_at_the_end,
    padding_kind,
    padding_schema,
    same_upper,
    sliding_size,
)

MOST_SAME = 4096  # pixels of a window with same_upper
_Sizes = TypeVar("_Sizes")
_Padding = Annotated[
    Annotated[_Sizes, Tag("sizes")] | Annotated[Literal["same_upper"], Tag("same")],
    Discriminator(padding_kind),
]
PaddingSingle = Annotated[_Padding[NonNegativeSingle], padding_schema(1, "same_upper")]
PaddingPair = Annotated[_Padding[NonNegativePair], padding_schema(2, "same_upper")]
PaddingTriple = Annotated[_Padding[NonNegativeTriple], padding_schema(3, "same_upper")]


class _Pool(Operator):
    """What max and average pooling share: a window that slides over `axes` axes."""

    axes: ClassVar[int]
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...] | None
    padding: tuple[int, ...] | Literal["same_upper"]
    ceil_mode: bool = False

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride; the kernel size where none is given."""
        return self.stride or self.kernel_size

    @property
    def dilations(self) -> tuple[int, ...]:
        """The dilation of the window."""
        return (1,) * self.axes

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *S'].

        Raises ShapeError: wrong rank, padding over half the kernel, same_upper with another field, or S' < 1.
        """
        (x,) = inputs
        expect_rank(x, self.axes + 2, images(self.axes))
        if self.padding == "same_upper":
            expect(not self.ceil_mode, "has no window beyond the edge with same_upper", "ceil_mode")
            expect(set(self.dilations) == {1}, "has no dilation with same_upper", "dilation")
            largest = max(self.kernel_size)  # PyTorch walks through the padding of each window
            expect(largest <= MOST_SAME, f"of same_upper has a window of {largest}, beyond {MOST_SAME}", "kernel_size")
        else:
            for kernel, padding in zip(self.kernel_size, self.padding, strict=True):
                message = f"padding (={padding}) must be at most half of kernel_size (={kernel})"
                expect(2 * padding <= kernel, message, "padding")
        return x.with_shape(*x.shape[:2], *map(self._size, range(self.axes), x.shape[2:], self.margins(x)))

    def margins(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """The pixels before and after each axis of space. Raises ShapeError: they depend on a dynamic size."""
        if self.padding != "same_upper":
            return tuple(zip(self.padding, self.padding, strict=True))
        return tuple(map(same_upper, x.shape[2:], self.kernel_size, self.strides, self.dilations))

    def _size(self, axis: int, size: Dim, margin: tuple[int, int]) -> Dim:
        """Output size along one axis.

        With `ceil_mode` the division rounds up, and a window that would start in the end padding is dropped.
        Source: torch.nn.MaxPool2d, "Shape" and the note on ceil_mode.
        """
        kernel, stride, (before, after) = self.kernel_size[axis], self.strides[axis], margin
        dilation = self.dilations[axis]
        if self.ceil_mode and stride > 1 and isinstance(size, SymbolicDim):
            raise ShapeError(f"has ceil_mode, which depends on the size, but {size} is dynamic", "ceil_mode")
        if self.ceil_mode and isinstance(size, int):
            ceil = -((dilation * (kernel - 1) + 1 - size - before - after) // stride) + 1
            if ceil >= 1:
                return ceil - 1 if (ceil - 1) * stride >= size + before else ceil
        return sliding_size(size + (after - before), kernel, stride, before, dilation)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The dilated kernel."""
        return dict(enumerate(dilated_windows(self.kernel_size, self.strides, self.dilations), 2))

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """For how many axes torch.nn's class is, and the padding on both sides; at the end there may be more."""
        return {"axes": self.axes, "pads": tuple([before for before, _ in self.margins(inputs[0])])}

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """torch.nn's module, or one that pads more at the end."""
        source = super().torch_source(inputs, variables, own)
        sides = more_at_the_end(self.margins(inputs[0]))
        name, _, fields = source.partition(".")[2].partition("(")
        return f"layers.Padded{name}({sides}, {fields}" if sides else source

    def _overhang(self, x: TensorType, y: TensorType) -> tuple[int, ...]:
        """How far the last window of each axis reaches beyond the padded input, in pixels; never negative."""
        overhang = []
        for axis, (size, count) in enumerate(zip(x.shape[2:], y.shape[2:], strict=True)):
            if isinstance(size, SymbolicDim) or isinstance(count, SymbolicDim):
                overhang.append(0)  # the shape rule refuses ceil_mode for dynamic sizes
                continue
            extent = self.dilations[axis] * (self.kernel_size[axis] - 1) + 1
            end = (count - 1) * self.strides[axis] + extent
            overhang.append(max(0, end - size - sum(self.margins(x)[axis])))
        return tuple(overhang)

    def _pads(self, x: TensorType, overhang: tuple[int, ...]) -> tuple[int, ...]:
        before, after = zip(*self.margins(x), strict=True)
        return *before, *(pad + more for pad, more in zip(after, overhang, strict=True))


def _padded(b: Emitter, x: OnnxTensor, pads: tuple[int, ...], value: float) -> OnnxTensor:
    """The input with `pads` (before each axis of space, then after each) around it."""
    axes = len(pads) // 2
    return padded(b, x, (0, 0, *pads[:axes]), (0, 0, *pads[axes:]), "constant", value)


class _MaxPool(_Pool):
    """The largest value of each window."""

    torch = "nn.MaxPool{axes}d({kernel_size}, {stride}, {pads}, {dilation}, ceil_mode={ceil_mode})"
    dilation: tuple[int, ...]

    @property
    def dilations(self) -> tuple[int, ...]:
        """The dilation of the window."""
        return self.dilation

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """MaxPool; ONNX Runtime refuses padding of a whole kernel, so a larger one (dilated windows) is a Pad node."""
        pads: tuple[int, ...] | None = self._pads(x[0].type, self._overhang(x[0].type, b.output))
        assert pads is not None
        if any(pad >= kernel for pad, kernel in zip(pads, self.kernel_size * 2, strict=True)):
            x, pads = (_padded(b, x[0], pads, float("-inf")),), None
        sizes = {"kernel_shape": self.kernel_size, "strides": self.strides, "pads": pads, "dilations": self.dilation}
        return b.emit("MaxPool", x, b.output, **sizes)


class MaxPool1d(_MaxPool):
    """The largest value of each window; padding never wins. The stride is the kernel_size unless it is written.

    Shapes: x [N, C, L] -> [N, C, L'], L' as for a convolution, rounded up with `ceil_mode`.
    `padding: same_upper` gives ceil(size / stride), as TensorFlow does.
    Source: torch.nn.MaxPool1d; ONNX MaxPool-12.
    """

    word = "max_pool1d"
    axes = 1
    torch = "layers.MaxPool1d({kernel_size}, {stride}, {pads}, {dilation}, ceil_mode={ceil_mode})"
    kernel_size: PositiveSingle
    stride: PositiveSingle | None = None
    padding: PaddingSingle = (0,)
    dilation: PositiveSingle = (1,)
    examples = cases(
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 3, "ceil_mode": True},
        {"kernel_size": 4, "stride": 2, "padding": "same_upper"},
        on=[SIGNAL],
    )


class MaxPool2d(_MaxPool):
    """The largest value of each window; padding never wins. The stride is the kernel_size unless it is written.

    Shapes: x [N, C, H, W] -> [N, C, H', W'], H' as for a convolution, rounded up with `ceil_mode`.
    `padding: same_upper` gives ceil(size / stride), as TensorFlow does.
    Source: torch.nn.MaxPool2d; ONNX MaxPool-12.
    """

    word = "max_pool2d"
    elsewhere = ("max_pool",)
    axes = 2
    kernel_size: PositivePair
    stride: PositivePair | None = None
    padding: PaddingPair = (0, 0)
    dilation: PositivePair = (1, 1)
    examples = cases(
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": [2, 3], "ceil_mode": True},
        {"kernel_size": 2, "stride": [2, 1], "padding": "same_upper"},
    )


class MaxPool3d(_MaxPool):
    """The largest value of each window; padding never wins. The stride is the kernel_size unless it is written.

    Shapes: x [N, C, D, H, W] -> [N, C, D', H', W'], D' as for a convolution, rounded up with `ceil_mode`.
    `padding: same_upper` gives ceil(size / stride), as TensorFlow does.
    Source: torch.nn.MaxPool3d; ONNX MaxPool-12.
    """

    word = "max_pool3d"
    axes = 3
    kernel_size: PositiveTriple
    stride: PositiveTriple | None = None
    padding: PaddingTriple = (0, 0, 0)
    dilation: PositiveTriple = (1, 1, 1)
    examples = cases(
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": [1, 2, 3], "ceil_mode": True},
        {"kernel_size": [2, 3, 2], "stride": 2, "padding": "same_upper"},
        on=[VOLUME],
    )


class _AvgPool(_Pool):
    """The mean of each window."""

    torch = "nn.AvgPool{axes}d({kernel_size}, {stride}, {pads}, {ceil_mode}, {count_include_pad})"
    count_include_pad: bool = True

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, *S']. Raises ShapeError: as other pools, or the zeros of same_upper should not count."""
        counts = self.count_include_pad or self.padding != "same_upper"
        expect(counts, "counts the zeros of same_upper, as timm does", "count_include_pad")
        return super().infer(*inputs)

    @property
    def divisor(self) -> int | None:
        """What the sum of a window is divided by, if not by the number of its pixels."""
        return None

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """AveragePool.

        Where real padding counts and an overhang does not, the real padding becomes a Pad node. With a divisor of its
        own everything counts, which makes the mean a sum over a constant number of pixels.
        """
        overhang = self._overhang(x[0].type, b.output)
        pads, counted = self._pads(x[0].type, overhang), self.count_include_pad
        if self.divisor is not None:
            y = self._average(b, x[0], pads, counted=True)
            return b.emit("Mul", [y, b.constant("factor", prod(self.kernel_size) / self.divisor)], b.output)
        if counted and any(overhang):
            margins = self._pads(x[0].type, (0,) * self.axes)
            if any(margins):
                x = (_padded(b, x[0], margins, 0.0),)
            pads, counted = (*(0,) * self.axes, *overhang), False
        return self._average(b, x[0], pads, counted=counted)

    def _average(self, b: Emitter, x: OnnxTensor, pads: tuple[int, ...], *, counted: bool) -> OnnxTensor:
        counts = int(counted and any(pads))
        sizes = {"kernel_shape": self.kernel_size, "strides": self.strides, "pads": pads, "count_include_pad": counts}
        return b.emit("AveragePool", [x], b.output, **sizes)


class _DividedPool(_AvgPool):
    """A mean with a divisor of its own."""

    torch = "nn.AvgPool{axes}d({kernel_size}, {stride}, {pads}, {ceil_mode}, {count_include_pad}, {divisor_override})"
    divisor_override: Positive | None = None

    @property
    def divisor(self) -> int | None:
        """The divisor_override."""
        return self.divisor_override


class AvgPool1d(_AvgPool):
    """The mean of each window; `count_include_pad` counts the padding's zeros.

    The stride is the kernel_size unless it is written.

    Shapes: x [N, C, L] -> [N, C, L'], L' as for a convolution, rounded up with `ceil_mode`.
    `padding: same_upper` gives ceil(size / stride), as TensorFlow does.
    Source: torch.nn.AvgPool1d; ONNX AveragePool-11.
    """

    word = "avg_pool1d"
    axes = 1
    kernel_size: PositiveSingle
    stride: PositiveSingle | None = None
    padding: PaddingSingle = (0,)
    examples = cases(
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 4, "stride": 3, "padding": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": "same_upper"},
        on=[SIGNAL],
    )


class AvgPool2d(_DividedPool):
    """The mean of each window; `count_include_pad` counts the padding's zeros, `divisor_override` replaces the count.

    The stride is the kernel_size unless it is written.

    Shapes: x [N, C, H, W] -> [N, C, H', W'], H' as for a convolution, rounded up with `ceil_mode`.
    `padding: same_upper` gives ceil(size / stride), as TensorFlow does.
    Source: torch.nn.AvgPool2d; ONNX AveragePool-11.
    """

    word = "avg_pool2d"
    elsewhere = ("avg_pool",)
    axes = 2
    kernel_size: PositivePair
    stride: PositivePair | None = None
    padding: PaddingPair = (0, 0)
    examples = cases(
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 2, "divisor_override": 3},
        {"kernel_size": [2, 3], "divisor_override": 5},
        {"kernel_size": 4, "stride": 3, "padding": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 2, "padding": "same_upper"},
    )


class AvgPool3d(_DividedPool):
    """The mean of each window; `count_include_pad` counts the padding's zeros, `divisor_override` replaces the count.

    The stride is the kernel_size unless it is written.

    Shapes: x [N, C, D, H, W] -> [N, C, D', H', W'], D' as for a convolution, rounded up with `ceil_mode`.
    `padding: same_upper` gives ceil(size / stride), as TensorFlow does.
    Source: torch.nn.AvgPool3d; ONNX AveragePool-11.
    """

    word = "avg_pool3d"
    axes = 3
    kernel_size: PositiveTriple
    stride: PositiveTriple | None = None
    padding: PaddingTriple = (0, 0, 0)
    examples = cases(
        {"kernel_size": [2, 3, 1], "padding": [1, 1, 0]},
        {"kernel_size": 2, "divisor_override": 3},
        {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
        {"kernel_size": [2, 3, 2], "stride": 2, "padding": "same_upper"},
        on=[VOLUME],
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """As for other pools. Raises ShapeError: an axis shorter than the window, which PyTorch takes of no volume."""
        result = super().infer(*inputs)
        for size, kernel in zip(inputs[0].shape[2:], self.kernel_size, strict=True):
            message = f"kernel_size (={kernel}) must be at most the size (={size}), without its padding"
            expect(smallest(size) >= kernel, message, "kernel_size")
        return result

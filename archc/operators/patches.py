"""Operators between pixels and channels: shuffles, and patches of an image side by side."""

from collections.abc import Mapping
from math import prod
from typing import ClassVar

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import NonNegativePair, Positive, PositivePair
from archc.ir.operator import (
    WHOLE,
    Operator,
    ShapeError,
    Window,
    cases,
    expect,
    expect_channels,
    expect_rank,
    images,
)
from archc.ir.types import ROUNDED, Dim, SymbolicArithmeticError, SymbolicDim, TensorType
from archc.operators._reshape import reshape
from archc.operators.convolution import dilated_windows, sliding_size


class PixelShuffle(Operator):
    """Channels become pixels: each group of upscale_factor² channels is a square of pixels of one channel.

    Shapes: x [N, C * r * r, H, W] -> [N, C, H * r, W * r].
    Source: torch.nn.PixelShuffle; Shi et al. 2016, arXiv:1609.05158; ONNX DepthToSpace-13.
    """

    word = "pixel_shuffle"
    elsewhere = ("depth_to_space",)
    torch = "nn.PixelShuffle({upscale_factor})"
    upscale_factor: Positive
    examples = (*cases({"upscale_factor": 1}), *cases({"upscale_factor": 2}, on=[(12, 5, 4)]))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The larger image. Raises ShapeError: wrong rank, channels not divisible, or a size that was rounded."""
        (x,) = inputs
        expect_rank(x, 4, images(2))
        channels, r = expect_channels(x), self.upscale_factor
        message = f"channels (={channels}) must be divisible by upscale_factor² (={r * r})"
        expect(channels % (r * r) == 0, message, "upscale_factor")
        try:
            return x.with_shape(x.shape[0], channels // (r * r), *[size * r for size in x.shape[2:]])
        except SymbolicArithmeticError:
            message = f"cannot enlarge a dynamic size of {x}, which was rounded before"
            raise ShapeError(message, "upscale_factor") from None

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """DepthToSpace in PyTorch's order of the channels."""
        return b.emit("DepthToSpace", x, b.output, blocksize=self.upscale_factor, mode="CRD")


class PixelUnshuffle(Operator):
    """Pixels become channels: each square of downscale_factor² pixels is as many channels.

    Shapes: x [N, C, H, W] -> [N, C * r * r, H / r, W / r].
    Source: torch.nn.PixelUnshuffle.
    """

    word = "pixel_unshuffle"
    elsewhere = ("space_to_depth",)
    torch = "nn.PixelUnshuffle({downscale_factor})"
    downscale_factor: Positive
    examples = (*cases({"downscale_factor": 1}), *cases({"downscale_factor": 2}, on=[(3, 10, 8)]))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The smaller image. Raises ShapeError: wrong rank, or a size that is not always divisible."""
        (x,) = inputs
        expect_rank(x, 4, images(2))
        channels, r = expect_channels(x), self.downscale_factor
        smaller = [_divided(size, r, x) for size in x.shape[2:]]
        return x.with_shape(x.shape[0], channels * r * r, *smaller)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The square, whose pixels are side by side in the channels."""
        return dict.fromkeys((2, 3), Window(self.downscale_factor, self.downscale_factor))

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Reshape, Transpose and Reshape: SpaceToDepth, which two dynamic sizes need, has another order of channels."""
        r = self.downscale_factor
        if not any(isinstance(size, int) for size in b.output.shape[2:]):
            return self._reordered(b, b.emit("SpaceToDepth", x, b.output, blocksize=r), expect_channels(x[0].type))
        batch, channels = x[0].type.shape[:2]
        height, width = b.output.shape[2:]
        split = b.output.with_shape(batch, channels, height, r, width, r)
        y = reshape(b, x[0], split, "split")
        moved = b.output.with_shape(batch, channels, r, r, height, width)
        return reshape(b, b.emit("Transpose", [y], moved, perm=(0, 1, 3, 5, 2, 4)), b.output)

    def _reordered(self, b: Emitter, y: OnnxTensor, channels: int) -> OnnxTensor:
        """The pixels of each channel side by side, of which SpaceToDepth puts the channels side by side."""
        square = range(self.downscale_factor**2)
        places = [place * channels + channel for channel in range(channels) for place in square]
        return b.emit("Gather", [y, b.constant("order", places, INT64)], b.output, axis=1)


def _divided(size: Dim, factor: int, x: TensorType) -> Dim:
    if isinstance(size, SymbolicDim):
        message = f"needs a height and a width that are always divisible by {factor}, received {x}"
        expect(size.is_multiple_of(factor), message, "downscale_factor", ROUNDED)
        return size // factor
    expect(size % factor == 0, f"size (={size}) must be divisible by downscale_factor (={factor})", "downscale_factor")
    return size // factor


class _Patches(Operator):
    """Fields of the windows that `unfold` and `fold` share; both are convolutions with kernels of a single 1."""

    kernel_size: PositivePair
    dilation: PositivePair = (1, 1)
    padding: NonNegativePair = (0, 0)
    stride: PositivePair = (1, 1)
    op_type: ClassVar[str]

    def _positions(self, height: int, width: int) -> tuple[int, int]:
        """How many windows fit along each axis. Raises ShapeError."""
        fields = zip((height, width), self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        rows, columns = (sliding_size(*each) for each in fields)
        assert isinstance(rows, int), "of a fixed size"
        assert isinstance(columns, int), "of a fixed size"
        return rows, columns

    def _convolved(
        self, b: Emitter, x: OnnxTensor, type: TensorType, channels: int, end: tuple[int, int]
    ) -> OnnxTensor:
        """A convolution of each channel by kernels each of which picks one place of the window."""
        places = prod(self.kernel_size)
        rows, columns = self.kernel_size
        one = [[[1.0 if row * columns + column == place else 0.0 for column in range(columns)] for row in range(rows)]
               for place in range(places)]  # fmt: skip
        kernel = b.constant("kernel", [[each] for each in one] * channels)
        return b.emit(
            self.op_type, [x, kernel], type, kernel_shape=self.kernel_size, strides=self.stride,
            pads=(*self.padding, *self.padding), dilations=self.dilation, group=channels,
            output_padding=end if any(end) else None,
        )  # fmt: skip


class Unfold(_Patches):
    """The windows that a convolution would slide over, side by side: channel c's place k is in row c * kh * kw + k.

    Shapes: x [N, C, H, W] -> [N, C * kh * kw, L], where L is the number of windows.
    Source: torch.nn.Unfold; ONNX Conv-11.
    """

    word = "unfold"
    elsewhere = ("im2col",)
    torch = "nn.Unfold({kernel_size}, {dilation}, {padding}, {stride})"
    op_type = "Conv"
    examples = cases(
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": [2, 3], "dilation": [2, 1], "stride": [1, 2], "padding": [0, 1]},
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The windows. Raises ShapeError: wrong rank, a dynamic size, or no window fits."""
        (x,) = inputs
        expect_rank(x, 4, images(2))
        rows, columns = self._positions(*_fixed(x))
        return x.with_shape(x.shape[0], expect_channels(x) * prod(self.kernel_size), rows * columns)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The dilated kernel, whose places are side by side in the channels."""
        return dict(enumerate(dilated_windows(self.kernel_size, self.stride, self.dilation), 2))

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The windows run along both axes."""
        return ((0,), (1,), (2, 3))

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Conv and Reshape."""
        batch, rows, _ = b.output.shape
        image = b.output.with_shape(batch, rows, *self._positions(*_fixed(x[0].type)))
        return reshape(b, self._convolved(b, x[0], image, expect_channels(x[0].type), (0, 0)), b.output)


class Fold(_Patches):
    """The image of which these are the windows, as `unfold` gives them; where windows overlap they are added.

    Shapes: x [N, C * kh * kw, L] -> [N, C, *output_size], where L is the number of windows.
    Source: torch.nn.Fold; ONNX ConvTranspose-11.
    """

    word = "fold"
    elsewhere = ("col2im",)
    torch = "nn.Fold({output_size}, {kernel_size}, {dilation}, {padding}, {stride})"
    op_type = "ConvTranspose"
    output_size: PositivePair
    kernel_size: PositivePair
    examples = (
        *cases({"output_size": [4, 5], "kernel_size": 2}, on=[(12, 12)]),
        *cases({"output_size": [6, 7], "kernel_size": 2, "stride": [2, 3], "padding": [1, 0]}, on=[(8, 8)]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The image. Raises ShapeError: wrong rank, rows not divisible by the window's places, or not its windows."""
        (x,) = inputs
        expect_rank(x, 3, "[N, C * kh * kw, L]")
        rows, places = expect_channels(x), prod(self.kernel_size)
        expect(rows % places == 0, f"axis 1 (={rows}) must be divisible by the places of a window (={places})")
        count = prod(self._positions(*self.output_size))
        message = f"needs the {count} windows of an image of {' x '.join(map(str, self.output_size))}, received {x}"
        expect(x.shape[2] == count, message, "output_size")
        return x.with_shape(x.shape[0], rows // places, *self.output_size)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All windows."""
        return {2: WHOLE}

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """Both axes of the image run along the windows."""
        return ((0,), (1,), (2,), (2,))

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Reshape and ConvTranspose; what no window reaches at the end of an axis is `output_padding`."""
        batch, rows, _ = x[0].type.shape
        counts = self._positions(*self.output_size)
        windows = reshape(b, x[0], x[0].type.with_shape(batch, rows, *counts))
        axes = zip(self.output_size, counts, self.kernel_size, self.stride, self.padding, self.dilation, strict=True)
        top, left = (size + 2 * p - (n - 1) * s - d * (k - 1) - 1 for size, n, k, s, p, d in axes)
        return self._convolved(b, windows, b.output, expect_channels(b.output), (top, left))


def _fixed(x: TensorType) -> tuple[int, int]:
    height, width = x.shape[2:]
    if isinstance(height, SymbolicDim) or isinstance(width, SymbolicDim):
        raise ShapeError(f"needs a known number of windows, but {x} is dynamic")
    return height, width

"""Transposed convolutions, over any number of axes."""

from collections.abc import Mapping
from fractions import Fraction
from math import prod

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import (
    NonNegativePair,
    NonNegativeSingle,
    NonNegativeTriple,
    PositivePair,
    PositiveSingle,
    PositiveTriple,
)
from archc.ir.operator import SIGNAL, VOLUME, ShapeError, Weight, Window, cases, expect, expect_channels
from archc.ir.types import ROUNDED, Dim, SymbolicArithmeticError, TensorType, smallest
from archc.operators.convolution import Filters

MOST_STEPS = 1024
"""Pixels of a stride or dilation; PyTorch's kernels end the process at some that are larger."""


class TransposedConvolution(Filters):
    """The gradient of a convolution with regard to its input: each pixel adds a copy of the kernel to the output.

    Shapes: x [N, C_in, *S] -> [N, out_channels, *S'], where along each axis
        S' = (S - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1
    Units: lengths in pixels.
    Source: torch.nn.ConvTranspose1d, ConvTranspose2d, ConvTranspose3d; ONNX ConvTranspose-11.
    """

    torch = (
        "nn.ConvTranspose{axes}d({channels}, {out_channels}, {kernel_size}, stride={stride}, padding={padding}, "
        "output_padding={output_padding}, groups={groups}, bias={bias}, dilation={dilation})"
    )
    padding: tuple[int, ...]  # pyright: ignore[reportIncompatibleVariableOverride]  # it is never "same"
    output_padding: tuple[int, ...]

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, out_channels, *S'].

        Raises ShapeError: wrong rank, channels dynamic or not divisible by groups, output_padding too large, S' < 1.
        """
        (x,) = inputs
        self.channels(x)
        return x.with_shape(x.shape[0], self.out_channels, *map(self._size, range(self.axes), x.shape[2:]))

    def _size(self, axis: int, size: Dim) -> Dim:
        more, stride, dilation = self.output_padding[axis], self.stride[axis], self.dilation[axis]
        for name, step in (("stride", stride), ("dilation", dilation)):
            expect(step <= MOST_STEPS, f"{name} (={step}) must be at most {MOST_STEPS}: PyTorch fails beyond", name)
        # PyTorch takes one that is less than the dilation too, which ONNX Runtime does not.
        expect(more < stride, f"output_padding (={more}) must be less than stride (={stride})", "output_padding")
        margin = dilation * (self.kernel_size[axis] - 1) + more + 1 - 2 * self.padding[axis]
        try:
            result = (size - 1) * stride + margin
        except SymbolicArithmeticError:
            message = f"cannot make the dynamic size {size}, which was divided before, {stride} times as large"
            raise ShapeError(message, "stride", ROUNDED) from None
        least = smallest(result)
        expect(least >= 1, f"leaves {least} pixels of {smallest(size)}, as padding takes pixels away", "padding")
        return result

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` [in, out/groups, *kernel_size] and `bias` [out], started as torch.nn's are."""
        return self.started((expect_channels(inputs[0]), self.out_channels // self.groups, *self.kernel_size))

    def per_filter(self, weight: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The filters of each group lie along axis 1: [groups, in/groups, out/groups, …]."""
        channels, filters, *kernel = weight
        ones = [1] * len(kernel)
        return (self.groups, channels // self.groups, filters, *kernel), (self.groups, 1, filters, *ones)

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight and pixel of the input, those that padding takes away too; the bias is not counted."""
        return inputs[0].elements() * (self.out_channels // self.groups) * prod(self.kernel_size)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The pixels whose kernels meet in one; neighbours are a part of a pixel apart."""
        sizes = zip(self.kernel_size, self.stride, self.dilation, strict=True)
        return {
            axis: Window(dilation * (kernel - 1) // stride + 1, Fraction(1, stride))
            for axis, (kernel, stride, dilation) in enumerate(sizes, 2)
        }

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ConvTranspose."""
        return b.emit(
            "ConvTranspose",
            [*x, *b.own("weight", "bias")],
            b.output,
            kernel_shape=self.kernel_size,
            strides=self.stride,
            pads=(*self.padding, *self.padding),
            output_padding=self.output_padding,
            dilations=self.dilation,
            group=self.groups,
        )


class ConvTranspose1d(TransposedConvolution):
    """One-dimensional transposed convolution.

    Shapes: x [N, C_in, L] -> [N, out_channels, L'], where
        L' = (L - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1
    Source: torch.nn.ConvTranspose1d; ONNX ConvTranspose-11.
    """

    word = "conv_transpose1d"
    axes = 1
    kernel_size: PositiveSingle
    stride: PositiveSingle = (1,)
    padding: NonNegativeSingle = (0,)
    output_padding: NonNegativeSingle = (0,)
    dilation: PositiveSingle = (1,)
    examples = cases(
        {"out_channels": 4, "kernel_size": 3, "stride": 2},
        {"out_channels": 4, "kernel_size": 4, "stride": 3, "padding": 2, "output_padding": 1, "groups": 2},
        {"out_channels": 3, "kernel_size": 3, "dilation": 3, "stride": 2, "output_padding": 1, "bias": False},
        on=[SIGNAL],
    )


class ConvTranspose2d(TransposedConvolution):
    """Two-dimensional transposed convolution.

    Shapes: x [N, C_in, H, W] -> [N, out_channels, H', W'], where
        H' = (H - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1
    Source: torch.nn.ConvTranspose2d; ONNX ConvTranspose-11.
    """

    word = "conv_transpose2d"
    elsewhere = ("conv_transpose", "conv2d_transpose", "deconv", "deconv2d", "transposed_conv2d")
    axes = 2
    kernel_size: PositivePair
    stride: PositivePair = (1, 1)
    padding: NonNegativePair = (0, 0)
    output_padding: NonNegativePair = (0, 0)
    dilation: PositivePair = (1, 1)
    examples = cases(
        {"out_channels": 4, "kernel_size": 2, "stride": 2},
        {
            "out_channels": 4,
            "kernel_size": [3, 4],
            "stride": [2, 3],
            "padding": 1,
            "output_padding": [1, 0],
            "groups": 2,
        },
        {"out_channels": 6, "kernel_size": 3, "groups": 6, "dilation": [2, 1], "padding": [1, 2], "bias": False},
    )


class ConvTranspose3d(TransposedConvolution):
    """Three-dimensional transposed convolution.

    Shapes: x [N, C_in, D, H, W] -> [N, out_channels, D', H', W'], where
        D' = (D - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1
    Source: torch.nn.ConvTranspose3d; ONNX ConvTranspose-11.
    """

    word = "conv_transpose3d"
    axes = 3
    kernel_size: PositiveTriple
    stride: PositiveTriple = (1, 1, 1)
    padding: NonNegativeTriple = (0, 0, 0)
    output_padding: NonNegativeTriple = (0, 0, 0)
    dilation: PositiveTriple = (1, 1, 1)
    examples = cases(
        {"out_channels": 4, "kernel_size": 2, "stride": 2},
        {"out_channels": 4, "kernel_size": [1, 2, 3], "stride": [1, 2, 2], "padding": [0, 0, 1], "groups": 2},
        on=[VOLUME],
    )

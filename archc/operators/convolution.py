"""Convolutions, over any number of axes."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Discriminator, Tag, WithJsonSchema

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import NonNegativePair, Positive, PositivePair, axes_schema
from archc.ir.initializers import TORCH_DEFAULT, Uniform
from archc.ir.operator import (
    Operator,
    ShapeError,
    Weight,
    Window,
    cases,
    expect_channels,
    expect_declared,
    expect_rank,
    images,
)
from archc.ir.types import Dim, TensorType, smallest


def sliding_size(size: Dim, kernel: int, stride: int, padding: int, dilation: int) -> Dim:
    """Output size of a sliding window along one axis: (size + 2*padding - dilation*(kernel-1) - 1)//stride + 1.

    Raises: ShapeError: the window does not fit into the padded input (at its smallest, if it is dynamic).
    Source: torch.nn.Conv2d, "Shape".
    """
    extent = dilation * (kernel - 1) + 1
    room = smallest(size) + 2 * padding
    if room < extent:
        message = f"window of {extent} pixels does not fit into {room} (size {size} with padding)"
        raise ShapeError(message, "kernel_size")
    return (size + (2 * padding - extent)) // stride + 1


def _kind(value: object) -> str:
    return "same" if isinstance(value, str) else "sizes"


# The kind is chosen by what was written, so that a mistake is told once.
PaddingPair = Annotated[
    Annotated[NonNegativePair, Tag("sizes")] | Annotated[Literal["same"], Tag("same")],
    Discriminator(_kind),
    WithJsonSchema({"anyOf": [*axes_schema(0, 2), {"const": "same"}]}),
]


class Convolution(Operator):
    """Cross-correlation with a learned kernel over `axes` axes; a subclass gives the number and the fields' types.

    Shapes: x [N, C_in, *S] -> [N, out_channels, *S'], where along each axis
        S' = (S + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    Units: lengths in pixels.
    Source: torch.nn.Conv1d, Conv2d, Conv3d; ONNX Conv-11.
    """

    axes: ClassVar[int]
    tensors = ("weight", "bias")
    torch = (
        "nn.Conv{axes}d({channels}, {out_channels}, {kernel_size}, stride={stride}, padding={pads}, "
        "dilation={dilation}, groups={groups}, bias={bias})"
    )
    needs_output = False
    linear_axis = 1

    out_channels: Positive
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | Literal["same"]
    dilation: tuple[int, ...]
    groups: Positive = 1
    bias: bool = True
    in_channels: Positive | None = None

    @property
    def pads(self) -> tuple[int, ...]:
        """The pixels of zeros on each side, for each axis."""
        if self.padding != "same":
            return self.padding
        return tuple([d * (k - 1) // 2 for d, k in zip(self.dilation, self.kernel_size, strict=True)])

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, out_channels, *S'].

        Raises ShapeError: channels dynamic or not divisible by groups, S' < 1, or `same` cannot be.
        """
        (x,) = inputs
        expect_rank(x, self.axes + 2, images(self.axes))
        if self.padding == "same":
            self._refuse_asymmetric()
        channels = expect_channels(x)
        expect_declared(self.in_channels, channels, "in_channels")
        for name, count in (("in_channels", channels), ("out_channels", self.out_channels)):
            if count % self.groups:
                raise ShapeError(f"{name} (={count}) must be divisible by groups (={self.groups})", "groups")
        windows = zip(x.shape[2:], self.kernel_size, self.stride, self.pads, self.dilation, strict=True)
        return x.with_shape(x.shape[0], self.out_channels, *[sliding_size(*window) for window in windows])

    def _refuse_asymmetric(self) -> None:
        if any(step != 1 for step in self.stride):
            raise ShapeError("cannot keep the size ('same') with a stride", "padding", "write the padding as a number")
        if any(d * (k - 1) % 2 for d, k in zip(self.dilation, self.kernel_size, strict=True)):
            help = "write a pad before it, such as pad: {pad: [left, right, top, bottom]}"
            raise ShapeError("needs more padding on one side than on the other to keep the size", "padding", help)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` [out, in/groups, *kernel_size] and `bias` [out], started as torch.nn's are."""
        shape = (self.out_channels, expect_channels(inputs[0]) // self.groups, *self.kernel_size)
        weight = Weight("weight", shape, TORCH_DEFAULT)
        if not self.bias:
            return (weight,)
        bound = prod(shape[1:]) ** -0.5
        return weight, Weight("bias", (self.out_channels,), Uniform(a=-bound, b=bound))

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight of a filter and output element; the bias is not counted."""
        return output.elements() * (expect_channels(inputs[0]) // self.groups) * prod(self.kernel_size)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The dilated kernel."""
        return dict(enumerate(dilated_windows(self.kernel_size, self.stride, self.dilation), 2))

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The channels of the input."""
        return {"channels": expect_channels(inputs[0])}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Conv."""
        return b.emit(
            "Conv",
            [*x, *b.own("weight", "bias")],
            b.output,
            kernel_shape=self.kernel_size,
            strides=self.stride,
            pads=(*self.pads, *self.pads),
            dilations=self.dilation,
            group=self.groups,
        )


def dilated_windows(
    kernel_size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Iterator[Window]:
    """What a sliding window sees along each axis."""
    for kernel, step, spread in zip(kernel_size, stride, dilation, strict=True):
        yield Window(spread * (kernel - 1) + 1, step)


class Conv2d(Convolution):
    """Two-dimensional cross-correlation with a learned kernel.

    Shapes: x [N, C_in, H, W] -> [N, out_channels, H', W'], where
        H' = (H + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    `padding: same` keeps the size, at stride 1.
    Units: lengths in pixels.
    Source: torch.nn.Conv2d; ONNX Conv-11.
    """

    word = "conv2d"
    axes = 2
    kernel_size: PositivePair
    stride: PositivePair = (1, 1)
    padding: PaddingPair = (0, 0)
    dilation: PositivePair = (1, 1)
    examples = cases(
        {"out_channels": 4, "kernel_size": 3},
        {"out_channels": 4, "kernel_size": [1, 5], "stride": [2, 1], "padding": [0, 2]},
        {"out_channels": 12, "kernel_size": 3, "groups": 3, "padding": 1, "bias": False},
        {"out_channels": 6, "kernel_size": 3, "groups": 6, "dilation": [2, 3], "padding": [1, 3]},
        {"out_channels": 4, "kernel_size": [3, 2], "dilation": [1, 2], "padding": "same"},
    )

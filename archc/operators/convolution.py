"""Convolution."""

from typing import Annotated, Literal

from pydantic import Discriminator, Tag, WithJsonSchema

from archc.ir.initializers import TORCH_DEFAULT, Uniform
from archc.ir.operator import (
    NonNegativePair,
    Operator,
    Positive,
    PositivePair,
    ShapeError,
    Weight,
    Window,
    expect_channels,
    expect_declared,
    expect_rank,
    pair_schema,
)  # fmt: skip
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
    return "same" if isinstance(value, str) else "pair"


# The kind is chosen by what was written, so that a mistake is told once.
Padding = Annotated[
    Annotated[NonNegativePair, Tag("pair")] | Annotated[Literal["same"], Tag("same")],
    Discriminator(_kind),
    WithJsonSchema({"anyOf": [*pair_schema(0), {"const": "same"}]}),
]


class Conv2d(Operator):
    """Two-dimensional cross-correlation with a learned kernel.

    Shapes: x [N, C_in, H, W] -> [N, out_channels, H', W'], where
        H' = (H + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    `padding: same` keeps the size, at stride 1.
    Units: lengths in pixels.
    Source: torch.nn.Conv2d; ONNX Conv-11.
    """

    word = "conv2d"
    tensors = ("weight", "bias")
    out_channels: Positive
    kernel_size: PositivePair
    stride: PositivePair = (1, 1)
    padding: Padding = (0, 0)
    dilation: PositivePair = (1, 1)
    groups: Positive = 1
    bias: bool = True
    in_channels: Positive | None = None

    @property
    def pads(self) -> tuple[int, int]:
        """The pixels of zeros on each side, of the height and of the width."""
        if self.padding != "same":
            return self.padding
        height, width = (d * (k - 1) // 2 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return height, width

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, out_channels, H', W'].

        Raises ShapeError: channels dynamic or not divisible by groups, H' < 1, or `same` cannot be.
        """
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        if self.padding == "same":
            self._refuse_asymmetric()
        channels = expect_channels(x)
        expect_declared(self.in_channels, channels, "in_channels")
        for name, count in (("in_channels", channels), ("out_channels", self.out_channels)):
            if count % self.groups:
                raise ShapeError(f"{name} (={count}) must be divisible by groups (={self.groups})", "groups")
        height, width = (
            sliding_size(size, *window)
            for size, *window in zip(x.shape[2:], self.kernel_size, self.stride, self.pads, self.dilation, strict=True)
        )
        return x.with_shape(x.shape[0], self.out_channels, height, width)

    def _refuse_asymmetric(self) -> None:
        if self.stride != (1, 1):
            raise ShapeError("cannot keep the size ('same') with a stride", "padding", "write the padding as a number")
        if any(d * (k - 1) % 2 for d, k in zip(self.dilation, self.kernel_size, strict=True)):
            help = "write a pad before it, such as pad: {pad: [left, right, top, bottom]}"
            raise ShapeError("needs more padding on one side than on the other to keep the size", "padding", help)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` [out, in/groups, kh, kw] and `bias` [out], started as torch.nn.Conv2d does."""
        in_channels = expect_channels(inputs[0])
        shape = (self.out_channels, in_channels // self.groups, *self.kernel_size)
        weight = Weight("weight", shape, TORCH_DEFAULT)
        if not self.bias:
            return (weight,)
        bound = (shape[1] * shape[2] * shape[3]) ** -0.5
        return weight, Weight("bias", (self.out_channels,), Uniform(a=-bound, b=bound))

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight of a filter and output element; the bias is not counted."""
        kernel = self.kernel_size[0] * self.kernel_size[1]
        return output.elements() * (expect_channels(inputs[0]) // self.groups) * kernel

    def window(self, *inputs: TensorType) -> Window | None:
        """The dilated kernel."""
        extent = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        return Window((extent[0], extent[1]), self.stride)

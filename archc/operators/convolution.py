"""Convolutions, over any number of axes."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Discriminator, Tag, WithJsonSchema

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import (
    NonNegativePair,
    NonNegativeSingle,
    NonNegativeTriple,
    Positive,
    PositivePair,
    PositiveSingle,
    PositiveTriple,
    axes_schema,
)
from archc.ir.initializers import ONES, TORCH_DEFAULT, Uniform
from archc.ir.operator import (
    SIGNAL,
    VOLUME,
    Operator,
    ShapeError,
    Weight,
    Window,
    cases,
    expect,
    expect_channels,
    expect_declared,
    expect_rank,
    images,
)
from archc.ir.types import Dim, SymbolicDim, TensorType, smallest
from archc.operators._pad import padded
from archc.operators._standardization import Standardization

SIDES = ("left", "right", "top", "bottom", "front", "back")


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


def same_upper(size: Dim, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Pixels before and after an axis with which windows give ceil(size / stride) values, as TensorFlow's SAME does.

    Raises: ShapeError: they depend on a dynamic size.
    """
    extent = dilation * (kernel - 1) + 1
    if isinstance(size, SymbolicDim):
        message = f"has same_upper with a stride, which depends on the size, but {size} is dynamic"
        expect(stride == 1, message, "padding")
        total = extent - 1
    else:
        total = max(0, (-(-size // stride) - 1) * stride + extent - size)
    return total // 2, total - total // 2


def more_at_the_end(margins: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """How far the margin after each axis exceeds that before it, as PyTorch's pad takes it; nothing if it does not."""
    more = [after - before for before, after in reversed(margins)]
    return tuple([side for each in more for side in (0, each)]) if any(more) else ()


class Filters(Operator):
    """Learned filters over `axes` axes, each over a group of the channels; a subclass gives the number.

    Units: lengths in pixels.
    """

    axes: ClassVar[int]
    tensors: ClassVar[tuple[str, ...]] = ("weight", "bias")
    needs_output = False
    linear_axis = 1
    declares = "in_channels"

    out_channels: Positive
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | Literal["same", "same_upper"]
    dilation: tuple[int, ...]
    groups: Positive = 1
    bias: bool = True
    in_channels: Positive | None = None

    def channels(self, x: TensorType) -> int:
        """The channels of the input. Raises ShapeError: wrong rank, dynamic, or not divisible by groups."""
        expect_rank(x, self.axes + 2, images(self.axes))
        channels = expect_channels(x)
        expect_declared(self.in_channels, channels, "in_channels")
        for name, count in (("in_channels", channels), ("out_channels", self.out_channels)):
            if count % self.groups:
                raise ShapeError(f"{name} (={count}) must be divisible by groups (={self.groups})", "groups")
        return channels

    def started(self, weight: tuple[int, ...]) -> tuple[Weight, ...]:
        """`weight` of this shape and `bias` [out], started as torch.nn's are."""
        filters = Weight("weight", weight, TORCH_DEFAULT)
        bound = prod(weight[1:]) ** -0.5
        return (filters, Weight("bias", (self.out_channels,), Uniform(a=-bound, b=bound))) if self.bias else (filters,)

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The channels of the input, and for how many axes torch.nn's class is."""
        return {"channels": expect_channels(inputs[0]), "axes": self.axes}


def padding_kind(value: object) -> str:
    """The kind of padding that a value is."""
    return "same" if isinstance(value, str) else "sizes"


def padding_schema(axes: int, *words: str) -> WithJsonSchema:
    """Pixels along each axis, or one of these words."""
    return WithJsonSchema({"anyOf": [*axes_schema(0, axes), {"enum": list(words)}]})


_Sizes = TypeVar("_Sizes")
# The kind is chosen by what was written, so that a mistake is told once.
_Padding = Annotated[
    Annotated[_Sizes, Tag("sizes")] | Annotated[Literal["same", "same_upper"], Tag("same")],
    Discriminator(padding_kind),
]
PaddingSingle = Annotated[_Padding[NonNegativeSingle], padding_schema(1, "same", "same_upper")]
PaddingPair = Annotated[_Padding[NonNegativePair], padding_schema(2, "same", "same_upper")]
PaddingTriple = Annotated[_Padding[NonNegativeTriple], padding_schema(3, "same", "same_upper")]


class Convolution(Filters):
    """Cross-correlation with a learned kernel over `axes` axes; a subclass gives the number and the fields' types.

    Shapes: x [N, C_in, *S] -> [N, out_channels, *S'], where along each axis
        S' = (S + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    Units: lengths in pixels.
    Source: torch.nn.Conv1d, Conv2d, Conv3d; ONNX Conv-11.
    """

    torch = (
        "nn.Conv{axes}d({channels}, {out_channels}, {kernel_size}, stride={stride}, padding={pads}, "
        "dilation={dilation}, groups={groups}, bias={bias}, padding_mode={padding_mode})"
    )
    tensors = ("weight", "bias", "gain")
    padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros"
    standardize: Standardization | None = None

    @property
    def scaled_by(self) -> str | None:
        """Standardised filters have the same scale, whatever that of the weight."""
        if self.standardize is None:
            return "weight"
        return "gain" if self.standardize.gain else None

    @property
    def pads(self) -> tuple[int, ...]:
        """The pixels on each side, for each axis; those of `same_upper` depend on the size."""
        if self.padding == "same_upper":
            return (0,) * self.axes
        if self.padding != "same":
            return self.padding
        return tuple([d * (k - 1) // 2 for d, k in zip(self.dilation, self.kernel_size, strict=True)])

    def margins(self, x: TensorType) -> tuple[tuple[int, int], ...]:
        """The pixels before and after each axis of space. Raises ShapeError: they depend on a dynamic size."""
        if self.padding != "same_upper":
            return tuple(zip(self.pads, self.pads, strict=True))
        windows = zip(x.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True)
        return tuple([same_upper(*window) for window in windows])

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, out_channels, *S'].

        Raises ShapeError: channels dynamic or not divisible by groups, S' < 1, `same` cannot be, padding_mode would
        show more than there is, or a filter of one weight is standardised.
        """
        (x,) = inputs
        weights = self.channels(x) // self.groups * prod(self.kernel_size)
        message = "cannot standardize filters of one weight each, which differs from no other"
        expect(self.standardize is None or weights > 1, message, "standardize")
        if self.padding == "same":
            self._refuse_asymmetric()
        margins = self.margins(x)
        if self.padding_mode != "zeros":
            self._refuse_mode(x)
        sizes = [size + (before + after) for size, (before, after) in zip(x.shape[2:], margins, strict=True)]
        windows = zip(sizes, self.kernel_size, self.stride, (0,) * self.axes, self.dilation, strict=True)
        return x.with_shape(x.shape[0], self.out_channels, *[sliding_size(*window) for window in windows])

    def _refuse_mode(self, x: TensorType) -> None:
        mode = self.padding_mode
        expect(self.padding != "same_upper", f"has zeros at the edges by same_upper, not {mode}", "padding_mode")
        for size, amount in zip(x.shape[2:], self.pads, strict=True):
            limit = smallest(size) - (mode == "reflect")
            message = f"pads {amount} pixels, and of {size} the padding_mode {mode} shows {limit}"
            expect(mode == "replicate" or amount <= limit, message, "padding")

    def _refuse_asymmetric(self) -> None:
        if any(step != 1 for step in self.stride):
            help = "write the padding as a number, or 'same_upper', which gives ceil(size / stride)"
            raise ShapeError("cannot keep the size ('same') with a stride", "padding", help)
        if any(d * (k - 1) % 2 for d, k in zip(self.dilation, self.kernel_size, strict=True)):
            sides = ", ".join(SIDES[: 2 * self.axes])
            help = f"write a pad before it, such as pad: {{pad: [{sides}]}}"
            raise ShapeError("needs more padding on one side than on the other to keep the size", "padding", help)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` [out, in/groups, *kernel_size] and `bias` [out], started as torch.nn's are; `gain` [out, 1, …]."""
        filters = self.started((self.out_channels, expect_channels(inputs[0]) // self.groups, *self.kernel_size))
        if self.standardize is None or not self.standardize.gain:
            return filters
        return *filters, Weight("gain", (self.out_channels, *[1] * (self.axes + 1)), ONES)

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight of a filter and output element; the bias is not counted."""
        return output.elements() * (expect_channels(inputs[0]) // self.groups) * prod(self.kernel_size)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The dilated kernel."""
        return dict(enumerate(dilated_windows(self.kernel_size, self.stride, self.dilation), 2))

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """torch.nn's module, or one that pads one side more than the other, or that standardises its filters."""
        source = super().torch_source(inputs, variables, own)
        sides = more_at_the_end(self.margins(inputs[0]))
        if (how := self.standardize) is not None:
            first = f"({how.eps}, {how.gamma if how.gain else None}, {sides}, "
            return source.replace("nn.", "layers.Standardized", 1).replace("(", first, 1)
        return source.replace("nn.", "layers.Padded", 1).replace("(", f"({sides}, ", 1) if sides else source

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The pixels of padding on both sides; at the end there may be more."""
        pads = tuple([before for before, _ in self.margins(inputs[0])])
        return {**super().torch_values(*inputs), "pads": pads}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Conv, behind a Pad if it pads with anything but zeros; a pass has folded the standardisation."""
        assert self.standardize is None, "the filters are plain"
        before, after = zip(*self.margins(x[0].type), strict=True)
        if self.padding_mode != "zeros":
            x = (padded(b, x[0], (0, 0, *before), (0, 0, *after), self.padding_mode),)
            before = after = (0,) * self.axes
        return b.emit(
            "Conv",
            [*x, *b.own("weight", "bias")],
            b.output,
            kernel_shape=self.kernel_size,
            strides=self.stride,
            pads=(*before, *after),
            dilations=self.dilation,
            group=self.groups,
        )


def dilated_windows(
    kernel_size: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Iterator[Window]:
    """What a sliding window sees along each axis."""
    for kernel, step, spread in zip(kernel_size, stride, dilation, strict=True):
        yield Window(spread * (kernel - 1) + 1, step)


class Conv1d(Convolution):
    """One-dimensional cross-correlation with a learned kernel.

    Shapes: x [N, C_in, L] -> [N, out_channels, L'], where
        L' = (L + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    `padding: same` keeps the length, at stride 1; `same_upper` gives ceil(L / stride), as TensorFlow does.
    `standardize` brings each filter to mean 0 and variance 1, as timm's StdConv2d; with `gain` as its ScaledStdConv2d.
    Source: torch.nn.Conv1d; ONNX Conv-11.
    """

    word = "conv1d"
    axes = 1
    kernel_size: PositiveSingle
    stride: PositiveSingle = (1,)
    padding: PaddingSingle = (0,)
    dilation: PositiveSingle = (1,)
    examples = cases(
        {"out_channels": 4, "kernel_size": 3},
        {"out_channels": 6, "kernel_size": 5, "stride": 3, "padding": 2, "groups": 2, "bias": False},
        {"out_channels": 4, "kernel_size": 3, "dilation": 3, "padding": "same"},
        {"out_channels": 4, "kernel_size": 3, "stride": 2, "padding": "same_upper"},
        {"out_channels": 4, "kernel_size": 3, "standardize": {"gain": True}},
        on=[SIGNAL],
    )


class Conv2d(Convolution):
    """Two-dimensional cross-correlation with a learned kernel.

    Shapes: x [N, C_in, H, W] -> [N, out_channels, H', W'], where
        H' = (H + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    `padding: same` keeps the size, at stride 1; `same_upper` gives ceil(size / stride), as TensorFlow does.
    `standardize` brings each filter to mean 0 and variance 1, as timm's StdConv2d; with `gain` as its ScaledStdConv2d.
    Units: lengths in pixels.
    Source: torch.nn.Conv2d; ONNX Conv-11.
    """

    word = "conv2d"
    elsewhere = ("conv", "convolution")
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
        {"out_channels": 4, "kernel_size": [3, 2], "stride": 2, "padding": "same_upper"},
        {"out_channels": 4, "kernel_size": 5, "stride": 2, "padding": "same_upper"},
        {"out_channels": 4, "kernel_size": 3, "padding": [1, 2], "padding_mode": "reflect"},
        {"out_channels": 4, "kernel_size": 3, "padding": 1, "padding_mode": "replicate"},
        {"out_channels": 4, "kernel_size": 3, "padding": [2, 1], "padding_mode": "circular"},
        {"out_channels": 4, "kernel_size": 3, "standardize": {}},
        {
            "out_channels": 4,
            "kernel_size": 3,
            "groups": 2,
            "stride": 2,
            "padding": "same_upper",
            "bias": False,
            "standardize": {"eps": 0.01, "gain": True, "gamma": 1.5},
        },
    )


class Conv3d(Convolution):
    """Three-dimensional cross-correlation with a learned kernel.

    Shapes: x [N, C_in, D, H, W] -> [N, out_channels, D', H', W'], where
        D' = (D + 2*padding - dilation*(kernel_size - 1) - 1) // stride + 1
    `padding: same` keeps the size, at stride 1; `same_upper` gives ceil(size / stride), as TensorFlow does.
    `standardize` brings each filter to mean 0 and variance 1, as timm's StdConv2d; with `gain` as its ScaledStdConv2d.
    Source: torch.nn.Conv3d; ONNX Conv-11.
    """

    word = "conv3d"
    axes = 3
    kernel_size: PositiveTriple
    stride: PositiveTriple = (1, 1, 1)
    padding: PaddingTriple = (0, 0, 0)
    dilation: PositiveTriple = (1, 1, 1)
    examples = cases(
        {"out_channels": 4, "kernel_size": 2},
        {"out_channels": 4, "kernel_size": [1, 2, 3], "stride": [1, 2, 1], "padding": [0, 1, 1], "groups": 2},
        {"out_channels": 3, "kernel_size": [3, 1, 2], "dilation": [1, 1, 2], "padding": "same", "bias": False},
        {"out_channels": 3, "kernel_size": [3, 1, 2], "standardize": {"gain": True}},
        on=[VOLUME],
    )

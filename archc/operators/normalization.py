"""Normalisations."""

from collections.abc import Mapping, Sequence
from math import log
from typing import Annotated, ClassVar

from pydantic import Field

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import MAX_NUMBER, Number, Positive, PositiveNumber
from archc.ir.initializers import ONES, ZEROS
from archc.ir.operator import (
    IMAGE,
    TOKENS,
    VECTOR,
    WHOLE,
    Operator,
    ShapeError,
    Weight,
    Window,
    cases,
    expect,
    expect_channels,
    expect_declared,
    images,
)
from archc.ir.types import TensorType
from archc.operators._reshape import group_size, product, reshape, reshape_like

LEAST_FACTOR = 1e-30  # of an LRN: a smaller one may be 0 as a float32

LARGEST_WINDOW = 255
"""Channels of a local response norm that are always accepted; PyTorch pads with that many planes."""


def _affine(shape: tuple[int, ...]) -> tuple[Weight, Weight]:
    return Weight("weight", shape, ONES), Weight("bias", shape, ZEROS)


def _scale(b: Emitter, size: object) -> OnnxTensor:
    """The norm's own weight, or as many ones."""
    own = b.own("weight")
    return own[0] if own else b.constant("scale", [1.0] * int(str(size)))


class _ChannelNorm(Operator):
    """A norm with one weight and bias for each channel, over as many axes of space as `spaces` lists."""

    normalizes = True
    tensors: ClassVar[tuple[str, ...]] = ("weight", "bias")
    spaces: ClassVar[tuple[int, ...]]

    def _channels(self, x: TensorType, declared: int | None, field: str) -> int:
        if x.ndim - 2 not in self.spaces:
            accepted = " or ".join(images(ndim) if ndim else "[N, C]" for ndim in self.spaces)
            raise ShapeError(f"expects {accepted}, received {x}")
        channels = expect_channels(x)
        expect_declared(declared, channels, field)
        return channels


class BatchNorm(_ChannelNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel; statistics of the batch in training, else running ones.

    Shapes: x [N, C, H, W] or [N, C] -> the same.
    Source: torch.nn.BatchNorm2d, BatchNorm1d; ONNX BatchNormalization-15.
    """

    word = "batch_norm"
    elsewhere = ("bn",)
    tensors = ("weight", "bias", "running_mean", "running_var")
    torch = "nn.BatchNorm{axes}d({channels}, {eps}, {momentum}, {affine})"
    needs_output = False
    tracks_statistics = True
    spaces = (2, 0)
    eps: PositiveNumber = 1e-5
    momentum: Annotated[float, Field(ge=0, le=1)] | None = 0.1
    affine: bool = True
    num_features: Positive | None = None
    examples = (
        *cases({}, {"eps": 0.1}, {"affine": False, "momentum": None}, on=[IMAGE]),
        *cases({}, {"affine": False}, on=[VECTOR]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, dynamic channels, or not the declared num_features."""
        self._channels(inputs[0], self.num_features, "num_features")
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight`, `bias` and the running statistics."""
        shape = (expect_channels(inputs[0]),)
        return (
            *(_affine(shape) if self.affine else ()),
            Weight("running_mean", shape, ZEROS, buffer=True),
            Weight("running_var", shape, ONES, buffer=True),
            Weight("num_batches_tracked", (), ZEROS, dtype=INT64, buffer=True),
        )

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The channels, and for how many axes torch.nn's class is; vectors count as one."""
        return {"channels": expect_channels(inputs[0]), "axes": max(1, inputs[0].ndim - 2)}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """BatchNormalization."""
        channels = b.output.shape[1]
        scale = _scale(b, channels)
        shift = b.own("bias") or [b.constant("shift", [0.0] * int(str(channels)))]
        statistics = b.own("running_mean", "running_var")
        return b.emit("BatchNormalization", [*x, scale, *shift, *statistics], b.output, epsilon=self.eps)


class GroupNorm(_ChannelNorm):
    """Normalises each image over groups of channels and all pixels.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.GroupNorm; Wu and He 2018.
    """

    word = "group_norm"
    torch = "layers.GroupNorm({num_groups}, {channels}, {eps}, {affine})"
    spaces = (2,)
    num_groups: Positive
    eps: PositiveNumber = 1e-5
    affine: bool = True
    num_channels: Positive | None = None
    examples = cases({"num_groups": 1}, {"num_groups": 3, "eps": 0.1}, {"num_groups": 6, "affine": False})

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or channels dynamic or not divisible by num_groups."""
        channels = self._channels(inputs[0], self.num_channels, "num_channels")
        message = f"channels (={channels}) must be divisible by num_groups (={self.num_groups})"
        expect(channels % self.num_groups == 0, message, "num_groups")
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` and `bias` per channel."""
        return _affine((expect_channels(inputs[0]),)) if self.affine else ()

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All pixels."""
        return dict.fromkeys(range(2, x.ndim), WHOLE)

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The channels."""
        return {"channels": expect_channels(inputs[0])}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Normalises each group as one row of a layer norm, then scales the channels.

        Not as a channel of an instance norm, whose sums ONNX Runtime makes in float32, one value after the other: where
        the mean outweighs the deviation, as after a softmax, its error is thirty times PyTorch's.
        """
        grouped = b.output.with_shape(b.output.shape[0], self.num_groups, group_size(b.output, self.num_groups))
        y = reshape(b, x[0], grouped, "grouped")
        y = b.emit("LayerNormalization", [y, _ones(b, y)], grouped, axis=-1, epsilon=self.eps)
        y = reshape_like(b, y, x[0])
        if not self.affine:
            return y
        y = b.emit("Mul", [y, b.per_channel("weight")], b.output)
        return b.emit("Add", [y, b.per_channel("bias")], b.output)


def _ones(b: Emitter, x: OnnxTensor) -> OnnxTensor:
    """A vector of ones, as many as the last axis has."""
    size = x.type.shape[-1]
    if isinstance(size, int):
        return b.ones(b.constant("scale", [size], INT64), size)
    return b.ones(b.emit("Shape", [x], TensorType((1,), INT64), start=x.type.ndim - 1), size)


class LayerNorm(Operator):
    """Normalises over the last axis.

    Shapes: x [N, ..., C] -> the same.
    Source: torch.nn.LayerNorm; ONNX LayerNormalization-17.
    """

    word = "layer_norm"
    elsewhere = ("ln",)
    tensors = ("weight", "bias")
    torch = "nn.LayerNorm({features}, {eps}, {elementwise_affine}, {bias})"
    normalizes = True
    eps: PositiveNumber = 1e-5
    elementwise_affine: bool = True
    bias: bool = True
    normalized_shape: Positive | None = None
    examples = (
        *cases({}, {"eps": 0.1, "bias": False}, {"elementwise_affine": False}, on=[TOKENS]),
        *cases({}, on=[IMAGE]),
        *cases({}, on=[VECTOR]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: no fixed last axis, or not the declared normalized_shape."""
        (x,) = inputs
        expect(x.ndim >= 2 and isinstance(x.shape[-1], int), f"needs a last axis of fixed size, received {x}")
        expect_declared(self.normalized_shape, x.shape[-1], "normalized_shape")
        return x

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` and `bias` of the last axis."""
        if not self.elementwise_affine:
            return ()
        size = inputs[0].shape[-1]
        assert isinstance(size, int), "infer refuses a dynamic last axis"
        return _affine((size,))[: 2 if self.bias else 1]

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of the last axis."""
        return {x.ndim - 1: WHOLE}

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The size of the last axis."""
        return {"features": inputs[0].shape[-1]}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """LayerNormalization."""
        inputs = [*x, _scale(b, b.output.shape[-1]), *b.own("bias")]
        return b.emit("LayerNormalization", inputs, b.output, axis=-1, epsilon=self.eps)


class LocalResponseNorm(Operator):
    """x / (k + alpha / size * sum of squares over `size` neighbouring channels) ** beta.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.LocalResponseNorm; Krizhevsky et al. 2012, section 3.3 (whose alpha is not divided by size).
    """

    word = "local_response_norm"
    elsewhere = ("lrn",)
    torch = "layers.LocalResponseNorm({size}, {alpha}, {beta}, {k})"
    size: Positive
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0
    examples = cases(
        {"size": 5, "alpha": 0.5},
        {"size": 4, "alpha": 0.5},
        {"size": 6, "alpha": 0.5},
        {"size": 1, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 2, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 2.5},
        {"size": 9, "alpha": 1.0},
        {"size": 3, "alpha": 0.5, "beta": -0.5},
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or a window of more channels than any image of this size has."""
        (x,) = inputs
        if x.ndim != 4:
            raise ShapeError(f"expects {images(2)}, received {x}")
        most = max(2 * expect_channels(x) + 1, LARGEST_WINDOW)
        expect(self.size <= most, f"size (={self.size}) must be at most {most}, which reaches every channel", "size")
        if self.k > 0:
            size = abs(self.beta * log(self.k))
            expect(size < log(MAX_NUMBER), f"k ** -beta (={self.k} ** -{self.beta}) must be a float32", "beta")
        return x

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """LRN where it can be; else what it computes, spelled out.

        ONNX centres an even window on the other side than PyTorch, and runtimes refuse an alpha or beta of 0 or less. A
        fractional k is taken out of the brackets, because OpenVINO rounds it down:
        (k + a) ** -beta = k ** -beta * (1 + a / k) ** -beta.
        """
        if self.size % 2 == 0 or min(self.alpha, self.beta) < LEAST_FACTOR:
            return self._spelled_out(b, x)
        if self.k > 0 and self.k % 1:
            y = b.emit("LRN", x, b.output, size=self.size, alpha=self.alpha / self.k, beta=self.beta, bias=1.0)
            return b.emit("Mul", [y, b.constant("factor", self.k**-self.beta)], b.output)
        return b.emit("LRN", x, b.output, size=self.size, alpha=self.alpha, beta=self.beta, bias=self.k)

    def _spelled_out(self, b: Emitter, x: Sequence[OnnxTensor]) -> OnnxTensor:
        batch, channels, *space = b.output.shape
        column = b.output.with_shape(batch, 1, channels, product(space))
        squares = reshape(b, b.emit("Mul", [*x, *x], b.output), column, "column")
        means = b.emit(
            "AveragePool",
            [squares],
            column,
            kernel_shape=(self.size, 1),
            pads=(self.size // 2, 0, (self.size - 1) // 2, 0),
            count_include_pad=1,
        )
        means = reshape_like(b, means, x[0])
        scaled = b.emit("Mul", [means, b.constant("alpha", self.alpha)], b.output)
        shifted = b.emit("Add", [scaled, b.constant("k", self.k)], b.output)
        return b.emit("Div", [*x, b.emit("Pow", [shifted, b.constant("beta", self.beta)], b.output)], b.output)

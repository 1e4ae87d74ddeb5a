"""Norms over pixels, with a weight and a bias for each channel."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Positive, PositiveNumber
from archc.ir.initializers import ONES, ZEROS
from archc.ir.operator import (
    IMAGE,
    SIGNAL,
    VECTOR,
    VOLUME,
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
from archc.ir.types import TensorType, smallest
from archc.operators._reshape import group_size, reshape, reshape_like

MOST_AXES = 3  # of space


def affine(shape: tuple[int, ...]) -> tuple[Weight, Weight]:
    """The weight and bias of a norm."""
    return Weight("weight", shape, ONES), Weight("bias", shape, ZEROS)


def scale(b: Emitter, size: object) -> OnnxTensor:
    """The norm's own weight, or as many ones."""
    own = b.own("weight")
    return own[0] if own else b.constant("scale", [1.0] * int(str(size)))


class _ChannelNorm(Operator):
    """A norm with one weight and bias for each channel."""

    normalizes = True
    tensors: ClassVar[tuple[str, ...]] = ("weight", "bias")
    fewest_axes: ClassVar[int] = 0
    """Of space."""

    def _channels(self, x: TensorType, declared: int | None, field: str) -> int:
        if not self.fewest_axes <= x.ndim - 2 <= MOST_AXES:
            *accepted, last = (images(axes) if axes else "[N, C]" for axes in range(self.fewest_axes, MOST_AXES + 1))
            raise ShapeError(f"expects {', '.join(accepted)} or {last}, received {x}")
        channels = expect_channels(x)
        expect_declared(declared, channels, field)
        return channels


class BatchNorm(_ChannelNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel; statistics of the batch in training, else running ones.

    Shapes: x [N, C] or [N, C, ...] with up to three axes of space -> the same.
    Source: torch.nn.BatchNorm1d, BatchNorm2d, BatchNorm3d; ONNX BatchNormalization-15.
    """

    word = "batch_norm"
    elsewhere = ("bn",)
    tensors = ("weight", "bias", "running_mean", "running_var")
    torch = "nn.BatchNorm{axes}d({channels}, {eps}, {momentum}, {affine})"
    needs_output = False
    tracks_statistics = True
    not_short_for = declares = "num_features"
    eps: PositiveNumber = 1e-5
    momentum: Annotated[float, Field(ge=0, le=1)] | None = 0.1
    affine: bool = True
    num_features: Positive | None = None
    examples = (
        *cases({}, {"eps": 0.1}, {"affine": False, "momentum": None}, on=[IMAGE]),
        *cases({}, {"affine": False}, on=[VECTOR]),
        *cases({}, on=[SIGNAL]),
        *cases({}, on=[VOLUME]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, dynamic channels, or not the declared num_features."""
        self._channels(inputs[0], self.num_features, "num_features")
        return inputs[0]

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight`, `bias` and the running statistics."""
        shape = (expect_channels(inputs[0]),)
        return (
            *(affine(shape) if self.affine else ()),
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
        factors = scale(b, channels)
        shift = b.own("bias") or [b.constant("shift", [0.0] * int(str(channels)))]
        statistics = b.own("running_mean", "running_var")
        return b.emit("BatchNormalization", [*x, factors, *shift, *statistics], b.output, epsilon=self.eps)


class _GroupedNorm(_ChannelNorm):
    """A norm of each image over groups of channels and all pixels."""

    if TYPE_CHECKING:  # the subclasses' fields, in their own order
        eps: PositiveNumber
        affine: bool

    def groups(self, channels: int) -> int:
        """The number of groups."""
        raise NotImplementedError

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` and `bias` per channel."""
        return affine((expect_channels(inputs[0]),)) if self.affine else ()

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
        groups = self.groups(expect_channels(b.output))
        grouped = b.output.with_shape(b.output.shape[0], groups, group_size(b.output, groups))
        y = reshape(b, x[0], grouped, "grouped")
        y = b.emit("LayerNormalization", [y, _ones(b, y)], grouped, axis=-1, epsilon=self.eps)
        y = reshape_like(b, y, x[0])
        if not self.affine:
            return y
        y = b.emit("Mul", [y, b.per_channel("weight")], b.output)
        return b.emit("Add", [y, b.per_channel("bias")], b.output)


class GroupNorm(_GroupedNorm):
    """Normalises each image over groups of channels and all pixels.

    Shapes: x [N, C] or [N, C, ...] with up to three axes of space -> the same.
    Source: torch.nn.GroupNorm; Wu and He 2018.
    """

    word = "group_norm"
    torch = "layers.GroupNorm({num_groups}, {channels}, {eps}, {affine})"
    declares = "num_channels"
    num_groups: Positive
    eps: PositiveNumber = 1e-5
    affine: bool = True
    num_channels: Positive | None = None
    examples = (
        *cases({"num_groups": 1}, {"num_groups": 3, "eps": 0.1}, {"num_groups": 6, "affine": False}),
        *cases({"num_groups": 3}, on=[SIGNAL]),
        *cases({"num_groups": 2}, on=[VOLUME]),
        *cases({"num_groups": 2}, on=[VECTOR]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or channels dynamic or not divisible by num_groups."""
        channels = self._channels(inputs[0], self.num_channels, "num_channels")
        message = f"channels (={channels}) must be divisible by num_groups (={self.num_groups})"
        expect(channels % self.num_groups == 0, message, "num_groups")
        return inputs[0]

    def groups(self, channels: int) -> int:
        """The field num_groups."""
        return self.num_groups


class InstanceNorm(_GroupedNorm):
    """Normalises each channel of each image over all pixels, in training and at inference alike.

    Statistics of all images (`track_running_stats: true`) are not supported.

    Shapes: x [N, C, ...] with up to three axes of space -> the same.
    Source: torch.nn.InstanceNorm1d, InstanceNorm2d, InstanceNorm3d; Ulyanov et al. 2016, arXiv:1607.08022.
    """

    word = "instance_norm"
    elsewhere = ("in",)
    torch = "layers.InstanceNorm({channels}, {eps}, affine={affine})"
    fewest_axes = 1
    not_short_for = declares = "num_features"
    eps: PositiveNumber = 1e-5
    affine: bool = False
    track_running_stats: bool = False
    num_features: Positive | None = None
    examples = (
        *cases({}, {"eps": 0.1, "affine": True}),
        *cases({"affine": True}, on=[SIGNAL]),
        *cases({"affine": True}, on=[VOLUME]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, dynamic channels, a single pixel, or statistics to be tracked."""
        (x,) = inputs
        self._channels(x, self.num_features, "num_features")
        help = "leave it out, or use batch_norm, which tracks statistics"
        expect(not self.track_running_stats, "cannot track statistics of all images", "track_running_stats", help)
        expect(prod(map(smallest, x.shape[2:])) > 1, f"normalises over all pixels, and {x} can have a single one")
        return x

    def groups(self, channels: int) -> int:
        """One for each channel."""
        return channels


def _ones(b: Emitter, x: OnnxTensor) -> OnnxTensor:
    """A vector of ones, as many as the last axis has."""
    size = x.type.shape[-1]
    if isinstance(size, int):
        return b.ones(b.constant("scale", [size], INT64), size)
    return b.ones(b.emit("Shape", [x], TensorType((1,), INT64), start=x.type.ndim - 1), size)

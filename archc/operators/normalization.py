"""Normalisations."""

from typing import Annotated

from pydantic import Field

from archc.ir.initializers import ONES, ZEROS
from archc.ir.operator import (
    Operator,
    Positive,
    ShapeError,
    Weight,
    Window,
    expect,
    expect_channels,
    expect_declared,
    expect_rank,
)  # fmt: skip
from archc.ir.types import TensorType

Epsilon = Annotated[float, Field(gt=0)]


def _affine(shape: tuple[int, ...]) -> tuple[Weight, Weight]:
    return Weight("weight", shape, ONES), Weight("bias", shape, ZEROS)


class BatchNorm(Operator):
    """(x - mean) / sqrt(var + eps) * weight + bias per channel; statistics of the batch in training, else running ones.

    Shapes: x [N, C, H, W] or [N, C] -> the same.
    Source: torch.nn.BatchNorm2d, BatchNorm1d; ONNX BatchNormalization-15.
    """

    word = "batch_norm"
    tensors = ("weight", "bias", "running_mean", "running_var")
    eps: Epsilon = 1e-5
    momentum: Annotated[float, Field(ge=0, le=1)] | None = 0.1
    affine: bool = True
    num_features: Positive | None = None

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, dynamic channels, or not the declared num_features."""
        (x,) = inputs
        if x.ndim not in (2, 4):
            raise ShapeError(f"expects [N, C, H, W] or [N, C], received {x}")
        expect_declared(self.num_features, expect_channels(x), "num_features")
        return x

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight`, `bias` and the running statistics."""
        shape = (expect_channels(inputs[0]),)
        return (
            *(_affine(shape) if self.affine else ()),
            Weight("running_mean", shape, ZEROS, buffer=True),
            Weight("running_var", shape, ONES, buffer=True),
            Weight("num_batches_tracked", (), ZEROS, dtype="int64", buffer=True),
        )


class GroupNorm(Operator):
    """Normalises each image over groups of channels and all pixels.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.GroupNorm; Wu and He 2018.
    """

    word = "group_norm"
    tensors = ("weight", "bias")
    num_groups: Positive
    eps: Epsilon = 1e-5
    affine: bool = True
    num_channels: Positive | None = None

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or channels dynamic or not divisible by num_groups."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        channels = expect_channels(x)
        expect_declared(self.num_channels, channels, "num_channels")
        expect(
            channels % self.num_groups == 0,
            f"channels (={channels}) must be divisible by num_groups (={self.num_groups})",
            "num_groups",
        )
        return x

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` and `bias` per channel."""
        return _affine((expect_channels(inputs[0]),)) if self.affine else ()

    def window(self, *inputs: TensorType) -> Window | None:
        """The whole image."""
        return None


class LayerNorm(Operator):
    """Normalises over the last axis.

    Shapes: x [N, ..., C] -> the same.
    Source: torch.nn.LayerNorm; ONNX LayerNormalization-17.
    """

    word = "layer_norm"
    tensors = ("weight", "bias")
    eps: Epsilon = 1e-5
    elementwise_affine: bool = True
    bias: bool = True
    normalized_shape: Positive | None = None

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


class LocalResponseNorm(Operator):
    """x / (k + alpha / size * sum of squares over `size` neighbouring channels) ** beta.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.LocalResponseNorm; Krizhevsky et al. 2012, section 3.3 (whose alpha is not divided by size).
    """

    word = "local_response_norm"
    size: Positive
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        return x

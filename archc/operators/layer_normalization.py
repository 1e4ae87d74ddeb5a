"""Norms over one axis, at each position by itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Positive, PositiveNumber
from archc.ir.operator import (
    IMAGE,
    TOKENS,
    VECTOR,
    WHOLE,
    Operator,
    Weight,
    Window,
    cases,
    expect,
    expect_channels,
    expect_declared,
    expect_rank,
    images,
)
from archc.ir.types import TensorType
from archc.operators._reduce import mean
from archc.operators.normalization import affine, scale

FLOAT32_EPS = 2.0**-23


class _AxisNorm(Operator):
    """A norm over one axis, the last one unless a subclass says otherwise."""

    normalizes = True
    not_short_for = declares = "normalized_shape"
    axis: ClassVar[int] = -1
    if TYPE_CHECKING:  # the subclasses' fields, in their own order
        elementwise_affine: bool
        normalized_shape: Positive | None

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: no fixed last axis, or not the declared normalized_shape."""
        (x,) = inputs
        expect(x.ndim >= 2 and isinstance(x.shape[-1], int), f"needs a last axis of fixed size, received {x}")
        expect_declared(self.normalized_shape, x.shape[-1], "normalized_shape")
        return x

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` and `bias` of the axis."""
        if not self.elementwise_affine:
            return ()
        size = inputs[0].shape[self.axis]
        assert isinstance(size, int), "infer refuses a dynamic axis"
        return affine((size,))[: len(self.tensors) if getattr(self, "bias", True) else 1]

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of the axis."""
        return {self.axis % x.ndim: WHOLE}

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The size of the axis."""
        return {"features": inputs[0].shape[self.axis]}


class LayerNorm(_AxisNorm):
    """Normalises over the last axis.

    Shapes: x [N, ..., C] -> the same.
    Source: torch.nn.LayerNorm; ONNX LayerNormalization-17.
    """

    word = "layer_norm"
    elsewhere = ("ln",)
    tensors = ("weight", "bias")
    torch = "nn.LayerNorm({features}, {eps}, {elementwise_affine}, {bias})"
    eps: PositiveNumber = 1e-5
    elementwise_affine: bool = True
    bias: bool = True
    normalized_shape: Positive | None = None
    examples = (
        *cases({}, {"eps": 0.1, "bias": False}, {"elementwise_affine": False}, on=[TOKENS]),
        *cases({}, on=[IMAGE]),
        *cases({}, on=[VECTOR]),
    )

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """LayerNormalization."""
        inputs = [*x, scale(b, x[0].type.shape[-1]), *b.own("bias")]
        return b.emit("LayerNormalization", inputs, x[0].type, axis=-1, epsilon=self.eps)


class LayerNorm2d(LayerNorm):
    """Normalises over the channels of an image, at each pixel by itself.

    Shapes: x [N, C, H, W] -> the same; weight and bias [C].
    Source: torch.nn.LayerNorm between two permutations, as torchvision.models.convnext.LayerNorm2d.
    """

    word = "layer_norm2d"
    elsewhere = ("layernorm_channels_first",)
    torch = "layers.LayerNorm2d({features}, {eps}, {elementwise_affine}, {bias})"
    axis = 1
    examples = cases({}, {"eps": 0.1, "bias": False}, {"elementwise_affine": False})

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, dynamic channels, or not the declared normalized_shape."""
        (x,) = inputs
        expect_rank(x, 4, images(2))
        expect_declared(self.normalized_shape, expect_channels(x), "normalized_shape")
        return x

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """LayerNormalization between two transpositions."""
        batch, channels, height, width = b.output.shape
        last = b.output.with_shape(batch, height, width, channels)
        y = super().onnx(b, b.emit("Transpose", x, last, perm=(0, 2, 3, 1)))
        return b.emit("Transpose", [y], b.output, perm=(0, 3, 1, 2))


class RmsNorm(_AxisNorm):
    """x / sqrt(mean of x^2 + eps) * weight over the last axis. Without an eps it is that of float32, 2^-23.

    Shapes: x [N, ..., C] -> the same.
    Source: torch.nn.RMSNorm; Zhang and Sennrich 2019, arXiv:1910.07467; ONNX RMSNormalization-23.
    """

    word = "rms_norm"
    tensors = ("weight",)
    torch = "nn.RMSNorm({features}, {epsilon}, {elementwise_affine})"
    eps: PositiveNumber | None = None
    elementwise_affine: bool = True
    normalized_shape: Positive | None = None
    examples = (
        *cases({}, {"eps": 0.1, "elementwise_affine": False}, on=[TOKENS]),
        *cases({"eps": 1e-6}, on=[IMAGE]),
        *cases({}, on=[VECTOR]),
    )

    @property
    def epsilon(self) -> float:
        """The eps; PyTorch's default is that of the type of its input."""
        return FLOAT32_EPS if self.eps is None else self.eps

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The size of the axis, and the eps."""
        return {**super().torch_values(*inputs), "epsilon": self.epsilon}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """RMSNormalization from opset 23 on, which brought it; else spelled out."""
        if b.opset >= 23:
            inputs = [*x, scale(b, b.output.shape[-1])]
            return b.emit("RMSNormalization", inputs, b.output, axis=-1, epsilon=self.epsilon)
        square = mean(b, b.emit("Mul", [*x, *x], b.output), [b.output.ndim - 1], keepdim=True)
        shifted = b.emit("Add", [square, b.constant("eps", self.epsilon)], square.type)
        y = b.emit("Div", [*x, b.emit("Sqrt", [shifted], square.type)], b.output)
        weight = b.own("weight")
        return b.emit("Mul", [y, *weight], b.output) if weight else y

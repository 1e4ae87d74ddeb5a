"""Convolution, normalisation and activation in a row."""

from collections.abc import Mapping, Sequence
from typing import Any

from archc.blocks._block import Block, Expansion, Layer, LayerField, written_fields
from archc.ir.fields import NonNegativePair, Positive, PositivePair
from archc.ir.graph import Value
from archc.operators import is_operator, operator_model
from archc.operators.activation import Relu
from archc.operators.convolution import Conv2d
from archc.operators.normalization import BatchNorm


class Conv2dNormActivation(Block):
    """A convolution that keeps the size at stride 1, a norm and an activation, numbered 0, 1, 2.

    Shapes: x [N, C, H, W] -> [N, out_channels, H/stride, W/stride] for odd kernels.
    Source: torchvision.ops.Conv2dNormActivation, whose keys it has.
    """

    out_channels: Positive
    kernel_size: PositivePair = (3, 3)
    stride: PositivePair = (1, 1)
    padding: NonNegativePair | None = None
    dilation: PositivePair = (1, 1)
    groups: Positive = 1
    bias: bool = False
    norm: LayerField = Layer(BatchNorm.word)
    activation: LayerField = Layer(Relu.word)
    numbered = True

    @classmethod
    def recognized(cls, layers: Sequence[Layer]) -> Mapping[str, Any] | None:
        """A convolution, and one or two layers behind it."""
        if not 2 <= len(layers) <= 3 or layers[0].word != Conv2d.word or not _normalizes(layers[1]):
            return None
        fields = {"bias": True, **layers[0].fields}
        kernel, dilation, padding = fields["kernel_size"], fields.get("dilation", 1), fields.pop("padding", 0)
        if not isinstance(kernel, int) or not isinstance(dilation, int) or fields.keys() - cls.model_fields.keys():
            return None
        if padding != dilation * (kernel - 1) // 2:
            fields["padding"] = padding
        norm, activation = (layers[1].written, layers[2].written if len(layers) == 3 else "none")
        return written_fields(cls, {**fields, "norm": norm, "activation": activation})

    def expand(self, g: Expansion, x: Value) -> Value:
        """conv-norm-activation; `none` leaves the norm or activation out."""
        height, width = (d * (k - 1) // 2 for d, k in zip(self.dilation, self.kernel_size, strict=True))
        conv = Conv2d(
            out_channels=self.out_channels,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding or (height, width),
            dilation=self.dilation,
            groups=self.groups,
            bias=self.bias,
        )
        return g(self.activation, g(self.norm, g(conv, x)))


def _normalizes(layer: Layer) -> bool:
    return is_operator(layer.word) and operator_model(layer.word).normalizes

"""Convolution, normalisation and activation in a row."""

from archc.blocks._block import Block, Expansion, Layer, LayerField
from archc.ir.fields import NonNegativePair, Positive, PositivePair
from archc.ir.graph import Value
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

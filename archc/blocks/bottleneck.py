"""The residual block of a 3x3 convolution between two 1x1 convolutions."""

from typing import Literal

from archc.blocks._block import Expansion
from archc.blocks._convolution import convolution
from archc.blocks._residual import ResidualBlock
from archc.ir.fields import Positive
from archc.ir.graph import Value


class Bottleneck(ResidualBlock):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the last widens by `expansion`.

    The stride is on the 3x3 convolution (ResNet v1.5, as torchvision), or on the first 1x1 as published (v1) with
    `stride_at: conv1`. `groups` and `width_per_group` make it a ResNeXt or a wide block; `dilation` is that of the
    3x3 convolution, in place of a stride where the size is to be kept.

    Shapes: x [N, C, H, W] -> [N, expansion * width, H/stride, W/stride].
    Source: He et al. 2015, arXiv:1512.03385, figure 5 (right); Xie et al. 2016, arXiv:1611.05431; key names as in
    torchvision's Bottleneck.
    """

    expansion: Positive = 4
    stride_at: Literal["conv1", "conv2"] = "conv2"
    dilation: Positive = 1

    @classmethod
    def shape(cls) -> tuple[int, int]:
        """Three convolutions, of which the last is four times as wide."""
        return (3, 4)

    def expand(self, g: Expansion, x: Value) -> Value:
        """Three times conv-norm, activations between, then the sum and the last activation."""
        first, second = (self.stride, 1) if self.stride_at == "conv1" else (1, self.stride)
        inner, bias = self.inner_width, self.bias
        y = g(convolution(inner, 1, stride=first, bias=bias), x, name="conv1")
        y = g(self.norm, y, name="bn1")
        y = g(self.activation, y)
        middle = convolution(inner, 3, stride=second, dilation=self.dilation, groups=self.groups, bias=bias)
        y = g(middle, y, name="conv2")
        y = g(self.norm, y, name="bn2")
        y = g(self.activation, y)
        y = g(convolution(self.expansion * self.width, 1, bias=bias), y, name="conv3")
        y = g(self.norm, y, name="bn3")
        return self.join(g, x, y)

"""The residual block of two 3x3 convolutions."""

from archc.blocks._block import Expansion
from archc.blocks._convolution import convolution
from archc.blocks._residual import ResidualBlock
from archc.ir.graph import Value


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions beside a shortcut.

    Shapes: x [N, C, H, W] -> [N, width, H/stride, W/stride].
    Source: He et al. 2015, arXiv:1512.03385, figure 5 (left); key names as in torchvision's BasicBlock.
    """

    @classmethod
    def shape(cls) -> tuple[int, int]:
        """Two convolutions as wide as each other."""
        return (2, 1)

    def expand(self, g: Expansion, x: Value) -> Value:
        """conv-norm-activation, conv-norm, then the sum and the last activation."""
        wide, bias = self.inner_width, self.bias
        y = g(convolution(wide, 3, stride=self.stride, groups=self.groups, bias=bias), x, name="conv1")
        y = g(self.norm, y, name="bn1")
        y = g(self.activation, y)
        y = g(convolution(self.width, 3, groups=self.groups, bias=bias), y, name="conv2")
        y = g(self.norm, y, name="bn2")
        return self.join(g, x, y)

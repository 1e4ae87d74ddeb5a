"""The residual block of two 3x3 convolutions."""

from archc.blocks._block import Expansion
from archc.blocks._residual import ResidualBlock
from archc.ir.graph import Value


class BasicBlock(ResidualBlock):
    """Two 3x3 convolutions beside a shortcut.

    Shapes: x [N, C, H, W] -> [N, width, H/stride, W/stride].
    Source: He et al. 2015, arXiv:1512.03385, figure 5 (left); key names as in torchvision's BasicBlock.
    """

    def expand(self, g: Expansion, x: Value) -> Value:
        """conv-norm-activation, conv-norm, then the sum and the last activation."""
        y = g(self.conv(self.inner_width, 3, self.stride, self.groups), x, name="conv1")
        y = g(self.norm, y, name="bn1")
        y = g(self.activation, y)
        y = g(self.conv(self.width, 3, groups=self.groups), y, name="conv2")
        y = g(self.norm, y, name="bn2")
        return self.join(g, x, y)

"""Channel attention."""

from collections.abc import Mapping, Sequence
from typing import Any

from archc.blocks._block import Block, Expansion, Layer, LayerField, written_fields
from archc.blocks._convolution import convolution
from archc.ir.fields import Positive
from archc.ir.graph import Value
from archc.ir.operator import expect_channels
from archc.operators.activation import Relu, Sigmoid
from archc.operators.adaptive_pooling import AdaptiveAvgPool2d
from archc.operators.join import Product


class SqueezeExcitation(Block):
    """Scales every channel by a gate computed from all channels' means.

    Shapes: x [N, C, H, W] -> the same.
    Source: Hu et al. 2017, arXiv:1709.01507, figure 1; key names as in torchvision.ops.SqueezeExcitation.
    """

    elsewhere = ("se", "se_block", "se_layer", "se_module", "squeeze_excite")
    squeeze_channels: Positive
    activation: LayerField = Layer(Relu.word)
    scale_activation: LayerField = Layer(Sigmoid.word)

    @classmethod
    def recognized(cls, layers: Sequence[Layer]) -> Mapping[str, Any] | None:
        """A mean, two convolutions with an activation behind each, and a product."""
        if len(layers) != 6 or layers[-1].word != Product.word or "out_channels" not in layers[1].fields:
            return None
        _, first, activation, _, scale, _ = layers
        known = {"activation": activation.written, "scale_activation": scale.written}
        return written_fields(cls, {"squeeze_channels": first.fields["out_channels"], **known})

    def expand(self, g: Expansion, x: Value) -> Value:
        """x * gate(x)."""
        channels = expect_channels(x.type)
        y = g(AdaptiveAvgPool2d(output_size=(1, 1)), x, name="avgpool")
        y = g(convolution(self.squeeze_channels, 1, bias=True), y, name="fc1")
        y = g(self.activation, y)
        y = g(convolution(channels, 1, bias=True), y, name="fc2")
        return g(Product(), x, g(self.scale_activation, y))

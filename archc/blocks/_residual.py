"""What the residual blocks of He et al. share: the fields, and the shortcut."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from archc.blocks._block import Block, Expansion, Layer, LayerField, written_fields
from archc.blocks._convolution import convolution
from archc.ir.fields import Positive
from archc.ir.graph import Value
from archc.ir.operator import ShapeError, expect_channels
from archc.operators.activation import Relu
from archc.operators.join import Sum
from archc.operators.normalization import BatchNorm


class ResidualBlock(Block):
    """Fields of a residual block; subclasses stack convolutions on the main path."""

    width: Positive
    stride: Positive = 1
    groups: Positive = 1
    width_per_group: Positive = 64
    shortcut: Literal["auto", "projection", "identity"] = "auto"
    norm: LayerField = Layer(BatchNorm.word)
    activation: LayerField = Layer(Relu.word)
    bias: bool = False

    @classmethod
    def recognized(cls, layers: Sequence[Layer]) -> Mapping[str, Any] | None:
        """Convolutions, each with a norm behind it and an activation between two; a shortcut; the sum."""
        count, expansion = cls.shape()
        if len(layers) not in (3 * count + 1, 3 * count + 3) or layers[-2].word != Sum.word:
            return None
        main: list[Mapping[str, Any]] = [layer.fields for layer in layers[: 3 * count : 3]]
        if not all("out_channels" in fields for fields in main):
            return None
        width, inner = main[-1]["out_channels"] // expansion, main[0]["out_channels"]
        groups, stride = main[1].get("groups", 1), max(_first(fields.get("stride", 1)) for fields in main)
        known = {"width": width, "stride": stride, "groups": groups, "norm": layers[1].written}
        known |= {"width_per_group": inner * 64 // max(1, width * groups), "activation": layers[2].written}
        known["bias"] = main[0].get("bias", True)
        known |= {name: value for name, value in main[1].items() if name == "dilation" and name in cls.model_fields}
        projected, needed = len(layers) == 3 * count + 3, stride != 1
        return written_fields(cls, {**known, "shortcut": "auto" if projected or not needed else "identity"})

    @classmethod
    def shape(cls) -> tuple[int, int]:
        """How many convolutions the main path has, and by how much the last widens."""
        raise NotImplementedError

    @property
    def inner_width(self) -> int:
        """Channels of the grouped convolution: groups of width_per_group at width 64, in proportion at others.

        Source: Xie et al. 2016, arXiv:1611.05431, table 1.
        """
        inner = self.width * self.width_per_group // 64 * self.groups
        if inner == 0:
            raise ShapeError(
                f"width (={self.width}) and width_per_group (={self.width_per_group}) leave no channels",
                "width_per_group",
            )
        return inner

    def join(self, g: Expansion, x: Value, y: Value) -> Value:
        """activation(y + shortcut(x)), where the shortcut projects x to y's channels and size if it has to."""
        channels = expect_channels(y.type)
        return g(self.activation, g(Sum(), y, self._shortcut(g, x, channels)))

    def _shortcut(self, g: Expansion, x: Value, channels: int) -> Value:
        if self.shortcut == "identity" or (
            self.shortcut == "auto" and self.stride == 1 and x.type.shape[1] == channels
        ):
            return x
        with g.sequence("downsample"):
            return g(self.norm, g(convolution(channels, 1, stride=self.stride, bias=self.bias), x))


def _first(value: Any) -> int:
    return int(value[0] if isinstance(value, list) else value)

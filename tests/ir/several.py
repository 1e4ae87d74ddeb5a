"""Graphs that the language has no words for yet: several inputs, nodes of several results, and sources."""

from archc.ir.builder import GraphBuilder
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.graph import Graph
from archc.ir.initializers import Constant
from archc.ir.operator import Operator, Weight
from archc.ir.types import BATCH, TensorType
from archc.operators.activation import Tanh
from archc.operators.convolution import Conv2d
from archc.operators.join import Product, Sum


class Halves(Operator):
    """The two halves of the channels."""

    word = "halves"
    torch = "torch.chunk({x}, 2, 1)"

    def infer_all(self, *inputs: TensorType) -> tuple[TensorType, ...]:
        (x,) = inputs
        assert isinstance(x.shape[1], int)
        half = x.with_shape(x.shape[0], x.shape[1] // 2, *x.shape[2:])
        return half, half

    def onnx(self, b: Emitter, *x: OnnxTensor) -> tuple[OnnxTensor, ...]:
        return b.emit_several("Split", x, self.infer_all(x[0].type), axis=1, num_outputs=2)


class Scale(Operator):
    """A source: a tensor of the enclosing scope, [1, channels, 1, 1]."""

    word = "scale"
    arity = 0
    torch = "{own}"
    tensors = ("",)
    channels: int

    def infer(self, *inputs: TensorType) -> TensorType:
        return TensorType((1, self.channels, 1, 1))

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        return (Weight("", (1, self.channels, 1, 1), Constant(val=0.5)),)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        return b.own("")[0]


class AddScale(Sum):
    """A sum that repeats axes of size 1."""

    word = "add_scale"

    def infer(self, *inputs: TensorType) -> TensorType:
        return inputs[0]


def several() -> Graph:
    """Two inputs; a block that returns two values; a source at the top and one in the block; two outputs."""
    g = GraphBuilder(
        "several",
        {"image": TensorType((BATCH, 4, 6, 5)), "mask": TensorType((BATCH, 2, 6, 5))},
    )
    image, mask = g.inputs
    with g.scope("stem", "stem", "Stem"):
        x = g.add(Conv2d(out_channels=4, kernel_size=(3, 3), padding=(1, 1)), image, name="conv")
        left, right = g.apply(Halves(), x, name="split").outputs
        left = g.add(AddScale(), left, g.add(Scale(channels=2), name="shift"))
    masked = g.add(Product(), left, mask)
    x = g.add(AddScale(), masked, g.add(Scale(channels=2), name="gamma"), right)
    g.output("output", g.add(Tanh(), x))
    g.output("masked", masked)
    return g.finish()

"""Operators of another package than archc: a module of torch.nn, a module of its own, and a join."""

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import PositiveNumber
from archc.ir.initializers import Constant
from archc.ir.operator import IMAGE, Operator, Weight, cases, expect, expect_channels
from archc.ir.types import TensorType


class Softshrink(Operator):
    """x brought nearer to zero by `lambd`, and zero where it is nearer already.

    Source: torch.nn.Softshrink; ONNX Shrink-9.
    """

    word = "softshrink"
    elsewhere = ("soft_threshold",)
    torch = "nn.Softshrink({lambd})"
    lambd: PositiveNumber = 0.5
    examples = cases({}, {"lambd": 0.1})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Shrink."""
        return b.emit("Shrink", x, b.output, lambd=self.lambd, bias=self.lambd)


class ChannelScale(Operator):
    """Every channel times a learned number."""

    word = "channel_scale"
    tensors = ("weight",)
    torch = "shrink_operators.modules.ChannelScale({channels})"
    start: float = 1.0
    examples = cases({}, {"start": 0.5})

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight`, one number for each channel."""
        return (Weight("weight", (expect_channels(inputs[0]),), Constant(val=self.start)),)

    def torch_values(self, *inputs: TensorType) -> dict[str, object]:
        """The channels."""
        return {"channels": expect_channels(inputs[0])}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Mul."""
        return b.emit("Mul", [*x, b.per_channel("weight")], b.output)


class Maximum(Operator):
    """The largest of the branches, element by element."""

    word = "maximum"
    arity = None
    torch = "functools.reduce(torch.maximum, [{xs}])"
    examples = cases(on=[IMAGE, IMAGE])

    def infer(self, *inputs: TensorType) -> TensorType:
        """The common type. Raises ShapeError: the branches differ."""
        expect(len(set(inputs)) == 1, f"cannot compare {' and '.join(map(str, inputs))}")
        return inputs[0]

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Max."""
        return b.emit("Max", x, b.output)

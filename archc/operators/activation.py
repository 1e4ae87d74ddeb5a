"""Elementwise non-linearities. Fields and defaults are those of the torch.nn modules."""

from collections.abc import Sequence
from math import pi, sqrt
from typing import Annotated, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import MAX_NUMBER, Number, Positive, PositiveNumber
from archc.ir.initializers import Constant
from archc.ir.operator import IMAGE, TOKENS, VECTOR, Operator, Weight, cases, expect, expect_channels
from archc.ir.types import TensorType


class _Rectifier(Operator):
    """Passes on what is positive, and little of the rest."""

    def operating_point(self) -> tuple[float, float]:
        """A tenth of the inputs is negative."""
        return 1.25, 1.0


class _Sigmoidal(Operator):
    """Levels off on both sides."""

    def operating_point(self) -> tuple[float, float]:
        """Around the steepest point."""
        return 0.0, 1.0


class _Single(Operator):
    """One ONNX operator computes it, without attributes."""

    node: ClassVar[str]

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """That operator."""
        return b.emit(self.node, x, b.output)


class Relu(_Single, _Rectifier):
    """max(x, 0)."""

    word = "relu"
    torch = "nn.ReLU()"
    node = "Relu"
    in_place = True


class Relu6(Operator):
    """min(max(x, 0), 6)."""

    word = "relu6"
    torch = "nn.ReLU6()"

    def operating_point(self) -> tuple[float, float]:
        """A fifteenth of the inputs lies beyond each bound."""
        return 3.0, 2.0

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Clip."""
        return _clip(b, 0.0, 6.0, x)


class LeakyRelu(_Rectifier):
    """x where positive, else negative_slope * x."""

    word = "leaky_relu"
    torch = "nn.LeakyReLU({negative_slope})"
    negative_slope: Number = 0.01
    examples = cases({}, {"negative_slope": 0.3})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """LeakyRelu."""
        return b.emit("LeakyRelu", x, b.output, alpha=self.negative_slope)


class Prelu(_Rectifier):
    """x where positive, else a learned slope times x: one slope for all channels, or `num_parameters` of them.

    The slopes start at 0.25; `init: {weight: {constant: …}}` is the `init` of torch.nn.PReLU.

    Source: torch.nn.PReLU; He et al. 2015, arXiv:1502.01852; ONNX PRelu-16.
    """

    word = "prelu"
    tensors = ("weight",)
    torch = "nn.PReLU({num_parameters})"
    num_parameters: Positive = 1
    examples = (
        *cases({}, {"num_parameters": 6}, on=[IMAGE]),
        *cases({"num_parameters": 5}, on=[TOKENS]),
        *cases({"num_parameters": 12}, on=[VECTOR]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: neither one slope nor one for each channel, or channels dynamic."""
        (x,) = inputs
        if self.num_parameters > 1:
            channels = expect_channels(x)
            message = f"num_parameters (={self.num_parameters}) must be 1 or the number of channels (={channels})"
            expect(self.num_parameters == channels, message, "num_parameters")
        return x

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight`, the slopes."""
        return (Weight("weight", (self.num_parameters,), Constant(val=0.25)),)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """PRelu."""
        return b.emit("PRelu", [*x, b.per_channel("weight")], b.output)


class Elu(_Rectifier):
    """x where positive, else alpha * (exp(x) - 1)."""

    word = "elu"
    torch = "nn.ELU({alpha})"
    alpha: Number = 1.0
    examples = cases({}, {"alpha": 0.4})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Elu."""
        return b.emit("Elu", x, b.output, alpha=self.alpha)


class Selu(_Single, _Rectifier):
    """The scaled exponential linear unit of Klambauer et al. 2017."""

    word = "selu"
    torch = "nn.SELU()"
    node = "Selu"


class Sigmoid(_Single, _Sigmoidal):
    """1 / (1 + exp(-x))."""

    word = "sigmoid"
    torch = "nn.Sigmoid()"
    node = "Sigmoid"


class Tanh(_Single, _Sigmoidal):
    """The hyperbolic tangent."""

    word = "tanh"
    torch = "nn.Tanh()"
    node = "Tanh"


class Silu(_Rectifier):
    """x * sigmoid(x), also called swish."""

    word = "silu"
    elsewhere = ("swish",)
    torch = "nn.SiLU()"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Mul and Sigmoid."""
        return b.emit("Mul", [*x, b.emit("Sigmoid", x, b.output)], b.output)


class Mish(_Rectifier):
    """x * tanh(softplus(x))."""

    word = "mish"
    torch = "nn.Mish()"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Mul, Tanh and Softplus; the Mish operator came with opset 18."""
        return b.emit("Mul", [*x, b.emit("Tanh", [b.emit("Softplus", x, b.output)], b.output)], b.output)


class Gelu(_Rectifier):
    """x * Phi(x), exactly or by the tanh approximation."""

    word = "gelu"
    torch = "nn.GELU({approximate})"
    approximate: Literal["none", "tanh"] = "none"
    examples = cases({}, {"approximate": "tanh"})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """By erf or tanh, as runtimes know to fuse it; the Gelu operator came with opset 20."""
        if b.opset >= 20:
            return b.emit("Gelu", x, b.output, approximate=self.approximate)
        if self.approximate == "none":
            inner = b.emit("Erf", [b.emit("Div", [*x, b.constant("scale", sqrt(2))], b.output)], b.output)
        else:
            cube = b.emit("Mul", [b.emit("Mul", [*x, *x], b.output), *x], b.output)
            cubic = b.emit("Add", [*x, b.emit("Mul", [cube, b.constant("cubic", 0.044715)], b.output)], b.output)
            inner = b.emit("Tanh", [b.emit("Mul", [cubic, b.constant("scale", sqrt(2 / pi))], b.output)], b.output)
        gate = b.emit("Add", [inner, b.constant("one", 1.0)], b.output)
        return b.emit("Mul", [b.emit("Mul", [*x, gate], b.output), b.constant("half", 0.5)], b.output)


class Softplus(_Rectifier):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is greater than threshold.

    The threshold is at least 20: from there on the two are the same in float32, and below it the function would jump.
    """

    word = "softplus"
    torch = "nn.Softplus({beta}, {threshold})"
    beta: PositiveNumber = 1.0
    threshold: Annotated[float, Field(ge=20, le=MAX_NUMBER), WithJsonSchema({"type": "number", "minimum": 20})] = 20.0
    examples = cases({}, {"beta": 0.5}, {"beta": 2.0}, {"beta": 3.0, "threshold": 25.0})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Softplus, which has no beta in ONNX; and no threshold: above it the logarithm is its argument in float32."""
        if self.beta == 1:
            return b.emit("Softplus", x, b.output)
        beta = b.constant("beta", self.beta)
        y = b.emit("Softplus", [b.emit("Mul", [*x, beta], b.output)], b.output)
        return b.emit("Div", [y, beta], b.output)


class Hardsigmoid(Operator):
    """relu6(x + 3) / 6."""

    word = "hardsigmoid"
    torch = "nn.Hardsigmoid()"

    def operating_point(self) -> tuple[float, float]:
        """A fifteenth of the inputs lies beyond each bound."""
        return 0.0, 2.0

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """HardSigmoid."""
        return b.emit("HardSigmoid", x, b.output, alpha=1 / 6, beta=0.5)


class Hardswish(_Single):
    """x * relu6(x + 3) / 6."""

    word = "hardswish"
    torch = "nn.Hardswish()"
    node = "HardSwish"

    def operating_point(self) -> tuple[float, float]:
        """Inputs below -3 and above 3."""
        return 2.0, 2.0


class Hardtanh(Operator):
    """x clamped to [min_val, max_val]."""

    word = "hardtanh"
    torch = "nn.Hardtanh({min_val}, {max_val})"
    min_val: Number = -1.0
    max_val: Number = 1.0
    examples = cases({}, {"min_val": -0.3, "max_val": 0.7})

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError if the interval is empty."""
        message = f"min_val (={self.min_val}) must be less than max_val (={self.max_val})"
        expect(self.min_val < self.max_val, message, "min_val")
        return inputs[0]

    def operating_point(self) -> tuple[float, float]:
        """A fifteenth of the inputs lies beyond each bound."""
        return (self.min_val + self.max_val) / 2, (self.max_val - self.min_val) / 3

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Clip."""
        return _clip(b, self.min_val, self.max_val, x)


def _clip(b: Emitter, low: float, high: float, x: Sequence[OnnxTensor]) -> OnnxTensor:
    return b.emit("Clip", [*x, b.constant("min", low), b.constant("max", high)], b.output)

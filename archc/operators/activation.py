"""Elementwise non-linearities, and the softmax. Fields and defaults are those of the torch.nn modules."""

from typing import Annotated, Literal

from pydantic import Field

from archc.ir.initializers import Constant
from archc.ir.operator import POINTWISE, Operator, Positive, Weight, Window, expect, expect_channels
from archc.ir.types import TensorType


class Relu(Operator):
    """max(x, 0)."""

    word = "relu"


class Relu6(Operator):
    """min(max(x, 0), 6)."""

    word = "relu6"


class LeakyRelu(Operator):
    """x where positive, else negative_slope * x."""

    word = "leaky_relu"
    negative_slope: float = 0.01


class Prelu(Operator):
    """x where positive, else a learned slope times x: one slope for all channels, or `num_parameters` of them.

    The slopes start at 0.25; `init: {weight: {constant: …}}` is the `init` of torch.nn.PReLU.

    Source: torch.nn.PReLU; He et al. 2015, arXiv:1502.01852; ONNX PRelu-16.
    """

    word = "prelu"
    tensors = ("weight",)
    num_parameters: Positive = 1

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


class Elu(Operator):
    """x where positive, else alpha * (exp(x) - 1)."""

    word = "elu"
    alpha: float = 1.0


class Selu(Operator):
    """The scaled exponential linear unit of Klambauer et al. 2017."""

    word = "selu"


class Sigmoid(Operator):
    """1 / (1 + exp(-x))."""

    word = "sigmoid"


class Tanh(Operator):
    """The hyperbolic tangent."""

    word = "tanh"


class Silu(Operator):
    """x * sigmoid(x), also called swish."""

    word = "silu"


class Mish(Operator):
    """x * tanh(softplus(x))."""

    word = "mish"


class Gelu(Operator):
    """x * Phi(x), exactly or by the tanh approximation."""

    word = "gelu"
    approximate: Literal["none", "tanh"] = "none"


class Softplus(Operator):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is greater than threshold.

    The threshold is at least 20: from there on the two are the same in float32, and below it the function would jump.
    """

    word = "softplus"
    beta: Annotated[float, Field(gt=0)] = 1.0
    threshold: Annotated[float, Field(ge=20)] = 20.0


class Hardsigmoid(Operator):
    """relu6(x + 3) / 6."""

    word = "hardsigmoid"


class Hardswish(Operator):
    """x * relu6(x + 3) / 6."""

    word = "hardswish"


class Hardtanh(Operator):
    """x clamped to [min_val, max_val]."""

    word = "hardtanh"
    min_val: float = -1.0
    max_val: float = 1.0

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError if the interval is empty."""
        expect(
            self.min_val < self.max_val,
            f"min_val (={self.min_val}) must be less than max_val (={self.max_val})",
            "min_val",
        )
        return inputs[0]


class Softmax(Operator):
    """exp(x) normalised to sum to one along `dim`."""

    word = "softmax"
    dim: Annotated[int, Field(ge=-4, le=3)] = 1

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError if the input has no such axis."""
        (x,) = inputs
        expect(-x.ndim <= self.dim < x.ndim, f"dim (={self.dim}) is not an axis of {x}", "dim")
        expect(self.dim % x.ndim != 0, "dim (=0) is the batch axis", "dim")
        return x

    def window(self, *inputs: TensorType) -> Window | None:
        """Over channels one pixel; over space the whole input."""
        return POINTWISE if self.dim % inputs[0].ndim == 1 else None


class LogSoftmax(Softmax):
    """The logarithm of the softmax."""

    word = "log_softmax"


class Mul(Operator):
    """x times a constant, as residual branches are scaled.

    Source: torch.mul; Szegedy et al. 2016, arXiv:1602.07261, section 3.3.
    """

    word = "mul"
    other: float

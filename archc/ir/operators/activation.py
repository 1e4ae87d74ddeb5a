"""Elementwise non-linearities, and the softmax. Fields and defaults are those of the torch.nn modules."""

from typing import Annotated, Literal

from pydantic import Field

from archc.ir.operator import Operator, Window, expect
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
    """log(1 + exp(x))."""

    word = "softplus"


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
        return Window((1, 1), (1, 1)) if self.dim % inputs[0].ndim == 1 else None


class LogSoftmax(Softmax):
    """The logarithm of the softmax."""

    word = "log_softmax"


class Mul(Operator):
    """x times a constant, as residual branches are scaled.

    Source: torch.mul; Szegedy et al. 2016, arXiv:1602.07261, section 3.3.
    """

    word = "mul"
    other: float

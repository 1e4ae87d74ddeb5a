"""Elementwise arithmetic: functions of one value, and constants."""

from typing import ClassVar, Self

from pydantic import model_validator

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Number
from archc.ir.operator import Operator, cases


class _Function(Operator):
    """A function that one ONNX operator computes."""

    node: ClassVar[str]
    point: ClassVar[tuple[float, float]]

    def operating_point(self) -> tuple[float, float]:
        """Where the function is bent and, as good as always, defined."""
        return self.point

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """That operator."""
        return b.emit(self.node, x, b.output)


class Exp(_Function):
    """e to the power of x.

    Source: torch.exp; ONNX Exp-13.
    """

    word = "exp"
    torch = "{x}.exp()"
    node, point = "Exp", (0.0, 0.5)


class Log(_Function):
    """The natural logarithm; NaN of what is negative.

    Source: torch.log; ONNX Log-13.
    """

    word = "log"
    torch = "{x}.log()"
    node, point = "Log", (6.0, 1.0)


class Sqrt(_Function):
    """The square root; NaN of what is negative.

    Source: torch.sqrt; ONNX Sqrt-13.
    """

    word = "sqrt"
    torch = "{x}.sqrt()"
    node, point = "Sqrt", (6.0, 1.0)


class Abs(_Function):
    """The absolute value.

    Source: torch.abs; ONNX Abs-13.
    """

    word = "abs"
    torch = "{x}.abs()"
    node, point = "Abs", (1.75, 1.0)


class Square(_Function):
    """x * x.

    Source: torch.square; ONNX Mul-14.
    """

    word = "square"
    torch = "{x}.square()"
    point = (2.0, 1.0)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Mul."""
        return b.emit("Mul", [*x, *x], b.output)


class Clamp(Operator):
    """x, but no less than `min` and no more than `max`; one of the two may be left out.

    Source: torch.clamp; ONNX Clip-13.
    """

    word = "clamp"
    elsewhere = ("clip",)
    torch = "{x}.clamp({min}, {max})"
    min: Number | None = None
    max: Number | None = None
    examples = cases({"min": 0.5}, {"max": -0.25}, {"min": -0.3, "max": 0.7})

    @model_validator(mode="after")
    def _is_an_interval(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs a min or a max")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"needs min < max, and they are min={self.min} and max={self.max}")
        return self

    def operating_point(self) -> tuple[float, float]:
        """A tenth of the inputs is beyond the bound, or a fifteenth beyond each of two."""
        if self.min is not None and self.max is not None:
            return (self.min + self.max) / 2, (self.max - self.min) / 3
        return (self.min + 1.25 if self.min is not None else (self.max or 0.0) - 1.25), 1.0

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Clip; its first bound is left out by an empty name."""
        low = OnnxTensor("", x[0].type) if self.min is None else b.constant("min", self.min)
        high = [] if self.max is None else [b.constant("max", self.max)]
        return b.emit("Clip", [*x, low, *high], b.output)


class Mul(Operator):
    """x times a constant, as residual branches are scaled.

    Source: torch.mul; Szegedy et al. 2016, arXiv:1602.07261, section 3.3.
    """

    word = "mul"
    torch = "{x} * {other}"
    other: Number
    examples = cases({"other": 0.25}, {"other": -3.0})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Mul."""
        return b.emit("Mul", [*x, b.constant("other", self.other)], b.output)


class Add(Operator):
    """x plus a constant.

    Source: torch.add; ONNX Add-14.
    """

    word = "add"
    torch = "{x} + {other}"
    needs_output = False
    other: Number
    examples = cases({"other": 0.25}, {"other": -3.0})

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Add."""
        return b.emit("Add", [*x, b.constant("other", self.other)], b.output)

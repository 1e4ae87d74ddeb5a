"""The softmax and its logarithm."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.operator import IMAGE, TOKENS, VECTOR, WHOLE, Operator, Window, cases, expect_axis
from archc.ir.types import TensorType


class Softmax(Operator):
    """exp(x) normalised to sum to one along `dim`."""

    word = "softmax"
    torch = "nn.Softmax({dim})"
    node: ClassVar[str] = "Softmax"
    dim: Annotated[int, Field(ge=-4, le=3)] = 1
    examples = (
        *cases({}, {"dim": -1}, {"dim": 2}, on=[IMAGE]),
        *cases({}, {"dim": -1}, on=[TOKENS]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError if the input has no such axis."""
        (x,) = inputs
        expect_axis(x, self.dim)
        return x

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of `dim`."""
        return {self.dim % x.ndim: WHOLE}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Softmax, or LogSoftmax."""
        return b.emit(self.node, x, b.output, axis=self.dim)


class LogSoftmax(Softmax):
    """The logarithm of the softmax."""

    word = "log_softmax"
    torch = "nn.LogSoftmax({dim})"
    node = "LogSoftmax"
    examples = (*cases({"dim": 3}, {"dim": -3}), *cases({}, on=[VECTOR]))

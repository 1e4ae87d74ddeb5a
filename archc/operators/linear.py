"""Fully connected layers."""

from collections.abc import Mapping

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Positive
from archc.ir.initializers import TORCH_DEFAULT, Uniform
from archc.ir.operator import (
    IMAGE,
    TOKENS,
    VECTOR,
    WHOLE,
    Operator,
    Weight,
    Window,
    cases,
    expect,
    expect_declared,
)
from archc.ir.types import SymbolicDim, TensorType


class Linear(Operator):
    """x @ weight.T + bias over the last axis.

    Shapes: x [N, ..., in_features] -> [N, ..., out_features].
    Source: torch.nn.Linear; ONNX Gemm-13, MatMul-13.
    """

    word = "linear"
    elsewhere = ("dense", "fc")
    tensors = ("weight", "bias")
    torch = "nn.Linear({features}, {out_features}, bias={bias})"
    functional = "torch.nn.functional.linear({x}, {weight}, {bias})"
    linear_axis = -1
    declares = "in_features"
    out_features: Positive
    bias: bool = True
    in_features: Positive | None = None
    examples = (
        *cases({"out_features": 5}, {"out_features": 5, "bias": False}, {"out_features": 12}, on=[VECTOR]),
        *cases({"out_features": 5}, {"out_features": 8, "bias": False}, on=[TOKENS]),
        *cases({"out_features": 7}, on=[IMAGE]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, ..., out_features].

        Raises ShapeError: no feature axis, a dynamic one, or not the declared in_features.
        """
        (x,) = inputs
        expect(x.ndim >= 2, f"expects [N, ..., in_features], received {x}")
        features = x.shape[-1]
        expect(
            not isinstance(features, SymbolicDim),
            f"needs a fixed number of input features, but receives {features} of them",
            help="pool to a fixed size before, for example with adaptive_avg_pool2d: 1",
        )
        expect_declared(self.in_features, features, "in_features")
        return x.with_shape(*x.shape[:-1], self.out_features)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """`weight` [out, in] and `bias` [out], started as torch.nn.Linear does."""
        features = _features(inputs[0])
        weight = Weight("weight", (self.out_features, features), TORCH_DEFAULT)
        if not self.bias:
            return (weight,)
        bound = features**-0.5
        return weight, Weight("bias", (self.out_features,), Uniform(a=-bound, b=bound))

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight and row; the bias is not counted."""
        return output.elements() * _features(inputs[0])

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All features."""
        return {x.ndim - 1: WHOLE}

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The features of the input."""
        return {"features": _features(inputs[0])}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Gemm for vectors; else MatMul with the transposed weight, and Add."""
        if b.output.ndim == 2:
            return b.emit("Gemm", [*x, *b.own("weight", "bias")], b.output, transB=1)
        y = b.emit("MatMul", [*x, b.transposed("weight")], b.output)
        bias = b.own("bias")
        return b.emit("Add", [y, *bias], b.output) if bias else y


def _features(x: TensorType) -> int:
    features = x.shape[-1]
    assert isinstance(features, int), "infer refuses a dynamic number of features"
    return features

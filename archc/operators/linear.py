"""Fully connected layers."""

from archc.ir.initializers import TORCH_DEFAULT, Uniform
from archc.ir.operator import POINTWISE, Operator, Positive, Weight, Window, expect, expect_declared
from archc.ir.types import SymbolicDim, TensorType


class Linear(Operator):
    """x @ weight.T + bias over the last axis.

    Shapes: x [N, ..., in_features] -> [N, ..., out_features].
    Source: torch.nn.Linear; ONNX Gemm-13, MatMul-13.
    """

    word = "linear"
    tensors = ("weight", "bias")
    out_features: Positive
    bias: bool = True
    in_features: Positive | None = None

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
        features = self._in_features(inputs[0])
        weight = Weight("weight", (self.out_features, features), TORCH_DEFAULT)
        if not self.bias:
            return (weight,)
        bound = features**-0.5
        return weight, Weight("bias", (self.out_features,), Uniform(a=-bound, b=bound))

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight and row; the bias is not counted."""
        return output.elements() * self._in_features(inputs[0])

    def window(self, *inputs: TensorType) -> Window | None:
        """A vector came from the whole image; along the last axis of a larger tensor, position by position."""
        return None if inputs[0].ndim == 2 else POINTWISE

    def _in_features(self, x: TensorType) -> int:
        features = x.shape[-1]
        assert isinstance(features, int), "infer refuses a dynamic number of features"
        return features

"""Operators that join branches."""

from archc.ir.operator import Operator, expect, expect_channels
from archc.ir.types import Dim, TensorType


class Sum(Operator):
    """x_0 + x_1 + …, from left to right.

    Shapes: all inputs alike.
    """

    word = "sum"
    arity = None

    def infer(self, *inputs: TensorType) -> TensorType:
        """The common type. Raises ShapeError: the branches differ."""
        expect(len(set(inputs)) == 1, f"cannot add {' and '.join(map(str, inputs))}")
        return inputs[0]


class Product(Operator):
    """x_0 * x_1 * …, from left to right; an axis of size 1 is repeated.

    Shapes: [N, C, H, W] and [N, C, 1, 1] -> [N, C, H, W].
    """

    word = "product"
    arity = None

    def infer(self, *inputs: TensorType) -> TensorType:
        """The broadcast type. Raises ShapeError: the branches do not broadcast."""
        message = f"cannot multiply {' and '.join(map(str, inputs))}"
        expect(len({x.ndim for x in inputs}) == 1, message)
        return inputs[0].with_shape(
            *(self._size(sizes, message) for sizes in zip(*(x.shape for x in inputs), strict=True))
        )

    def _size(self, sizes: tuple[Dim, ...], message: str) -> Dim:
        distinct = {size for size in sizes if size != 1}
        expect(len(distinct) <= 1, message)
        return distinct.pop() if distinct else 1


class Concat(Operator):
    """The branches side by side along the channels.

    Shapes: [N, C_0, H, W], [N, C_1, H, W], … -> [N, C_0 + C_1 + …, H, W].
    Source: torch.cat; ONNX Concat-13.
    """

    word = "concat"
    arity = None

    def infer(self, *inputs: TensorType) -> TensorType:
        """The sum of the channels. Raises ShapeError: the other axes differ, or channels are dynamic."""
        rest = {(x.ndim, x.shape[0], *x.shape[2:], x.dtype) for x in inputs}
        expect(len(rest) == 1, f"cannot concatenate {' and '.join(map(str, inputs))}: only axis 1 may differ")
        channels = sum(map(expect_channels, inputs))
        return inputs[0].with_shape(inputs[0].shape[0], channels, *inputs[0].shape[2:])

"""Operators that join branches."""

from collections.abc import Sequence
from typing import ClassVar

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.operator import IMAGE, TOKENS, VECTOR, Operator, cases, expect, expect_channels
from archc.ir.types import Dim, TensorType

MOST_TERMS = 64  # of one expression: Python's parser nests them


class _Pairwise(Operator):
    """Applies a binary operator from left to right, in PyTorch as in ONNX, so that both round alike."""

    symbol: ClassVar[str]
    function: ClassVar[str]
    node: ClassVar[str]
    torch = "{xs}"

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """`x + y + z`; for very many terms a fold."""
        if len(variables) <= MOST_TERMS:
            return f" {self.symbol} ".join(variables)
        return f"functools.reduce({self.function}, [{', '.join(variables)}])"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """One node for each pair."""
        result = x[0]
        for other in x[1:]:
            result = b.emit(self.node, [result, other], self.infer(result.type, other.type))
        return result


class Sum(_Pairwise):
    """x_0 + x_1 + …, from left to right.

    Shapes: all inputs alike.
    """

    word = "sum"
    elsewhere = ("add", "plus")
    arity = None
    symbol, function, node = "+", "torch.add", "Add"
    needs_output = False
    adds = True
    examples = (*cases(on=[IMAGE, IMAGE]), *cases(on=[VECTOR, VECTOR, VECTOR]))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The common type. Raises ShapeError: the branches differ."""
        expect(len(set(inputs)) == 1, f"cannot add {' and '.join(map(str, inputs))}")
        return inputs[0]


class Product(_Pairwise):
    """x_0 * x_1 * …, from left to right; an axis of size 1 is repeated.

    Shapes: [N, C, H, W] and [N, C, 1, 1] -> [N, C, H, W].
    """

    word = "product"
    elsewhere = ("mul", "multiply")
    arity = None
    symbol, function, node = "*", "torch.mul", "Mul"
    examples = (
        *cases(on=[IMAGE, (6, 1, 1)]),
        *cases(on=[(6, 1, 1), IMAGE]),
        *cases(on=[IMAGE, IMAGE, (1, 9, 1)]),
        *cases(on=[TOKENS, TOKENS]),
    )

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
    elsewhere = ("cat", "concatenate", "stack")
    arity = None
    torch = "torch.cat([{xs}], 1)"
    examples = (*cases(on=[(2, 9, 11), IMAGE, (3, 9, 11)]), *cases(on=[VECTOR, (4,)]))

    def infer(self, *inputs: TensorType) -> TensorType:
        """The sum of the channels. Raises ShapeError: the other axes differ, or channels are dynamic."""
        rest = {(x.ndim, x.shape[0], *x.shape[2:], x.dtype) for x in inputs}
        expect(len(rest) == 1, f"cannot concatenate {' and '.join(map(str, inputs))}: only axis 1 may differ")
        channels = sum(map(expect_channels, inputs))
        return inputs[0].with_shape(inputs[0].shape[0], channels, *inputs[0].shape[2:])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Concat."""
        return b.emit("Concat", x, b.output, axis=1)

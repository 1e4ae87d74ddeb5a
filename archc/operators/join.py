"""Operators that join branches."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, ClassVar

from pydantic import Field

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.operator import IMAGE, TOKENS, VECTOR, WHOLE, Operator, ShapeError, Window, cases, expect, expect_axis
from archc.ir.types import SymbolicDim, TensorType, batch_axis, nominal
from archc.operators._broadcast import broadcast, obstacle
from archc.operators._pad import padded

MOST_TERMS = 64  # of one expression: Python's parser nests them


class _Pairwise(Operator):
    """Applies a binary operator from left to right, in PyTorch as in ONNX, so that both round alike.

    An axis of size 1 is repeated, and so is a branch without the first axes, as NumPy does.
    """

    arity = None
    verb: ClassVar[str]
    symbol: ClassVar[str]
    function: ClassVar[str]
    node: ClassVar[str]
    torch = "{xs}"

    def infer(self, *inputs: TensorType) -> TensorType:
        """The type that all branches broadcast to. Raises ShapeError: they do not."""
        result = broadcast(*inputs)
        if result is None:
            shown = " and ".join(map(str, inputs))
            help = "the last axes lie beside each other, and an axis of size 1 is repeated"
            raise ShapeError(f"cannot {self.verb} {shown}: {obstacle(*inputs)}", help=help)
        return result

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

    Shapes: [N, C, H, W] and what broadcasts to it -> [N, C, H, W].
    """

    word = "sum"
    elsewhere = ("add", "plus")
    arity = None
    verb, symbol, function, node = "add", "+", "torch.add", "Add"
    needs_output = False
    adds = True
    examples = (*cases(on=[IMAGE, IMAGE]), *cases(on=[VECTOR, VECTOR, VECTOR]), *cases(on=[IMAGE, (6, 1, 1)]))


class Product(_Pairwise):
    """x_0 * x_1 * …, from left to right; an axis of size 1 is repeated.

    Shapes: [N, C, H, W] and [N, C, 1, 1] -> [N, C, H, W].
    """

    word = "product"
    elsewhere = ("mul", "multiply")
    arity = None
    verb, symbol, function, node = "multiply", "*", "torch.mul", "Mul"
    multiplies = True
    examples = (
        *cases(on=[IMAGE, (6, 1, 1)]),
        *cases(on=[(6, 1, 1), IMAGE]),
        *cases(on=[IMAGE, IMAGE, (1, 9, 1)]),
        *cases(on=[TOKENS, TOKENS]),
    )


class Quotient(_Pairwise):
    """x_0 / x_1 / …, from left to right.

    Shapes: [N, C, H, W] and what broadcasts to it -> [N, C, H, W].
    """

    word = "quotient"
    elsewhere = ("div", "divide")
    arity = None
    verb, symbol, function, node = "divide", "/", "torch.div", "Div"
    multiplies = True
    examples = (*cases(on=[IMAGE, (6, 1, 1)]), *cases(on=[TOKENS, TOKENS]))


class Matmul(_Pairwise):
    """x_0 @ x_1 @ …, from left to right: products of matrices over the last two axes.

    Axes before these are repeated where they have size 1 or are missing.

    Shapes: [N, ..., L, E] and [N, ..., E, S] -> [N, ..., L, S].
    Source: torch.matmul; ONNX MatMul-13.
    """

    word = "matmul"
    elsewhere = ("bmm", "mm", "matrix_product")
    arity = None
    verb, symbol, function, node = "multiply", "@", "torch.matmul", "MatMul"
    multiplies = True
    examples = (
        *cases(on=[(2, 5, 4), (2, 4, 3)]),
        *cases(on=[TOKENS, (8, 5), TOKENS]),
        *cases(on=[(3, 2, 5, 4), (1, 2, 4, 6)]),
        *cases(on=[IMAGE, (6, 11, 4)]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, ..., L, S]. Raises ShapeError: a matrix has more or fewer rows than the one before has columns."""
        first, *others = inputs
        for other in others:
            first = self._product(first, other)
        return first

    def _product(self, x: TensorType, y: TensorType) -> TensorType:
        shown = f"cannot multiply the matrices {x} and {y}"
        for each in (x, y):
            expect(each.ndim > 1, f"{shown}: {each} is no matrix")
            is_batch = (axis := batch_axis(each)) is not None and axis >= each.ndim - 2
            expect(not is_batch, f"{shown}: the batch is an axis of the matrix {each}")
        columns, rows = x.shape[-1], y.shape[-2]
        expect(columns == rows, f"{shown}: the first has {columns} columns, and the second {rows} rows")
        before = [each.with_shape(*each.shape[:-2], 1, 1) for each in (x, y)]
        whole = broadcast(*before)
        if whole is None:
            raise ShapeError(f"{shown}: {obstacle(*before)}", help="axes before the last two are repeated from size 1")
        return whole.with_shape(*whole.shape[:-2], x.shape[-2], y.shape[-1])

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per column of the first matrix and element of the product, for each pair."""
        total, (first, *others) = 0, inputs
        for other in others:
            columns, first = first.shape[-1], self._product(first, other)
            total += first.elements() * nominal(columns)
        return total

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All rows and columns."""
        return {x.ndim - 2: WHOLE, x.ndim - 1: WHOLE}


class Concat(Operator):
    """The branches one behind the other along the axis `dim`, the channels unless it is written.

    A branch without a batch, whose first axis is 1, is repeated over the images.

    Shapes: [N, C_0, H, W], [N, C_1, H, W], … -> [N, C_0 + C_1 + …, H, W].
    Source: torch.cat; ONNX Concat-13.
    """

    word = "concat"
    elsewhere = ("cat", "concatenate", "stack")
    arity = None
    torch = "torch.cat([{xs}], {dim})"
    dim: Annotated[int, Field(ge=-8, le=7)] = 1
    examples = (
        *cases(on=[(2, 9, 11), IMAGE, (3, 9, 11)]),
        *cases(on=[VECTOR, (4,)]),
        *cases({"dim": -1}, on=[TOKENS, (5, 3)]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The sizes along the axis together. Raises ShapeError: other axes differ, or that one is dynamic."""
        shown = f"cannot concatenate {' and '.join(map(str, inputs))}"
        expect(len({x.ndim for x in inputs}) == 1, f"{shown}: one has more axes than another")
        axis = self.axis(inputs)
        batched = [x for x in inputs if batch_axis(x) is not None]
        first = (batched or inputs)[0]
        for x in inputs:
            repeated = x.shape[0] == 1 and batch_axis(first) == 0
            size = first.shape[0] if repeated else x.shape[0]
            same = (size, *x.shape[1:])[:axis] == first.shape[:axis] and x.shape[axis + 1 :] == first.shape[axis + 1 :]
            expect(same, f"{shown}: only axis {axis} may differ")
        sizes = [x.shape[axis] for x in inputs]
        expect(all(isinstance(size, int) for size in sizes), f"{shown}: axis {axis} is dynamic", "dim")
        return first.with_shape(*first.shape[:axis], sum(map(int, map(str, sizes))), *first.shape[axis + 1 :])

    def axis(self, inputs: Sequence[TensorType]) -> int:
        """The axis, counted from the front. Raises ShapeError: there is none, or it is the batch."""
        (axis,) = {expect_axis(x, self.dim) for x in inputs}
        return axis

    def torch_source(self, inputs: Sequence[TensorType], variables: Sequence[str] = (), own: str = "") -> str:
        """`torch.cat`; a branch without a batch is expanded first."""
        batched = next((name for name, x in zip(variables, inputs, strict=True) if batch_axis(x) == 0), "")
        kept = ", ".join(["-1"] * (inputs[0].ndim - 1)) if inputs else ""
        parts = [
            f"{name}.expand({batched}.shape[0], {kept})" if batched and batch_axis(x) is None else name
            for name, x in zip(variables, inputs, strict=True)
        ]
        return f"torch.cat([{', '.join(parts)}], {self.dim})"

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Concat; what has no batch is added to room that a Pad makes for it, so that no size is asked for."""
        axis = self.axis([each.type for each in x])
        alone = [batch_axis(each.type) is None for each in x]
        if all(alone) or not any(alone):
            return b.emit("Concat", x, b.output, axis=axis)
        ends = list(accumulate((int(str(each.type.shape[axis])) for each in x), initial=0))
        batched = [index for index, one in enumerate(alone) if not one]
        borders = [0, *(ends[index] for index in batched[1:]), ends[-1]]
        parts = []
        for index, (start, end) in zip(batched, pairwise(borders), strict=True):
            parts.append(_with_room(b, x[index], axis, ends[index] - start, end - ends[index + 1]))
        y = parts[0] if len(parts) == 1 else b.emit("Concat", parts, b.output, axis=axis)
        return b.emit("Add", [y, self._beside(b, x, alone, axis)], b.output)

    def _beside(self, b: Emitter, x: Sequence[OnnxTensor], alone: Sequence[bool], axis: int) -> OnnxTensor:
        """The branches without a batch at their places, and zeros elsewhere."""
        parts = []
        for each, one in zip(x, alone, strict=True):
            shape = [1 if isinstance(size, SymbolicDim) else size for size in each.type.shape]
            parts.append(each if one else b.constant("zeros", _zeros(shape)))
        total = [1 if isinstance(size, SymbolicDim) else size for size in b.output.shape]
        return b.emit("Concat", parts, b.output.with_shape(*total), axis=axis)


def _with_room(b: Emitter, x: OnnxTensor, axis: int, before: int, after: int) -> OnnxTensor:
    """A value with zeros around it along one axis."""
    if not before and not after:
        return x
    fronts, ends = (tuple(size * (at == axis) for at in range(x.type.ndim)) for size in (before, after))
    return padded(b, x, fronts, ends, "constant")


def _zeros(shape: Sequence[int]) -> object:
    return [_zeros(shape[1:])] * shape[0] if shape else 0.0

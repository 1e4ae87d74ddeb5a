"""Sources: values that do not depend on what comes in. A branch may begin with one."""

from math import prod
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from archc.ir.dtype import FLOAT32, DType
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Number, Positive, Shape, as_tuple
from archc.ir.initializers import ZEROS, Values
from archc.ir.operator import Computed, Operator, Weight, cases, expect
from archc.ir.types import TensorType

MOST = 2**22  # computed numbers of one source


class Parameter(Operator):
    """A tensor of the enclosing module, which is trained: a position embedding, a scale of each channel.

    Its `init` is one initializer (`init: {normal: {std: 0.02}}`). It has no batch: beside a value that has one, it is
    repeated over the images.

    Shapes: nothing -> shape.
    Source: torch.nn.Parameter.
    """

    word = "parameter"
    arity = 0
    tensors = ("",)
    torch = "{own}"
    shape: Shape
    examples = cases({"shape": [6, 1, 1]}, {"shape": [1, 5, 8]}, on=())

    def infer(self, *inputs: TensorType) -> TensorType:
        """The shape."""
        return TensorType(self.shape)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The tensor itself, whose key is the item's path."""
        return (Weight("", self.shape, ZEROS),)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """An initializer."""
        return b.own("")[0]


class Constant(Operator):
    """A source whose values follow from its fields; a subclass gives `shape`, `values` and the element type.

    A `persistent` one has a key in the `state_dict`, as a buffer. `torch_function` is the source of a function of torch
    alone that takes the other fields and gives the tensor.
    """

    torch_function: ClassVar[str] = ""
    arity = 0
    torch = "{own}"
    dtype: ClassVar[DType] = FLOAT32
    persistent: bool = False

    def shape_of(self) -> tuple[int, ...]:
        """The shape of the values."""
        raise NotImplementedError

    def values(self) -> list[float]:
        """The values in row-major order."""
        raise NotImplementedError

    def infer(self, *inputs: TensorType) -> TensorType:
        """The shape of the values. Raises ShapeError: they are too many."""
        shape = self.shape_of()
        expect(prod(shape) <= MOST, f"gives {prod(shape):,} numbers, more than {MOST:,}")
        return TensorType(shape, self.dtype)

    def computed(self) -> Computed:
        """The values."""
        return Computed(self.shape_of(), tuple(self.values()), self.dtype, self.persistent)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The buffer, if it has a key."""
        if not self.persistent:
            return ()
        computed = self.computed()
        return (Weight("", computed.shape, Values(values=computed.values), self.dtype, buffer=True),)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """A constant."""
        return b.constant("value", self.computed().nested(), self.dtype)


class Full(Constant):
    """One value everywhere.

    Shapes: nothing -> shape.
    Source: torch.full.
    """

    word = "full"
    torch_function = """
def full(shape: tuple[int, ...], fill_value: float) -> Tensor:
    \"\"\"One value everywhere.\"\"\"
    return torch.full(shape, float(fill_value))
"""
    shape: Shape
    fill_value: Number
    examples = cases({"shape": [6, 1, 1], "fill_value": 0.5}, on=())

    def shape_of(self) -> tuple[int, ...]:
        """The shape."""
        return self.shape

    def values(self) -> list[float]:
        """The value, as often as the shape has room."""
        return [self.fill_value] * prod(self.shape)


class RepeatInterleave(Constant):
    """A vector of values, each repeated: [1, 0] three times is [1, 1, 1, 0, 0, 0].

    Shapes: nothing -> [values * repeats].
    Source: torch.repeat_interleave.
    """

    word = "repeat_interleave"
    torch_function = """
def repeat_interleave(input: tuple[float, ...], repeats: int) -> Tensor:
    \"\"\"A vector of values, each repeated.\"\"\"
    return torch.tensor(input, dtype=torch.float32).repeat_interleave(repeats)
"""
    input: Annotated[tuple[Number, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=4096)]
    repeats: Positive
    examples = cases({"input": [1.0, 0.0, 1.0], "repeats": 4}, on=())

    def shape_of(self) -> tuple[int, ...]:
        """One axis."""
        return (len(self.input) * self.repeats,)

    def values(self) -> list[float]:
        """The values in their order."""
        return [value for value in self.input for _ in range(self.repeats)]

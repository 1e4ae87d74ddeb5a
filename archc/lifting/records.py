"""What a traced run leaves: calls of operators in order, with the modules that they lie in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from archc.ir.operator import Operator
from archc.ir.types import TensorType, batch_axis
from archc.lifting.axes import Axis, axes_of

BATCH_SIZE = 11  # of the traced run; other than 1 and 2, which code may treat as special, and than usual sizes

Value = int
"""A traced value, by number."""


@dataclass
class Record:
    """One call of an operator.

    `scope` is the module whose `forward` made it; `path` that of the module that is the operator, or owns its tensors.
    `tensors` are the keys of its tensors by their names. `again` is true for a module with tensors that was called
    before.
    """

    operator: Operator
    inputs: list[Value]
    output: Value
    scope: str
    path: str | None = None
    tensors: dict[str, str] = field(default_factory=dict)
    again: bool = False


class StandIn(Operator):
    """A call that the language has no word for, unless others make an operator of it with theirs."""

    told: ClassVar[str]
    """What it is, in an error."""


class MatMul(StandIn):
    """Stands for a product of matrices until it is seen whether it is part of an attention."""

    word: ClassVar[str] = "matrix_product"
    told: ClassVar[str] = "a product of matrices"
    arity: ClassVar[int | None] = 3

    def infer(self, *inputs: TensorType) -> TensorType:
        """[..., rows of x, columns of y]; the third input is y turned round."""
        x, y, _ = inputs
        return x.with_shape(*x.shape[:-1], y.shape[-1])


@dataclass
class Trace:
    """A run of a module: its calls, and what it returned by name."""

    records: list[Record] = field(default_factory=list)
    inputs: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, Value] = field(default_factory=dict)
    types: dict[Value, TensorType] = field(default_factory=dict)
    axes: dict[Value, list[Axis]] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, type] = field(default_factory=dict)  # module path → its class
    unknown: dict[str, str] = field(default_factory=dict)  # what the language has no word for → where it was called

    def new(self, type: TensorType) -> Value:
        """A new value, with axes of its own."""
        value = len(self.types)
        self.types[value], self.axes[value] = type, axes_of(sizes(type), batch_axis(type))
        return value


def sizes(type: TensorType) -> list[int]:
    """The sizes of a value in the traced run."""
    return [size if isinstance(size, int) else BATCH_SIZE for size in type.shape]

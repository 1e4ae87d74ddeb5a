"""What an operator is: a frozen model of its fields that also knows shapes, parameters and cost.

The same Pydantic model validates the fields that a spec writes and is the attribute record of the graph's node, so
there is no second description to keep in step. How an operator is computed is not here but in each back end's lowering
table.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from archc.ir.initializers import Initializer
from archc.ir.types import DType, TensorType

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
MAX_SIZE = 2**63 - 1  # of an axis: what runtimes hold


def _as_pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else _as_tuple(value)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _pair_as_written(value: tuple[int, int]) -> int | list[int]:
    return value[0] if value[0] == value[1] else list(value)


def pair_schema(minimum: int) -> list[dict[str, Any]]:
    """The alternatives of a pair in JSON Schema: one number for both axes, or two."""
    number = {"type": "integer", "minimum": minimum}
    return [number, {"type": "array", "items": number, "minItems": 2, "maxItems": 2}]


# One number for both axes, or [height, width]; pixels.
PositivePair = Annotated[
    tuple[Positive, Positive],
    BeforeValidator(_as_pair),
    PlainSerializer(_pair_as_written),
    WithJsonSchema({"anyOf": pair_schema(1)}),
]
NonNegativePair = Annotated[
    tuple[NonNegative, NonNegative],
    BeforeValidator(_as_pair),
    PlainSerializer(_pair_as_written),
    WithJsonSchema({"anyOf": pair_schema(0)}),
]
Ints = Annotated[tuple[int, ...], BeforeValidator(_as_tuple)]


class ShapeError(Exception):
    """An operator refused its inputs; `field` names the field to point at, if one is to blame."""

    def __init__(self, message: str, field: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.message, self.field, self.help = message, field, help
        self.path = ""  # of the operator; the builder fills it in


class Weight(NamedTuple):
    """A tensor that an operator owns: `name` below the operator's path, shape, and how it starts.

    `buffer` tells a `torch.nn` buffer (running statistics) from a parameter that an optimiser updates.
    """

    name: str
    shape: tuple[int, ...]
    initializer: Initializer
    dtype: DType = "float32"
    buffer: bool = False


class Window(NamedTuple):
    """The input pixels that one output pixel sees, (height, width): extent and step, in pixels of the input."""

    extent: tuple[int, int]
    stride: tuple[int, int]


POINTWISE = Window((1, 1), (1, 1))


class Operator(BaseModel):
    """One operation. Subclasses add the fields of the `torch.nn` module of that name and override what differs."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,  # most of what is defined together is not used by a spec
    )

    word: ClassVar[str]
    arity: ClassVar[int | None] = 1  # None: two or more
    tensors: ClassVar[tuple[str, ...]] = ()  # the names that `weights` may give
    inference: ClassVar[bool] = True  # False: the identity outside training

    def infer(self, *inputs: TensorType) -> TensorType:
        """Type of the output. Raises ShapeError."""
        return inputs[0]

    def typed(self, *inputs: TensorType) -> tuple[TensorType, tuple[Weight, ...]]:
        """What `infer` and `weights` give, remembered for the next node of the kind. Raises ShapeError."""
        return _typed(self, inputs)  # pyright: ignore[reportArgumentType]  # it is frozen, and so has a hash

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The tensors that the operator owns, in `state_dict` order. Called after `infer` accepted the inputs."""
        return ()

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """Multiply-adds for one image (one multiply and one add count as one)."""
        return 0

    def window(self, *inputs: TensorType) -> Window | None:
        """Receptive field of one output pixel on the first input; None where it sees the whole input."""
        return POINTWISE

    def attributes(self) -> Mapping[str, Any]:
        """The fields that differ from their defaults, as a spec would write them."""
        return self.model_dump(exclude_defaults=True)


def expect(condition: bool, message: str, field: str | None = None, help: str | None = None) -> None:
    """Raise ShapeError with the message unless the condition holds."""
    if not condition:
        raise ShapeError(message, field, help)


def expect_rank(x: TensorType, ndim: int, axes: str) -> None:
    """Raise ShapeError unless `x` has this rank; `axes` is how the expected shape is shown, such as `[N, C, H, W]`."""
    if x.ndim != ndim:
        raise ShapeError(f"expects {axes}, received {x}")


def expect_channels(x: TensorType) -> int:
    """The size of axis 1. Raises ShapeError: there is none, or it is dynamic, as after a permute of height or width."""
    if x.ndim < 2:
        raise ShapeError(f"expects [N, C, ...], received {x}")
    channels = x.shape[1]
    if isinstance(channels, int):
        return channels
    raise ShapeError(f"needs a fixed number of channels, but axis 1 of {x} is dynamic")


def expect_declared(declared: int | None, actual: object, field: str) -> None:
    """Raise ShapeError if a size that may be left out was declared and differs from what arrived."""
    if declared is not None:
        expect(declared == actual, f"declares {field}={declared}, but receives {actual}", field)


@lru_cache(4096)
def _typed(operator: Operator, inputs: tuple[TensorType, ...]) -> tuple[TensorType, tuple[Weight, ...]]:
    output = operator.infer(*inputs)
    for dim in output.shape:  # doubled in every block, a size would grow without bound
        size = dim if isinstance(dim, int) else max(dim.scale, abs(dim.offset), dim.divisor)
        if size > MAX_SIZE:
            raise ShapeError(f"gives {output}, which has a size beyond 64 bits")
    return output, operator.weights(*inputs)

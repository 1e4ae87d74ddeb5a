"""The kinds of values that an operator's or a block's fields have, with the range in which PyTorch can run them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

MAX_INTEGER = 2**31 - 1  # of a field: PyTorch's kernels count in 32 bits
MAX_NUMBER = 3.4028234663852886e38  # the largest float32, into which runtimes convert a field

# The bounds above are left out of the JSON Schema, where they would hide what a field is for.
Positive = Annotated[int, Field(gt=0, le=MAX_INTEGER), WithJsonSchema({"type": "integer", "exclusiveMinimum": 0})]
NonNegative = Annotated[int, Field(ge=0, le=MAX_INTEGER), WithJsonSchema({"type": "integer", "minimum": 0})]
Number = Annotated[float, Field(ge=-MAX_NUMBER, le=MAX_NUMBER), WithJsonSchema({"type": "number"})]
PositiveNumber = Annotated[float, Field(gt=0, le=MAX_NUMBER), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
Probability = Annotated[float, Field(ge=0, le=1)]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def as_tuple(value: Any) -> Any:
    """A list as a tuple, and anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def _as_single(value: Any) -> Any:
    return (value,) if _is_integer(value) else as_tuple(value)


def _as_single_number(value: Any) -> Any:
    return (value,) if isinstance(value, float) else _as_single(value)


def _as_pair(value: Any) -> Any:
    return (value, value) if _is_integer(value) else as_tuple(value)


def _as_number_pair(value: Any) -> Any:
    return (value, value) if isinstance(value, float) else _as_pair(value)


def _as_triple(value: Any) -> Any:
    return (value, value, value) if _is_integer(value) else as_tuple(value)


def _as_written(value: tuple[int, ...]) -> int | list[int]:
    return value[0] if len(set(value)) == 1 else list(value)


def _numbers_as_written(value: tuple[float, ...]) -> float | list[float]:  # Pydantic serialises by the annotation
    return value[0] if len(set(value)) == 1 else list(value)


def axes_schema(minimum: int, axes: int) -> list[dict[str, Any]]:
    """The alternatives of a size along each axis in JSON Schema: one number for all axes, or one for each."""
    number = {"type": "integer", "minimum": minimum}
    return [number, {"type": "array", "items": number, "minItems": axes, "maxItems": axes}]


def several_schema(type: str) -> list[dict[str, Any]]:
    """One positive number, or a list of any number of them."""
    number = {"type": type, "exclusiveMinimum": 0}
    return [number, {"type": "array", "items": number, "minItems": 1}]


# One number for all axes, or one for each ([length], [height, width], [depth, height, width]); pixels.
PositiveSingle = Annotated[
    tuple[Positive],
    BeforeValidator(_as_single),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": axes_schema(1, 1)}),
]
NonNegativeSingle = Annotated[
    tuple[NonNegative],
    BeforeValidator(_as_single),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": axes_schema(0, 1)}),
]
PositivePair = Annotated[
    tuple[Positive, Positive],
    BeforeValidator(_as_pair),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": axes_schema(1, 2)}),
]
NonNegativePair = Annotated[
    tuple[NonNegative, NonNegative],
    BeforeValidator(_as_pair),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": axes_schema(0, 2)}),
]
PositiveTriple = Annotated[
    tuple[Positive, Positive, Positive],
    BeforeValidator(_as_triple),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": axes_schema(1, 3)}),
]
NonNegativeTriple = Annotated[
    tuple[NonNegative, NonNegative, NonNegative],
    BeforeValidator(_as_triple),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": axes_schema(0, 3)}),
]
# The same where the number of axes is the input's to say.
Sizes = Annotated[
    tuple[Positive, ...],
    BeforeValidator(_as_single),
    Field(min_length=1),
    PlainSerializer(_as_written),
    WithJsonSchema({"anyOf": several_schema("integer")}),
]
Shape = Annotated[
    tuple[Positive, ...],
    BeforeValidator(_as_single),
    Field(min_length=1, max_length=6),
    WithJsonSchema({"anyOf": several_schema("integer")}),
]
NumberPair = Annotated[
    tuple[Number, Number],
    BeforeValidator(_as_number_pair),
    PlainSerializer(_numbers_as_written),
    WithJsonSchema(
        {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}]}
    ),
]
Factors = Annotated[
    tuple[PositiveNumber, ...],
    BeforeValidator(_as_single_number),
    Field(min_length=1),
    PlainSerializer(_numbers_as_written),
    WithJsonSchema({"anyOf": several_schema("number")}),
]
_INTEGERS = WithJsonSchema(
    {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]}
)
Ints = Annotated[tuple[int, ...], BeforeValidator(as_tuple)]
Axes = Annotated[
    tuple[int, ...],
    BeforeValidator(_as_single),
    Field(min_length=1),
    _INTEGERS,
]
Shifts = Annotated[
    tuple[Annotated[int, Field(ge=-MAX_INTEGER, le=MAX_INTEGER)], ...],
    BeforeValidator(_as_single),
    Field(min_length=1),
    _INTEGERS,
]

"""What a block is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from archc.ir.graph import Value
from archc.ir.operator import Operator


@dataclass(frozen=True)
class Layer:
    """An operator or block that a field holds, such as `activation: relu`; applied where `expand` says.

    `site` is where a spec wrote it (the elaborator's own record); None for a default.
    """

    word: str
    fields: Mapping[str, object] = field(default_factory=dict)
    site: object = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.word

    @property
    def written(self) -> Any:
        """The layer as a spec writes it."""
        return {self.word: dict(self.fields)} if self.fields else self.word

    def __deepcopy__(self, memo: dict[int, object]) -> Layer:
        return self  # Pydantic copies a field's default for every model


def _as_layer(value: Any) -> Any:
    return Layer(value) if isinstance(value, str) else value


LayerField = Annotated[
    Layer | None,
    BeforeValidator(_as_layer),
    WithJsonSchema({"format": "layer"}),
]
"""A field that holds an operator or block; None (`none` in a spec) leaves it out."""


class Block(BaseModel):
    """A named piece of network with fields. Subclasses define the fields and `expand`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        defer_build=True,
    )
    numbered: ClassVar[bool] = False  # True: the items are named by position
    elsewhere: ClassVar[tuple[str, ...]] = ()  # what others call it, as of an operator

    @classmethod
    def recognized(cls, layers: Sequence[Layer]) -> Mapping[str, Any] | None:
        """Fields with which the block might be these operators, in the order in which they run; None if it cannot.

        It is a guess: whoever asks compiles the block and compares.
        """
        return None

    def expand(self, g: Expansion, x: Value) -> Value:
        """Add the block's operators to the graph and return its output. Raises ShapeError."""
        raise NotImplementedError


class Expansion(Protocol):
    """What `expand` builds with: called with a layer and its inputs, it appends the layer and returns the output."""

    def __call__(self, layer: Operator | Block | Layer | None, *inputs: Value, name: str | None = None) -> Value:
        """Apply an operator, a block or a field's layer under an optional name; None is the identity."""
        ...

    def sequence(self, name: str | None = None) -> AbstractContextManager[object]:
        """A scope that numbers its items by position, such as `downsample`."""
        ...


def written_fields(cls: type[Block], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that differ from the block's defaults, as a spec writes them."""
    found = {}
    for name, value in values.items():
        default = cls.model_fields[name].default
        default = default.written if isinstance(default, Layer) else default
        default = default[0] if isinstance(default, tuple) and len(set(default)) == 1 else default
        if value != default:
            found[name] = value
    return found

"""The validated document: everything that a spec says, its items parsed but its calls not yet looked up."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from archc.diagnostics import Span, SpecError, UsageError, did_you_mean
from archc.spec.items import Item
from archc.spec.signatures import TYPES, Signature, parse_value
from archc.spec.tree import Mapping, Scalar, Sequence, Tree

Size = Annotated[int, Field(gt=0, lt=2**31)]


class Range(BaseModel):
    """A dynamic size: what it can be at least, usually is, and can be at most."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    min: Size
    opt: Size
    max: Size

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.min <= self.opt <= self.max:
            raise ValueError(
                f"min (={self.min}), opt (={self.opt}) and max (={self.max}) must be in this order"
            )
        return self


def _kind(value: object) -> str:
    return "Range" if isinstance(value, dict | Range) else "int"


# The kind is chosen by what was written, so that a mistake is told once.
SizeOrRange = Annotated[Annotated[Size, Tag("int")] | Annotated[Range, Tag("Range")], Discriminator(_kind)]


class Input(BaseModel):
    """The image that the network takes, in pixels; a Range makes a size dynamic. The batch always is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    channels: Size
    height: SizeOrRange
    width: SizeOrRange
    batch: Range | None = None


@dataclass(frozen=True, slots=True)
class Ramp:
    """A value that is spaced evenly over all uses of some blocks; `endpoint` tells whether the last has `stop`."""

    blocks: tuple[str, ...]
    start: float
    stop: float
    endpoint: bool = True


@dataclass(frozen=True, slots=True)
class BlockDefinition:
    """A block defined in YAML. `let` holds derived values in order; `kind` is the body's key."""

    name: str
    parameters: MappingType[str, Signature]
    let: MappingType[str, Tree]
    kind: Literal["layers", "sequence", "inline"]
    items: tuple[Item, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole spec. `defaults` and `init` are kept as trees, since their words are looked up later."""

    name: str
    citation: str | None
    input: Input
    input_span: Span
    items: tuple[Item, ...]
    parameters: MappingType[str, Signature] = field(default_factory=dict)
    blocks: MappingType[str, BlockDefinition] = field(default_factory=dict)
    defaults: MappingType[str, Mapping] = field(default_factory=dict)
    ramps: MappingType[str, Ramp] = field(default_factory=dict)
    init: Mapping | None = None

    def resolve(self, settings: MappingType[str, str]) -> dict[str, object]:
        """The values of the parameters: settings (texts, as `--set` gives them), else the defaults.

        Raises: UsageError: an unknown name, or a value of the wrong type; SpecError: a parameter without any value.
        """
        for name, text in settings.items():
            if name not in self.parameters:
                help = did_you_mean(name, self.parameters) or _known(self.parameters)
                raise UsageError(
                    f"{self.name} has no parameter '{name}'", code="unknown-parameter", help=help
                )
            signature = self.parameters[name]
            if not signature.accepts(_value(parse_value(text, signature.span))):
                raise UsageError(
                    f"{name} must be {TYPES[signature.type]}, not '{text}'", code="invalid-value"
                )
        return {name: self._resolve(signature, settings) for name, signature in self.parameters.items()}

    def _resolve(self, signature: Signature, settings: MappingType[str, str]) -> object:
        if signature.name in settings:
            return _value(parse_value(settings[signature.name], signature.span))
        if signature.default is None:
            raise SpecError(
                f"the parameter '{signature.name}' has no value",
                code="missing-parameter",
                span=signature.span,
                help=f"give one with --set {signature.name}=VALUE, or a default here: '{signature.type} = VALUE'",
            )
        return _value(signature.default)


def _value(tree: Tree) -> object:
    if isinstance(tree, Scalar):
        return tree.value
    assert isinstance(tree, Sequence), "a parameter is a scalar or a pair"
    return tuple(map(_value, tree.items))


def _known(parameters: MappingType[str, object]) -> str:
    return f"it has {', '.join(parameters)}" if parameters else "it has no parameters"

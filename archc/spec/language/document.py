"""The validated document: everything that a spec says, its items parsed but its calls not yet looked up."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from archc.diagnostics import Diagnostic, Span, SpecError, UsageError, did_you_mean, option
from archc.spec.language.expressions import UNKNOWN
from archc.spec.language.grammar import parse_layer
from archc.spec.language.inputs import Input
from archc.spec.language.items import Item
from archc.spec.language.signatures import Signature, value_of
from archc.spec.tree import Entry, Mapping, Scalar, Tree


@dataclass(frozen=True, slots=True)
class Ramp:
    """A value spaced evenly over all uses of some blocks; `endpoint`: whether the last one has `stop`.

    `span` covers its name, and `words` those of the blocks.
    """

    blocks: tuple[str, ...]
    start: float
    stop: float
    endpoint: bool = True
    span: Span | None = field(compare=False, default=None)
    words: tuple[Span, ...] = field(compare=False, default=())


@dataclass(frozen=True, slots=True)
class BlockDefinition:
    """A block defined in YAML. `let` holds derived values in order; `kind` is the body's key.

    `results` are the marks of its body that are further results. A `shared` one stands in a file of its own; the ramps
    of the specs that use it are not known there. `written` are its body and `let`.
    """

    name: str
    parameters: MappingType[str, Signature]
    let: MappingType[str, Tree]
    kind: Literal["layers", "sequence", "inline"]
    items: tuple[Item, ...]
    span: Span
    shared: bool = False
    results: tuple[Scalar, ...] = ()
    written: tuple[Tree | None, ...] = ()

    @property
    def given(self) -> list[str]:
        """The parameters that are values, which its body names as `from: NAME`."""
        return [name for name, signature in self.parameters.items() if signature.type == "value"]

    def declares(self, name: str) -> Span | None:
        """Where it declares a name, as a parameter or under `let`."""
        declared = self.parameters.get(name) or self.let.get(name)
        return declared.span if declared else None


class Wanted(NamedTuple):
    """The name of a value that a network is cut at, and where a spec says it."""

    path: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole spec. `defaults` (mappings) and `init` are kept as trees, since their words are looked up later.

    The first of `inputs` is what the first item receives. With `outputs` the network is cut there. `written` are
    its items and the values under `defaults` and `init`.
    """

    name: str
    citation: str | None
    inputs: MappingType[str, Input]
    input_spans: MappingType[str, Span]
    items: tuple[Item, ...]
    parameters: MappingType[str, Signature] = field(default_factory=dict)
    blocks: MappingType[str, BlockDefinition] = field(default_factory=dict)
    defaults: MappingType[str, Entry] = field(default_factory=dict)
    ramps: MappingType[str, Ramp] = field(default_factory=dict)
    init: Mapping | None = None
    outputs: tuple[Wanted, ...] = ()
    written: tuple[Tree | None, ...] = ()

    def cut_at(self, outputs: Sequence[str]) -> Spec:
        """The spec with these outputs in place of those that it names; the same for none."""
        return replace(self, outputs=tuple([Wanted(path) for path in outputs])) if outputs else self

    def resolve(self, settings: MappingType[str, str]) -> dict[str, object]:
        """The values of the parameters: settings (texts, as `--set` gives them), else the defaults.

        A parameter of type `layer` has a Call as its value, or None for `none`.

        Raises:
            UsageError: a setting has an unknown name, or a value of the wrong type.
            SpecError: a parameter has neither a setting nor a default.
        """
        if missing := self.without_value(settings):
            raise SpecError(missing)
        return self.known(settings)

    def known(self, settings: MappingType[str, str]) -> dict[str, object]:
        """The same, with UNKNOWN for a parameter that has neither. Raises UsageError."""
        given = {name: self._read(name, text) for name, text in settings.items()}
        return {name: self._value(signature, given) for name, signature in self.parameters.items()}

    def _read(self, name: str, text: str) -> Tree:
        if name not in self.parameters:
            known = f"it has {', '.join(self.parameters)}" if self.parameters else "it has no parameters"
            help = did_you_mean(name, self.parameters) or known
            raise UsageError(f"{self.name} has no parameter '{name}'", code="unknown-parameter", help=help)
        try:
            return self.parameters[name].read(text)
        except ValueError as error:
            raise UsageError(f"the parameter '{name}' {error}", code="invalid-value") from None

    def without_value(self, settings: MappingType[str, str]) -> tuple[Diagnostic, ...]:
        """What is wrong with the parameters that have neither a setting nor a default."""
        return tuple(
            Diagnostic(
                "missing-parameter",
                f"the parameter '{signature.name}' has no value",
                signature.span,
                help=f"give one with {option('parameters', f'{signature.name}=VALUE')}, "
                f"or a default: '{signature.type} = VALUE'",
            )
            for signature in self.parameters.values()
            if signature.default is None and signature.name not in settings
        )

    def _value(self, signature: Signature, given: MappingType[str, Tree]) -> object:
        """The value; UNKNOWN if there is none."""
        tree = given.get(signature.name, signature.default)
        if tree is None:
            return UNKNOWN
        return parse_layer(tree) if signature.type == "layer" else value_of(tree)

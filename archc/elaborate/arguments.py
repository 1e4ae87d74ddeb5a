"""The fields of a call: from the text of a spec to a validated model.

A field's value is evaluated in the caller's scope, merged with the spec's `defaults`, and validated by the Pydantic
model of the operator or block; what Pydantic says is translated into diagnostics that point at the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from archc.blocks import Layer, LayerField
from archc.diagnostics import Note, Span, SpecError, as_written, did_you_mean
from archc.elaborate.environment import declared
from archc.elaborate.hints import field_meant, fields_meant, value_alone_meant, value_meant
from archc.elaborate.problems import Problems
from archc.ir.initializers import Initializer
from archc.ir.operator import Operator
from archc.spec.language.arithmetic import Refusal
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown, is_expression, parse
from archc.spec.language.grammar import parse_layer
from archc.spec.language.items import Call
from archc.spec.language.validation import reason, requirement
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable

Model = TypeVar("Model", bound=BaseModel)


class Site(NamedTuple):
    """Where a layer-typed value was written: the call, and the scope that its fields see."""

    call: Call
    environment: Environment


class Argument(NamedTuple):
    """A field as it was written: where the key stands, and the value."""

    key: Span
    tree: Tree
    environment: Environment

    @property
    def is_short(self) -> bool:
        """True if it is a call's only value, without a key."""
        return self.key is self.tree.span


_NAMES = re.compile(r"\$([A-Za-z_]\w*)")
_OF_INTEGERS = ("int_type", "tuple_type")  # Pydantic's errors where an integer, or several of them, are wanted
_DIVISION = re.compile(r"(?<!/)/(?!/)")


def as_layer(value: object) -> object:
    """The value of a network's parameter, where a call is the Layer that it means."""
    return Layer(value.word, site=Site(value, {})) if isinstance(value, Call) else value


def default_call(layer: Layer, use: Span) -> Call:
    """The call that the default of a block's field stands for; all of it stands where the block is used."""
    if not layer.fields:
        return Call(layer.word, use)
    fields = _tree(layer.fields, use)
    assert isinstance(fields, Mapping)
    return Call(layer.word, use, fields)


def _tree(value: object, span: Span) -> Tree:
    """Plain data and layers as a tree, all of which stands at one place."""
    match value:
        case Layer(word, fields):
            return _tree({word: fields} if fields else word, span)
        case MappingType():
            entries = {key: Entry(Scalar(key, key, span), _tree(part, span)) for key, part in value.items()}
            return Mapping(entries, span)
        case list() | tuple():
            return Sequence(tuple(_tree(part, span) for part in value), span)
        case None | bool() | int() | float() | str():
            return Scalar(value, as_written(value), span)
    raise TypeError(f"a spec cannot hold {value!r}")


def written_arguments(call: Call, first_field: str | None, environment: Environment) -> dict[str, Argument]:
    """The fields that a call writes; the short form is the value of the callee's first field."""
    if call.short is not None:
        return {first_field or "": Argument(call.short.span, call.short, environment)}
    entries = call.fields.entries if call.fields else {}
    return {key: Argument(entry.key.span, entry.value, environment) for key, entry in entries.items()}


@cache
def layer_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a model that hold a layer."""
    layer = LayerField.__metadata__  # type: ignore[attr-defined]
    return frozenset(name for name, info in model.model_fields.items() if set(layer) <= set(info.metadata))


@cache
def _default(model: type[BaseModel]) -> BaseModel | None:
    """What a call without fields stands for; None if there are fields that it needs, or one of several."""
    if any(field.is_required() for field in model.model_fields.values()):
        return None
    try:
        return model()
    except ValidationError:
        return None


def evaluate(tree: Tree, environment: Environment, *, as_layer: bool = False) -> Any:
    """The plain value of a field; UNKNOWN if it could not be read, or depends on what an earlier problem left unknown.

    Raises: SpecError: the expression is wrong.
    """
    if isinstance(tree, Unreadable):
        return evaluate(tree.meant, environment) if tree.meant and is_expression(tree.meant) else UNKNOWN
    if isinstance(tree, Mapping) and tree.lost:
        return UNKNOWN
    if isinstance(tree, Scalar) and is_expression(tree):
        return parse(tree).evaluate(environment)
    if as_layer:
        is_left_out = isinstance(tree, Scalar) and (tree.value, tree.text) == (None, "none")  # by a block in Python
        call = None if is_left_out else parse_layer(tree)
        return Layer(call.word, site=Site(call, environment)) if call else None
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        values = [evaluate(item, environment) for item in tree.items]
        return UNKNOWN if UNKNOWN in values else values
    entries = {key: evaluate(entry.value, environment) for key, entry in tree.entries.items()}
    return UNKNOWN if UNKNOWN in entries.values() else entries


def validate(
    model: type[Model],
    word: str,
    call: Span,
    arguments: dict[str, Argument],
    problems: Problems,
    given: MappingType[str, object] | None = None,
    partial: bool = False,
) -> Model | Unknown:
    """The model with these arguments, and the values `given` that need no evaluation; `partial` ones may lack some.

    UNKNOWN if something was wrong or unknown; what was wrong is in `problems`.
    """
    if not (arguments or given) and isinstance(default := _default(model), model):
        return default
    values: dict[str, Any] = dict(given or {})
    wrong: set[str] = set()
    layers = layer_fields(model)
    for name, argument in arguments.items():
        if name not in model.model_fields and not (name and model.model_config.get("extra") == "allow"):
            message, help = _unknown_field(model, word, name, argument.tree)
            problems.add("unknown-field", message, argument.key, help=help)
            wrong.update(model.model_fields)  # whichever field was meant, it is not missing
            continue
        try:
            value = evaluate(argument.tree, argument.environment, as_layer=name in layers)
        except SpecError as error:
            problems.extend(error.diagnostics)
            value = UNKNOWN
        if value is UNKNOWN:
            wrong.add(name)
        else:
            values[name] = value
    try:
        validated = model.model_validate(values)
    except ValidationError as error:
        lines = _distinct(error)
        fields = [line["loc"][0] for line in lines if line["loc"]]
        partial |= any(arguments[field].is_short for field in fields if field in arguments)
        for line in lines:
            if not line["loc"] and wrong:  # fields that do not go together, one of which is unknown
                continue
            if not _is_missing(line) or not (partial or line["loc"][0] in wrong):
                _report(line, word, call, arguments, problems, model)
        return UNKNOWN
    return UNKNOWN if wrong else validated


def _unknown_field(model: type[BaseModel], word: str, name: str, value: Tree) -> tuple[str, str]:
    """The message and the help for a field that is not there; without a name it is a call's only value."""
    if not name and issubclass(model, Operator) and model.not_short_for:
        return f"{word} has no short form", fields_meant(word, model.model_fields, model.not_short_for, value)
    if not name:
        return f"{word} takes no value", value_alone_meant(word, model.model_fields, value)
    branches = model.branch_fields() if issubclass(model, Operator) else ()
    of_call = not (issubclass(model, Initializer) or branches)
    help = field_meant(word, name, (*branches, *model.model_fields), of_call=of_call)
    return f"{word} has no field '{name}'", help


def _distinct(error: ValidationError) -> list[Any]:
    """One error for each field: a pair made of one number is wrong twice in the same way."""
    first: dict[object, Any] = {}
    for line in error.errors(include_url=False):
        first.setdefault(line["loc"][0] if line["loc"] else "", line)
    return list(first.values())


def _is_missing(line: Any) -> bool:
    """True if a field is missing, and not a part of its value."""
    return line["type"] == "missing" and len(line["loc"]) == 1


def _report(
    line: Any,
    word: str,
    call: Span,
    arguments: dict[str, Argument],
    problems: Problems,
    model: type[BaseModel],
) -> None:
    if not line["loc"]:  # fields that do not go together
        problems.add("invalid-value", f"{word} {reason(line)}", call)
        return
    field = str(line["loc"][0])
    if _is_missing(line):
        problems.add("missing-field", f"{word} needs the field '{field}'", call)
        return
    argument = arguments[field]
    tree: Tree = argument.tree
    for step in line["loc"][1:]:
        if isinstance(tree, Sequence) and isinstance(step, int) and step < len(tree.items):
            tree = tree.items[step]
        elif isinstance(tree, Mapping) and step in tree.entries:
            if line["type"] == "extra_forbidden":
                owner = f"{word}.{field}"
                meant = field_meant(owner, str(step), _inner_fields(model, field), of_call=False)
                problems.add("unknown-field", f"{owner} has no field '{step}'", tree.entries[step].key.span, help=meant)
                return
            field, tree = f"{field}.{step}", tree.entries[step].value
    value = line["input"]
    help = _meant(line) or (fraction_help(argument.tree, value) if line["type"] in _OF_INTEGERS else None)
    if line["type"] != "value_error":  # such as a pattern, which is no expression
        help = help or value_meant(word, model.model_fields, value, argument.environment, argument.is_short)
    found = requirement(line) if line["type"] == "missing" else f"{requirement(line)}, not {show(value)}"
    if line["type"] == "value_error":
        found = f"{show(value)} is wrong: {reason(line)}" if isinstance(value, str) else reason(line)
    problems.add("invalid-value", f"{word}.{field} {found}", tree.span, notes=origins(argument), help=help)


def origins(argument: Argument) -> tuple[Note, ...]:
    """Where the value of an expression comes from: what each name in it stands for."""
    if not isinstance(argument.tree, Scalar) or not is_expression(argument.tree):
        return ()
    values = {name: argument.environment.get(name, UNKNOWN) for name in _NAMES.findall(argument.tree.text)}
    spans = declared(argument.environment)
    return tuple(
        Note(f"${name} is {show(value)}", spans.get(name))
        for name, value in values.items()
        if not isinstance(value, Unknown | Refusal)
    )


def fraction_help(tree: Tree, value: object) -> str | None:
    """Help for an expression that gives a fraction where an integer is wanted."""
    if not isinstance(tree, Scalar) or not isinstance(value, float) or not is_expression(tree):
        return None
    if _DIVISION.search(tree.text):
        return "'/' gives a number with a fraction; '//' divides integers"
    return f"write int({tree.text}), or make_divisible({tree.text}) for a multiple of 8; '//' divides integers"


def _inner_fields(model: type[BaseModel], field: str) -> tuple[str, ...]:
    """The fields of the mapping that a field holds."""
    kinds = get_args(model.model_fields[field].annotation)
    return tuple([name for kind in kinds for name in getattr(kind, "model_fields", ())])


def _meant(line: Any) -> str | None:
    """The allowed word that was perhaps meant."""
    if line["type"] != "literal_error" or not isinstance(line["input"], str):
        return None
    return did_you_mean(line["input"], re.findall(r"'(\w+)'", line["ctx"]["expected"]))


def show(value: object) -> str:
    """A value in a message, where a text stands in quotes, and null is what YAML calls it."""
    return as_written(value, quote="'", none="null")

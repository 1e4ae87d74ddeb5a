"""Blocks defined in YAML: a call's arguments become the values that the body sees."""

from __future__ import annotations

from archc.blocks import Layer
from archc.diagnostics import SpecError, did_you_mean
from archc.elaborate.arguments import Argument, evaluate, known_fields, show
from archc.elaborate.problems import Problems
from archc.spec.document import BlockDefinition
from archc.spec.expressions import UNKNOWN
from archc.spec.items import Call
from archc.spec.signatures import TYPES, Signature


def bind(
    definition: BlockDefinition, call: Call, arguments: dict[str, Argument], problems: Problems
) -> dict[str, object] | None:
    """The values of a block's parameters; None if an argument was wrong or unknown (wrong ones are in `problems`)."""
    values: dict[str, object] = {}
    complete = True
    for name, argument in arguments.items():
        if name not in definition.parameters:
            help = did_you_mean(name, definition.parameters) or known_fields(call.word, definition.parameters)
            problems.add("unknown-field", f"{call.word} has no field '{name}'", argument.key, help=help)
            complete = False
    for name, signature in definition.parameters.items():
        given = arguments.get(name)
        if given is None and signature.default is not None:
            given = Argument(signature.span, signature.default, {})
        if given is None:
            problems.add("missing-field", f"{call.word} needs the field '{name}'", call.span)
            complete = False
            continue
        value = _value(signature, call.word, given, problems)
        complete = complete and value is not UNKNOWN
        values[name] = value
    return values if complete else None


def _value(signature: Signature, word: str, argument: Argument, problems: Problems) -> object:
    """The value of one argument; UNKNOWN if it is wrong or unknown."""
    try:
        value = evaluate(argument.tree, argument.environment, as_layer=signature.type == "layer")
    except SpecError as error:
        problems.extend(error.diagnostics)
        return UNKNOWN
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, list):
        value = tuple(value)
    fits = value is None or isinstance(value, Layer) if signature.type == "layer" else signature.accepts(value)
    if not fits:
        problems.add(
            "invalid-value",
            f"{word}.{signature.name} must be {TYPES[signature.type]}, not {show(value)}",
            argument.tree.span,
        )
        return UNKNOWN
    return value

"""Blocks defined in YAML: a call's arguments become the values that the body sees."""

from __future__ import annotations

from archc.blocks import Layer
from archc.diagnostics import SpecError
from archc.elaborate.arguments import Argument, evaluate, fraction_help, origins, show
from archc.elaborate.hints import field_meant, value_meant
from archc.elaborate.marks import Marks
from archc.elaborate.problems import Problems
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import UNKNOWN, Unknown
from archc.spec.language.items import Call
from archc.spec.language.signatures import TYPES, Signature
from archc.spec.tree import Scalar, Unreadable


def bind(
    definition: BlockDefinition,
    call: Call,
    arguments: dict[str, Argument],
    problems: Problems,
    marks: Marks,
    *,
    partial: bool = False,
) -> dict[str, object] | Unknown:
    """The values of a block's parameters; UNKNOWN if an argument was wrong or unknown (wrong ones are in `problems`).

    `partial` arguments may lack some. `marks` are the values that a parameter of type `value` can name.
    """
    values: dict[str, object] = {}
    complete = True
    for name, argument in arguments.items():
        if name not in definition.parameters:
            help = field_meant(call.word, name, definition.parameters)
            message = f"{call.word} has no field '{name}'" if name else f"{call.word} takes no value"
            problems.add("unknown-field", message, argument.key, help=help)
            complete, partial = False, True  # whichever field was meant, it is not missing
    for name, signature in definition.parameters.items():
        given = arguments.get(name)
        if given is None and signature.default is not None:
            given = Argument(signature.span, signature.default, {})
        if given is None:
            if not partial:
                problems.add("missing-field", f"{call.word} needs the field '{name}'", call.span)
            complete = False
            continue
        known = len(problems)
        if signature.type == "value":
            value: object = _marked(given, marks, f"{call.word}.{name}", problems)
        else:
            value = _value(signature, definition, given, problems)
        partial |= given.is_short and len(problems) > known
        complete = complete and value is not UNKNOWN
        values[name] = value
    return values if complete else UNKNOWN


def _marked(argument: Argument, marks: Marks, what: str, problems: Problems) -> object:
    """The value that an argument names; UNKNOWN if it is wrong or unknown."""
    tree = argument.tree
    if isinstance(tree, Scalar) and isinstance(tree.value, str):
        return marks.get(tree)
    if not isinstance(tree, Unreadable):
        problems.add("wrong-kind", f"{what} must be the name of a value", tree.span, help="such as skip: c4")
    return UNKNOWN


def _value(signature: Signature, definition: BlockDefinition, argument: Argument, problems: Problems) -> object:
    """The value of one argument; UNKNOWN if it is wrong or unknown."""
    word = definition.name
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
            notes=origins(argument),
            help=(fraction_help(argument.tree, value) if signature.type in ("int", "size") else None)
            or value_meant(word, definition.parameters, value, argument.environment, argument.is_short),
        )
        return UNKNOWN
    return value

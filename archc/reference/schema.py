"""JSON Schema of the spec language, made from the models that validate specs: for editors' completion and checks.

Draft 2020-12. Choices are made by `if`, not by `anyOf`, so that an editor tells what is wrong with the alternative that
was meant. Words that only the document knows (its own blocks, parameters) are allowed where it has `blocks` or `use`;
`archc check` judges them, and shapes and expressions.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from archc.blocks import block_words
from archc.ir.initializers import INITIALIZERS
from archc.ir.operator import Operator
from archc.operators import constant_words, is_join, join_words, operator_model, operator_words
from archc.reference.words import model_schema, word_model
from archc.spec.language.inputs import FORMS
from archc.spec.language.parsing import PIECES
from archc.spec.language.signatures import TYPES

Schema = dict[str, Any]

NAME = r"^[A-Za-z_][A-Za-z0-9_-]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
OUTPUT_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
PATH = r"^[A-Za-z0-9_$][A-Za-z0-9_$-]*(\.[A-Za-z0-9_$][A-Za-z0-9_$-]*)*$"
SIZE: Schema = {"type": "integer", "minimum": 1}
EXPRESSION = r"\$|\(| if "
CALL_KEYS: Schema = {
    "name": {
        "type": ["string", "number", "boolean"],
        "pattern": PATH,
        "description": "Module path; $i and $n count the copies.",
    },
    "count": {
        "type": ["integer", "string"],
        "minimum": 1,
        "description": "How often the item is written; a stride goes to the first copy only.",
    },
    "init": {"$ref": "#/$defs/tensors", "description": "Initializers of this item's tensors."},
}
NAMED: Schema = {
    "mark": {"type": "string", "pattern": VARIABLE, "description": "The value here has this name in what follows."},
    "from": {
        "type": "string",
        "pattern": rf"^\$?{VARIABLE[1:]}",
        "description": "The value of this name, in place of the one before.",
    },
    "share": {"type": ["string", "number"], "pattern": PATH, "description": "The item of this name, with its tensors."},
}


def json_schema() -> Schema:
    """The schema of a spec."""
    own_blocks = {"type": "object", "anyOf": [{"required": ["blocks"]}, {"required": ["use"]}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "A network for archc: inputs, items one after the other, one output or more.",
        "type": "object",
        "required": ["name"],
        "properties": {**_header(), **dict.fromkeys(("layers", *PIECES), True)},
        "additionalProperties": False,
        "if": own_blocks,
        "then": {"properties": _network("open")},
        "else": {"properties": _network("closed")},
        "oneOf": [{"required": ["layers"]}, {"anyOf": [{"required": [key]} for key in PIECES]}],
        "allOf": [{"oneOf": [{"required": ["input"]}, {"required": ["inputs"]}]}],
        "$defs": {
            **_shared_definitions(),
            **{f"{name}-open": schema for name, schema in _item_definitions("open").items()},
            **{f"{name}-closed": schema for name, schema in _item_definitions("closed").items()},
        },
    }


def _header() -> Schema:
    signature = {"type": "string", "pattern": rf"^\s*({'|'.join(TYPES)})\s*(=.*)?$"}
    return {
        "name": {"type": "string", "pattern": NAME, "description": "The network's name, and its default folder's."},
        "source": {"type": "string", "description": "Where the architecture was published."},
        "input": {"$ref": "#/$defs/input", "description": "What the network takes."},
        "inputs": {
            "type": "object",
            "propertyNames": {"pattern": OUTPUT_NAME},
            "additionalProperties": {"$ref": "#/$defs/input"},
            "minProperties": 1,
            "description": "Several inputs by name, in place of `input`; the first item receives the first.",
        },
        "parameters": {
            "type": "object",
            "additionalProperties": signature,
            "description": "Typed, with a default after '='; set with --set NAME=VALUE.",
        },
        "outputs": {
            "type": "array",
            "items": {"type": ["string", "integer"]},
            "minItems": 1,
            "description": "Module paths or marks at which the network is cut: their values are its outputs.",
        },
        "use": {"type": "array", "items": {"type": "string"}, "description": "Shared files of blocks."},
        "defaults": {
            "type": "object",
            "additionalProperties": {"type": "object"},
            "description": "Fields, by operator or block, where a call does not write them.",
        },
        "ramps": {"type": "object", "additionalProperties": _ramp()},
        "blocks": {"type": "object", "additionalProperties": _definition(signature)},
        "init": {
            "type": "object",
            "properties": {
                word: _init(operator_model(word)) for word in operator_words() if operator_model(word).tensors
            },
            "additionalProperties": False,
            "description": "Initializers by operator and tensor, where PyTorch's own are not wanted.",
        },
    }


def _input() -> Schema:
    """Any key of any form, so that editors offer it; and the keys of one form."""
    models = [model_schema(form) for form in FORMS]
    return {
        "description": "{channels, height, width}, {channels, length}, {channels, depth, height, width} or {features}.",
        "type": "object",
        "properties": {key: schema for model in models for key, schema in model["properties"].items()},
        "anyOf": [
            {"required": model["required"], "propertyNames": {"enum": list(model["properties"])}} for model in models
        ],
    }


def _ramp() -> Schema:
    number = {"type": "number"}
    return {
        "type": "object",
        "properties": {
            "blocks": {"type": "array", "items": {"type": "string"}},
            "start": number,
            "stop": number,
            "endpoint": {"type": "boolean"},
        },
        "required": ["blocks", "start", "stop"],
        "additionalProperties": False,
    }


def _definition(signature: Schema) -> Schema:
    bodies = ("layers", "sequence", "inline")
    return {
        "type": "object",
        "properties": {
            "parameters": {"type": "object", "additionalProperties": signature},
            "let": {"type": "object"},
            "results": {"type": "array", "items": {"type": "string", "pattern": VARIABLE}, "minItems": 1},
            **{body: {"$ref": "#/$defs/items-open"} for body in bodies},
        },
        "oneOf": [{"required": [body]} for body in bodies],
        "additionalProperties": False,
    }


def _network(words: str) -> Schema:
    return {key: {"$ref": f"#/$defs/items-{words}"} for key in ("layers", *PIECES)}


def _shared_definitions() -> Schema:
    initializers = {word: _fields(model, {}) for word, model in INITIALIZERS.items()}
    return {
        "input": _input(),
        "initializer": {
            "examples": list(initializers),
            "if": {"type": "string"},
            "then": {"enum": list(initializers)},
            "else": _single_key({"properties": initializers, "additionalProperties": False}),
        },
        "tensors": {"type": "object", "additionalProperties": {"$ref": "#/$defs/initializer"}},
        "layer": {
            "examples": ["none", *_words()],
            "if": {"type": "string"},
            "then": {"type": "string"},
            "else": {"type": "object", "minProperties": 1, "maxProperties": 1},
        },
    }


def _item_definitions(words: str) -> Schema:
    items, branch = ({"$ref": f"#/$defs/{name}-{words}"} for name in ("items", "branch"))
    return {
        "items": {"type": "array", "items": {"$ref": f"#/$defs/item-{words}"}},
        "item": {
            "if": {"type": "string"},
            "then": _word(words),
            "else": {
                "type": "object",
                "if": {"type": "object", "required": ["when"]},
                "then": {"$ref": f"#/$defs/when-{words}"},
                "else": _single_key(
                    {
                        "properties": _calls(words),
                        "patternProperties": {r"^\$": _reference()},
                        "additionalProperties": _other(words),
                    }
                ),
            },
        },
        "branch": {
            "if": {"type": "array"},
            "then": {**items, "minItems": 1},
            "else": {"$ref": f"#/$defs/item-{words}"},
        },
        "when": {
            "type": "object",
            "properties": {"when": {"type": ["string", "boolean"]}, "then": branch, "else": branch},
            "required": ["when", "then"],
            "additionalProperties": False,
        },
    }


def _reference() -> Schema:
    """The fields of a layer that a parameter holds."""
    fields = {"name": CALL_KEYS["name"]}
    return {"type": "object", "properties": fields, "required": ["name"], "additionalProperties": False}


def _word(words: str) -> Schema:
    known = {"enum": [*_words(), "none"]}
    return {"anyOf": [known, {"pattern": rf"^\$|{NAME}" if words == "open" else r"^\$"}]}


def _words() -> tuple[str, ...]:
    return tuple(word for word in (*operator_words(), *block_words()) if not is_join(word))


def _calls(words: str) -> Schema:
    items, item, branch = ({"$ref": f"#/$defs/{name}-{words}"} for name in ("items", "item", "branch"))
    return {
        **{word: _call(word, branch) for word in _words()},
        **{word: _join(word, branch) for word in join_words()},
        **NAMED,
        "constant": _constant(),
        "sequence": {**items, "description": "A module that numbers its items, named by its own position."},
        "output": {
            "type": "string",
            "pattern": OUTPUT_NAME,
            "description": "The value here is also an output of the network.",
        },
        "aux": {**item, "description": "A head that exists in training only."},
        "when": {"description": "Items under `then` if this is true, else those under `else`."},
    }


def _call(word: str, branch: Schema) -> Schema:
    """An operator or block with fields; some fields of an operator hold branches."""
    model = word_model(word)
    if not issubclass(model, Operator):
        return _fields(model, CALL_KEYS)
    if not model.branches:
        return _fields(model, {**CALL_KEYS, "init": _init(model), **_keys(model)})
    fields = _fields(model, dict.fromkeys(model.branches, branch))
    fields["then"]["required"] = [*fields["then"]["required"], *model.needed()]
    return fields


def _init(model: type[Operator]) -> Schema:
    """The initializers of an operator's tensors; one alone, if it is the only tensor and has no name."""
    return {"$ref": "#/$defs/initializer"} if model.tensors == ("",) else CALL_KEYS["init"]


def _keys(model: type[Operator]) -> Schema:
    key = {"type": ["string", "number"], "pattern": PATH}
    tensors = {"type": "object", "properties": dict.fromkeys(model.tensors, key), "additionalProperties": False}
    return {"keys": {**tensors, "description": "Other keys of its tensors."}} if model.functional else {}


def _join(word: str, branch: Schema) -> Schema:
    """The branches of a join as a list, or beside its fields."""
    branches: Schema = {"type": "array", "items": branch, "minItems": 2}
    fields = _fields(operator_model(word), {"branches": branches})["then"]
    return {
        "description": f"The {word} of branches from one value.",
        "if": {"type": "object"},
        "then": {**fields, "required": [*fields["required"], "branches"]},
        "else": branches,
    }


def _constant() -> Schema:
    """A source that computes its values by one of these functions."""
    others = {**CALL_KEYS, "value": True}
    functions = {word: _fields(operator_model(word), others)["then"] for word in constant_words()}
    return {
        "description": "A tensor that is computed by a function.",
        "type": "object",
        "properties": {"value": {"enum": list(functions)}},
        "required": ["value"],
        "allOf": [
            {"if": {"type": "object", "properties": {"value": {"const": word}}}, "then": fields}
            for word, fields in functions.items()
        ],
    }


def _other(words: str) -> Schema:
    """A word that is none of ours: the name of a sequence or scope, or a block of the document's own."""
    items = {"$ref": f"#/$defs/items-{words}"}
    scope = {"type": "object", "properties": {"layers": items}, "required": ["layers"], "additionalProperties": False}
    if words == "closed":
        return {"if": {"type": "array"}, "then": items, "else": scope}
    values = {"type": "array", "items": {"type": "number"}}  # the first field of an own block
    return {"if": {"type": "array"}, "then": {"if": values, "then": True, "else": items}, "else": True}


def _single_key(schema: Schema) -> Schema:
    return {"type": "object", "minProperties": 1, "maxProperties": 1, **schema}


def _fields(model: type[BaseModel], others: Schema) -> Schema:
    """The fields of a call and `others`: a mapping, or the scalar short form, the value of the first field."""
    described = model_schema(model)
    fields = {name: _or_expression(field) for name, field in described["properties"].items()}
    takes_sizes = issubclass(model, Operator) and model.takes_sizes()
    first = False if getattr(model, "not_short_for", None) else next(iter(fields.values()), False)
    return {
        "description": described.get("description", ""),
        "if": {"type": "object"},
        "then": {
            "properties": {**fields, **others},
            "required": described.get("required", []),
            "additionalProperties": _or_expression(SIZE) if takes_sizes else False,
        },
        "else": first,
    }


def _or_expression(field: Schema) -> Schema:
    """A field, or an expression in its place. Editors complete the values beside an `if`, but none inside it."""
    if "$ref" in field:  # a layer, which any text may stand for
        return field
    choice = {"if": {"type": "string", "pattern": EXPRESSION}, "then": True, "else": _lists_of_expressions(field)}
    values = _values(field)
    return {"examples": values, **choice} if values else choice


def _lists_of_expressions(field: Schema) -> Schema:
    """A field in whose lists and mappings an expression may stand for each value."""
    match field:
        case {"anyOf": options}:
            return {**field, "anyOf": list(map(_lists_of_expressions, options))}
        case {"items": dict() as items}:
            return {**field, "items": _or_expression(items)}
        case {"prefixItems": items}:
            return {**field, "prefixItems": list(map(_or_expression, items))}
        case {"properties": fields}:
            return {**field, "properties": {name: _or_expression(value) for name, value in fields.items()}}
    return field


def _values(field: Schema) -> list[Any]:
    """The values that a field names one by one."""
    match field:
        case {"anyOf": options}:
            return [value for option in options for value in _values(option)]
        case {"enum": values}:
            return list(values)
        case {"const": value}:
            return [value]
        case {"type": "boolean"}:
            return [True, False]
    return []

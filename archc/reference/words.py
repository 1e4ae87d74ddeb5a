"""Describes the words of the language: what each computes, and its fields, from the models that validate specs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from inspect import cleandoc
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from archc.blocks import BLOCKS, block_model, block_words, blocks_elsewhere
from archc.diagnostics import as_written
from archc.ir.initializers import INITIALIZERS
from archc.ir.operator import Operator
from archc.operators import OPERATORS, is_operator, known_elsewhere, operator_model, operator_words
from archc.reference.language import explanations
from archc.spec.repair.foreign import Meaning, meaning

SECTIONS = {"Operators": OPERATORS, "Blocks": BLOCKS, "Initializers": tuple(INITIALIZERS)}
"""Every built-in word."""


def sections() -> dict[str, tuple[str, ...]]:
    """Every word that has a model, those of other packages included."""
    return {**SECTIONS, "Operators": operator_words(), "Blocks": block_words()}


def words() -> tuple[str, ...]:
    """Every word that `describe` knows."""
    modelled = (word for section in sections().values() for word in section)
    return tuple(dict.fromkeys((*modelled, *explanations())))


def meant(word: str, others: Iterable[str] = ()) -> Meaning:
    """What is meant by a word that `describe` does not know: one that it knows, or one of these others."""
    return meaning(word, (*words(), *others), known_elsewhere() | blocks_elsewhere())


def summary(word: str) -> str:
    """The first line of what an operator, block or initializer says of itself. Raises KeyError."""
    return _text(word_model(word)).partition("\n")[0]


_HEAD = """\
# The words of the language

Every built-in operator, block and initializer with its fields; `archc explain WORD` shows the same. Fields and defaults
are those of the `torch.nn` module of that name. What has no default and is not required may be left out: it follows
from the input, and is checked where it is written.

"""


def describe(word: str) -> str:
    """What a word means and which fields it takes, for a terminal. Raises KeyError.

    A word may be several things: `constant` is an item and an initializer, `abs` a function and an operator.
    """
    if word not in explanations():
        return _page(word_model(word))
    kind = "an initializer" if word in INITIALIZERS else "an operator" if is_operator(word) else None
    return explanations()[word] + (f"\nAs {kind}: {_page(word_model(word))}" if kind else "")


def _page(model: type[BaseModel]) -> str:
    return "\n\n".join(filter(None, (_text(model), _table(model)))) + "\n"


def reference() -> str:
    """The same of every word, as a page in Markdown."""
    sections = (f"## {title}\n\n" + "\n".join(map(_entry, words)) for title, words in SECTIONS.items())
    return _HEAD + "\n".join(sections)


def _entry(word: str) -> str:
    model = word_model(word)
    first, *rest = _text(model).split("\n\n", 1)
    details = [f"```text\n{text}\n```" for text in rest]
    return "\n\n".join(filter(None, (f"### {word}", first, *details, _table(model)))) + "\n"


def _text(model: type[BaseModel]) -> str:
    return cleandoc(model.__doc__ or "").strip()


def word_model(word: str) -> type[BaseModel]:
    """The model of an operator, a block or an initializer. Raises KeyError."""
    for model in (operator_model, block_model):
        with suppress(KeyError):
            return model(word)
    return INITIALIZERS[word]


def _table(model: type[BaseModel]) -> str:
    schemas = model_schema(model)["properties"]
    rows = [[name, _values(schemas[name]), _default(field)] for name, field in model.model_fields.items()]
    if issubclass(model, Operator):
        rows += [["a size", "integer ≥ 1", ""]] if model.takes_sizes() else []
        rows += [[name, "a branch", "required" if name in model.needed() else ""] for name in model.branches]
    if not rows:
        return ""
    header = ["field", "value", "default"]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(3)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in (header, rule, *rows)
    )


def _values(schema: dict[str, Any]) -> str:
    """The values that a field takes, in words."""
    match schema:
        case {"anyOf": options}:
            return ", or ".join(_values(option) for option in options if option != {"type": "null"})
        case {"const": word} | {"enum": [word]}:
            return str(word)
        case {"enum": words}:
            return ", ".join(map(str, words[:-1])) + f" or {words[-1]}"
        case {"$ref": _}:
            return "an operator or block, or none"
        case {"properties": fields}:
            return f"{{{', '.join(f'{name}: {_values(field)}' for name, field in fields.items())}}}"
        case {"type": "array", "minItems": 2, "maxItems": 2}:
            return "a pair"
        case {"type": "array", "items": items}:
            return f"a list, each {_values(items)}"
        case {"type": "boolean"}:
            return "true or false"
    return f"{schema['type']}{_range(schema)}"


def _range(schema: dict[str, Any]) -> str:
    match schema:
        case {"minimum": low, "maximum": high}:
            return f" from {low} to {high}"
        case {"minimum": low}:
            return f" ≥ {low}"
        case {"exclusiveMinimum": bound}:
            return f" > {bound}"
    return ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    match field.default:
        case (first, second) if first == second:
            return as_written(first)
    return as_written(field.default, none="")


def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Pydantic's schema of a model, without titles, its own definitions written out."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    described: dict[str, Any] = _inlined(schema, definitions)
    described.setdefault("properties", {})
    return described


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref", "")
    if reference.rpartition("/")[2] in definitions:
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    if node.get("format") == "layer":
        return {"$ref": "#/$defs/layer"}
    kept = {key: value for key, value in node.items() if key != "title" or not isinstance(value, str)}
    kept.pop("discriminator", None)
    return {key: _inlined(value, definitions) for key, value in kept.items()}

"""What is likely to be meant by a field that is not there, and by a value that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from archc.diagnostics import nearest, with_part
from archc.operators import is_operator
from archc.spec.language.arithmetic import FUNCTIONS
from archc.spec.language.calls import CALL_KEYS
from archc.spec.repair.foreign import CALL_KEYS_ELSEWHERE
from archc.spec.repair.hints import colon_meant, function_meant
from archc.spec.tree import Scalar, Sequence, Tree

_NEAR = 0.7  # 'units' is 0.67 near to 'init'
_CALLED = re.compile(r"(\w+)\s*\(")
_WORD = re.compile(r"(?<![\w.$])[A-Za-z_]\w*")


def known_fields(word: str, fields: Iterable[str]) -> str:
    """Help that lists the fields of an operator or block."""
    listed = ", ".join(fields)
    return f"{word} has the fields {listed}" if listed else f"{word} has no fields"


def field_meant(word: str, name: str, fields: Iterable[str], *, of_call: bool = True) -> str:
    """Help for a field that is not there; every call has a name, a count and an `init`."""
    if help := colon_meant(name):
        return help
    keys = CALL_KEYS if of_call and name else ()
    meant = with_part(name, fields) or (CALL_KEYS_ELSEWHERE.get(name) if keys else None)
    meant = meant or nearest(name, (*fields, *keys), _NEAR)
    return f"did you mean '{meant}'?" if meant else known_fields(word, fields)


def value_alone_meant(word: str, fields: Iterable[str], value: Tree) -> str:
    """Help for a value where a call takes none: `relu: 6`."""
    together = f"{word}{value.text}" if isinstance(value, Scalar) else word
    return f"did you mean '{together}'?" if is_operator(together) else known_fields(word, fields)


def fields_meant(word: str, fields: Iterable[str], follows: str, value: Tree) -> str:
    """Help for a value alone where there is no short form; a whole number may be meant for what `follows` by itself."""
    if isinstance(value, Scalar) and isinstance(value.value, int):
        return f"write '{word}' alone, for {follows} follows from the input"
    text = value.text if isinstance(value, Scalar) else "…"
    written = f"'{word}: {{{next(iter(fields))}: {text}}}'"
    if isinstance(value, Scalar) and isinstance(value.value, float):
        return f"write {written}"
    return f"write '{word}' alone, for {follows} follows from the input, or {written}"


def list_meant(word: str, fields: list[str], values: Sequence) -> str:
    """Help for a list of values in place of fields, the first of which is no list."""
    texts = [item.text if isinstance(item, Scalar) else "…" for item in values.items]
    if not fields:
        return known_fields(word, fields)
    return f"write '{word}: {{{_named(fields, texts)}}}'"


def _named(fields: Iterable[str], texts: Iterable[str]) -> str:
    return ", ".join(f"{field}: {text}" for field, text in zip(fields, texts, strict=False))


def value_meant(
    word: str, fields: Iterable[str], value: object, names: Mapping[str, object], short: bool
) -> str | None:
    """Help for a text in place of a number; `short` says that it is the only value of a call."""
    if not isinstance(value, str):
        return None
    if value.startswith("(") and value.endswith(")"):
        parts = [part.strip() for part in value[1:-1].split(",")]
        if short:
            return f"fields have names: '{word}: {{{_named(fields, parts)}}}'"
        return f"a pair is written [{', '.join(parts)}]"
    if called := _CALLED.match(value):
        return function_meant(called[1], FUNCTIONS)
    meant = _WORD.sub(lambda match: f"${match[0]}" if match[0] in names else match[0], value)
    return f"write '{meant}' for the parameter's value" if meant != value else None

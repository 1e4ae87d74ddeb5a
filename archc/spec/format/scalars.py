"""Scalars as text: quotes only where YAML 1.2 needs them, and the shortest number."""

from __future__ import annotations

import re

from archc.spec.yaml.scalars import resolve

_NEEDS_ESCAPE = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_NEEDS_QUOTES = re.compile(
    r"^[-?:](\s|$)|^[,\[\]{}#&*!|>'\"%@`]"  # what begins an item, a key, a list, a comment …
    r"|^---|^\.\.\."  # the end of a document
    r"|^\s|\s$|:(\s|$)|\s#"  # what a reader would leave out, or take for a key or a comment
)
_NEEDS_QUOTES_IN_FLOW = re.compile(
    r"[,\[\]{}?:]"
    r"|^(?!\w+\()[^$=]* [^$=]*$"  # YAML does not: a text of several words, which is no expression, is easier to read so
)
_ESCAPES = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def text(value: str, *, in_flow: bool) -> str:
    """A text as a scalar that is read back as the same text; `in_flow`: within brackets."""
    patterns = (_NEEDS_ESCAPE, _NEEDS_QUOTES, *([_NEEDS_QUOTES_IN_FLOW] if in_flow else []))
    is_plain = _is_read_as_text(value) and not any(pattern.search(value) for pattern in patterns)
    return value if is_plain else _quoted(value)


def number(value: float | None) -> str:
    """A number, boolean or null in its shortest form: `1e-5`, `1e-3`, but `0.01` and `1000.0`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    shown = repr(value).replace("e-0", "e-").replace("e+", "e")
    if isinstance(value, float) and 0 < abs(value) < 1:
        return min(shown, _scientific(value), key=len)
    return shown


def _scientific(value: float) -> str:
    """The fewest digits that are read back as this number, with an exponent."""
    shortest = next(each for n in range(17) if float(each := f"{value:.{n}e}") == value)
    return shortest.replace("e-0", "e-")


def _is_read_as_text(value: str) -> bool:
    try:
        return isinstance(resolve(value), str)
    except OverflowError:
        return False


def _quoted(value: str) -> str:
    """In double quotes; in single ones where those spare escapes."""
    if ('"' in value or "\\" in value) and not _NEEDS_ESCAPE.search(value):
        return "'" + value.replace("'", "''") + "'"
    escaped = "".join(_ESCAPES.get(character, character) for character in value)
    return '"' + _NEEDS_ESCAPE.sub(lambda match: f"\\U{ord(match[0]):08x}", escaped) + '"'

"""What is likely to be meant by mistakes that many make. Each function gives a help, or None."""

from __future__ import annotations

import re
from collections.abc import Iterable

from archc.diagnostics import did_you_mean

_SYMBOLS = {"&&": "'and'", "||": "'or'", "&": "'and'", "|": "'or'", "=": "'=='", "!": "'not'"}
_WHOLE = ("trunc", "long")
_FAR = 200  # characters in which a hint is looked for
_LAST_WORD = re.compile(r"(?P<semicolon>;)?\s+(?P<word>[A-Za-z_]\w*)$")
_CALL_WITHOUT_COLON = re.compile(r"\s*- ([A-Za-z_]\w*) *\{")
_WORD_ALONE = re.compile(r"\s*- ([A-Za-z_]\w*) *")
_BEFORE_BRACKET = re.compile(r"(?::\s|[\[,])\s*(?P<text>[^\s,\[\]{}:][^,\[\]{}:]*)$")
_BRACKET = re.compile(r"\[[^\]]*\][^,\[\]{}]*")
_COLON = re.compile(r"(?P<word>[A-Za-z][\w.]*)[:\uff1a](?P<value>.*)", re.DOTALL)


def symbol_meant(text: str) -> str | None:
    """For a text that begins with what is no symbol of an expression."""
    symbol = next((symbol for symbol in _SYMBOLS if text.startswith(symbol)), None)
    if symbol:
        return f"write {_SYMBOLS[symbol]}"
    return "there are no texts in an expression" if text.startswith(("'", '"')) else None


def function_meant(name: str, functions: Iterable[str]) -> str:
    """For a function that there is not; `functions` are those that there are."""
    if name in _WHOLE:
        return "divide by '//', or use int, floor, ceil or round"
    return did_you_mean(name, functions) or f"the functions are {', '.join(functions)}"


def fields_meant(above: str, line: str, column: int, *, is_flow: bool) -> str:
    """For a colon at which YAML cannot go on: the line, the one above it, and whether it lies in `{…}`."""
    before = line[max(0, column - _FAR) : column]
    if is_flow and (field := _LAST_WORD.search(before)):
        return f"write a comma{' in place of the semicolon' if field['semicolon'] else ''} before '{field['word']}'"
    if call := _CALL_WITHOUT_COLON.match(line[:_FAR]):
        return f"write a colon after '{call[1]}': '- {call[1]}: {{…}}'"
    if call := _WORD_ALONE.fullmatch(above[:_FAR]):
        return f"write '- {call[1]}:' with a colon to give it fields"
    return "a value that contains ': ' must be quoted; the fields of a call are indented below it"


def bracket_meant(before: str, after: str) -> str | None:
    """For a bracket that a flow collection cannot hold: `{kernel: size = [1, 3]}`, `{width: $widths[0]}`."""
    begin, rest = _BEFORE_BRACKET.search(before[-_FAR:]), _BRACKET.match(after[:_FAR])
    if begin is None or rest is None:
        return None
    text = begin["text"] + rest[0].rstrip()
    return f'quote it: "{text}"' if text.count("(") == text.count(")") else "quote the whole expression"


def colon_meant(text: str) -> str | None:
    """For a word or key with a colon in it, after which there is no space that YAML knows."""
    match = _COLON.match(text)
    if match is None:
        return None
    value = match["value"]
    if "\uff1a" in text or value[:1].isspace():
        strange = "\uff1a" if "\uff1a" in text else value[0]
        return f"the character U+{ord(strange):04X} is not YAML's: write '{match['word']}: {value.strip()}'"
    return f"write a space after the colon: '{match['word']}: {value}'"

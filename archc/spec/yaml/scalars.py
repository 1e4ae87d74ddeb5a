"""Plain scalars after YAML 1.2's core schema (section 10.3.2), whatever the parser's own habits.

`no`, `on`, `yes`, `off`, `1:30` and dates are strings; `010` is ten; `0o10` is eight; `1e-5` is a number. Of
what the schema allows, numbers that no spec can mean are refused: infinities, NaN, and integers beyond 64
bits.
"""

from __future__ import annotations

import math
import re

MAX_INTEGER = 2**63 - 1

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar. Raises OverflowError: a number beyond 64 bits, or not finite."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise OverflowError("is beyond the range of float64")
        return value
    if _NOT_FINITE.fullmatch(text):
        raise OverflowError("is not finite")
    return text


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    digits = (text.lstrip("+-") if base == 10 else text[2:]).lstrip("0") or "0"
    # Reading decimal digits takes time quadratic in their number, so they are counted first.
    if len(digits) > 64 or int(digits, base) > MAX_INTEGER:
        raise OverflowError("is beyond 64 bits")
    return -int(digits, base) if text.startswith("-") else int(digits, base)

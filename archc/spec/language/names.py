"""What can be a name in a spec."""

from __future__ import annotations

import re
from keyword import iskeyword

from archc.operators import JOINS

LONGEST = 200

RESERVED = frozenset(
    (
        *(*JOINS, "sequence", "identity", "none"),
        *("when", "then", "else", "output", "aux", "mark", "from", "share", "constant"),
    )
)
"""Words of the grammar, which no block or sequence can be called."""

NAMES_OF_CODE = ("self", "getattr", "torch", "functools", "Outputs", "TrainingOutputs")
"""Names that the code of a generated module has uses for."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*")
_TEMPLATE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")


def is_name(text: str) -> bool:
    """True if a spec, an operator or a block can be called so: letters, digits, `_`, `-`."""
    return _NAME.fullmatch(text) is not None and len(text) <= LONGEST


def is_output_name(text: str) -> bool:
    """True if an output of the network can be called so: it becomes a field of a NamedTuple in Python."""
    return is_variable(text) and not text.startswith("_") and not iskeyword(text)


def is_input_name(text: str) -> bool:
    """True if one of several inputs can be called so: it becomes a parameter of `forward`."""
    return is_output_name(text) and text not in NAMES_OF_CODE


def is_variable(text: str) -> bool:
    """True if `$text` can stand in an expression, where `-` subtracts."""
    return _VARIABLE.fullmatch(text) is not None and len(text) <= LONGEST


def is_path(text: str) -> bool:
    """True if an item can be called so: names joined by dots, each of which may begin with a digit."""
    return _PATH.fullmatch(text) is not None and len(text) <= LONGEST


def is_path_template(text: str) -> bool:
    """True if a text is a path once every `$name` in it is replaced by a word."""
    return is_path(_TEMPLATE.sub("0", text))

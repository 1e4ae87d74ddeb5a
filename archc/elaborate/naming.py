"""Names of items and classes."""

from __future__ import annotations

import re
from keyword import iskeyword

from archc.diagnostics import Span
from archc.elaborate.environment import Here
from archc.spec.language.expressions import UNKNOWN, substitute
from archc.spec.tree import Scalar

TAKEN = ("Outputs", "TrainingOutputs", "GeneratedModule", "GeneratedSequential", "FixedSequential")
"""Classes that the source of a generated module defines or names."""


def is_template(name: Scalar) -> bool:
    """True if each copy of a counted item gets a name of its own: `block1-$i`."""
    return "$i" in name.text or "$n" in name.text


def counters_meant(written: Span) -> str | None:
    """Help for a name that is taken, where it is made of counters: those of a counted call count its own copies."""
    text = written.source.lines[written.line][written.column :]
    if not re.match(r"[\w.-]*\$[in]\b", text):
        return None
    return "in a counted call $i and $n are its own; for those of the block around it write let: {k: $n}, and use $k"


def item_name(name: Scalar | None, here: Here, copy: int | None) -> str | None:
    """The name of an item: `$i` (from 0) and `$n` (from 1) count the copies of a counted item.

    In an item that is not counted (`copy` is None) they are those of the block that it stands in. An unknown name is
    None, as if it had been left out. Raises SpecError.
    """
    if name is None or "$" not in name.text:
        return name.text if name else None
    names = {"i": 0, "n": 1, **here.names} if copy is None else {**here.names, "i": copy, "n": copy + 1}
    filled = substitute(name.text, Here(names, here.type), name.span)
    return None if filled is UNKNOWN else filled


def camel_case(word: str) -> str:
    """The class name of a word: `inverted_residual` -> `InvertedResidual`; after PEP 8, `none` -> `None_`."""
    parts = "".join(character if character.isalnum() else "_" for character in word).split("_")
    name = "".join(part[:1].upper() + part[1:] for part in parts)
    name = name if name[:1].isalpha() else f"Network{name}"
    return f"{name}_" if iskeyword(name) or name in TAKEN else name

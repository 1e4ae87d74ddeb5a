"""Names of items and classes."""

from __future__ import annotations

from collections.abc import Mapping

from archc.spec.expressions import substitute
from archc.spec.tree import Scalar


def is_template(name: Scalar) -> bool:
    """Whether each copy of a counted item gets a name of its own: `block1-$i`."""
    return "$i" in name.text or "$n" in name.text


def item_name(name: Scalar | None, environment: Mapping[str, object], copy: int) -> str | None:
    """The name of one copy, with `$i` (from 0) and `$n` (from 1) filled in. Raises SpecError."""
    if name is None:
        return None
    if "$" not in name.text:
        return str(name.value)
    return substitute(name.text, {**environment, "i": copy, "n": copy + 1}, name.span)


def camel_case(word: str) -> str:
    """The class name of a word: `inverted_residual` -> `InvertedResidual`."""
    parts = "".join(character if character.isalnum() else "_" for character in word).split("_")
    name = "".join(part[:1].upper() + part[1:] for part in parts)
    return name if name[:1].isalpha() else f"Network{name}"

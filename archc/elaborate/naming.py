"""Names of items and classes."""

from __future__ import annotations

from collections.abc import Mapping

from archc.spec.language.expressions import substitute
from archc.spec.tree import Scalar


def is_template(name: Scalar) -> bool:
    """Whether each copy of a counted item gets a name of its own: `block1-$i`."""
    return "$i" in name.text or "$n" in name.text


def item_name(name: Scalar | None, environment: Mapping[str, object], copy: int | None) -> str | None:
    """The name of an item: `$i` (from 0) and `$n` (from 1) count the copies of a counted item.

    In an item that is not counted (`copy` is None) they are those of the block that it stands in. Raises SpecError.
    """
    if name is None or "$" not in name.text:
        return name.text if name else None
    own = {"i": 0, "n": 1, **environment} if copy is None else {**environment, "i": copy, "n": copy + 1}
    return substitute(name.text, own, name.span)


def camel_case(word: str) -> str:
    """The class name of a word: `inverted_residual` -> `InvertedResidual`."""
    parts = "".join(character if character.isalnum() else "_" for character in word).split("_")
    name = "".join(part[:1].upper() + part[1:] for part in parts)
    return name if name[:1].isalpha() else f"Network{name}"

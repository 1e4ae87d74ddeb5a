"""The forms that a tree in a list of items can have."""

from __future__ import annotations

from collections.abc import Iterable

from archc.operators import is_operator
from archc.spec.language.expressions import is_expression
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable


def is_word(tree: Tree, word: str) -> bool:
    """True if a tree is this word."""
    return isinstance(tree, Scalar) and tree.value == word


def are_values(tree: Sequence, word: str) -> bool:
    """True if nothing in a list is an item: `permute: [0, 2, 3, 1]`. Below an operator's word `$x` is a value, too."""
    is_known = is_operator(word)
    return bool(tree.items) and not any(
        _may_be_item(item) and not (is_known and is_expression(item)) for item in tree.items
    )


def layers_of(fields: Mapping) -> Sequence | None:
    """The items of a scope, `{layers: […]}`; None for the fields of a call."""
    layers = fields.get("layers") if len(fields.entries) == 1 and not fields.lost else None
    if isinstance(layers, Sequence) and (not layers.items or any(map(_may_be_item, layers.items))):
        return layers
    return None


def _may_be_item(tree: Tree) -> bool:
    if isinstance(tree, Scalar):
        return tree.value is None or isinstance(tree.value, str)
    return not isinstance(tree, Unreadable)


def without(tree: Mapping, keys: Iterable[str]) -> dict[str, Entry]:
    """The entries of a mapping, except these."""
    return {key: entry for key, entry in tree.entries.items() if key not in keys}

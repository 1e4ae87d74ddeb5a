"""Which lists and mappings read well on one line."""

from __future__ import annotations

import re

from archc.operators import is_join
from archc.spec.format import scalars
from archc.spec.format.nodes import Group, Leaf, Node
from archc.spec.language.parsing import BODIES, PIECES

ITEMS = (*BODIES, *PIECES, "then", "else")
"""Keys whose list is a list of items."""

_WORD = re.compile(r"\$?[A-Za-z_][\w-]*")


def joins(group: Group, key: str | None, *, is_item: bool = False) -> bool:
    """True for a group that a person wrote on one line, a call with simple fields, a list of values, short branches.

    `key` is what it stands under, None in a list; `is_item`: the key is all that an item has.
    """
    if group.is_flow or not group.parts:
        return True
    return _mapping_joins(group) if group.is_mapping else _list_joins(group, key, is_item=is_item)


def _mapping_joins(group: Group) -> bool:
    """True if each field does, and at most one needs quotes for it, or nests twice."""
    held = [(part.value, part.key.text if part.key else None) for part in group.parts]
    groups = [(value, key) for value, key in held if isinstance(value, Group)]
    return (
        all(joins(value, key) for value, key in groups)
        and sum(any(isinstance(part.value, Group) for part in value.parts) for value, _ in groups) < 2
        and sum(map(_needs_quotes_for_it, group.leaves())) < 2
    )


def _list_joins(group: Group, key: str | None, *, is_item: bool) -> bool:
    """True for a list of values, and for branches that are words and short calls."""
    values = [part.value for part in group.parts]
    if key is not None and is_join(key):
        return all(isinstance(value, Leaf) or _is_short(value) for value in values)
    may_be_items = is_item or key is None or key in ITEMS
    return all(isinstance(value, Leaf) for value in values) and not (may_be_items and all(map(_is_word, values)))


def _is_short(value: Group) -> bool:
    """True for a call in its short form."""
    return value.is_mapping and len(value.parts) == 1 and isinstance(value.parts[0].value, Leaf)


def _is_word(value: Node) -> bool:
    return isinstance(value, Leaf) and value.is_text and _WORD.fullmatch(value.text) is not None


def _needs_quotes_for_it(leaf: Leaf) -> bool:
    return leaf.is_text and scalars.text(leaf.text, in_flow=True) != scalars.text(leaf.text, in_flow=False)

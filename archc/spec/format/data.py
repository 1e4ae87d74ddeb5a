"""Plain data -> text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archc.spec.format import scalars
from archc.spec.format.document import text_of
from archc.spec.format.nodes import Group, Leaf, Node, Part


def format_document(data: object) -> str:
    """The text of a spec, a shared file, or anything else that is read back as the same data."""
    return text_of(_node(data))


def _node(data: object) -> Node:
    match data:
        case str():
            return Leaf(data)
        case None | bool() | int() | float():
            return Leaf(scalars.number(data), is_text=False)
        case Mapping():
            return Group(is_mapping=True, parts=[Part(_node(value), Leaf(key)) for key, value in data.items()])
        case Sequence():
            return Group(is_mapping=False, parts=[Part(_node(value)) for value in data])
    raise TypeError(f"a spec cannot hold {data!r}")

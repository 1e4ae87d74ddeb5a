"""Nodes -> text on one line."""

from __future__ import annotations

from archc.spec.format import scalars
from archc.spec.format.nodes import Group, Leaf, Node, Part


def flow(group: Group) -> str:
    """A group in brackets, on one line."""
    inner = "".join(f"{flow_part(part)}, {' ' * part.padding}" for part in group.parts)[:-2]
    shown = f"{{{inner}}}" if group.is_mapping else f"[{inner}]"
    return f"&{group.anchor} {shown}" if group.anchor else shown


def flow_part(part: Part) -> str:
    """A part of a group in brackets; `linear: 10` in a list, not `{linear: 10}`."""
    value = part.value
    if part.key is not None:
        return f"{key_text(part.key, in_flow=True)} {' ' * part.indent}{value_text(value)}"
    if isinstance(value, Group) and value.is_mapping and len(value.parts) == 1 and not value.anchor:
        return flow_part(value.parts[0])
    return value_text(value)


def value_text(value: Node) -> str:
    """A value in brackets."""
    return flow(value) if isinstance(value, Group) else leaf(value, in_flow=True)


def key_text(key: Leaf, *, in_flow: bool = False) -> str:
    """A key and its colon."""
    shown = leaf(key, in_flow=in_flow)
    return f"{shown}:" if key.is_text else f"{shown} :"  # the name of an alias may end in `:`


def leaf(value: Leaf, *, in_flow: bool = False) -> str:
    """A scalar or an alias."""
    shown = scalars.text(value.text, in_flow=in_flow) if value.is_text else value.text
    return f"&{value.anchor} {shown}" if value.anchor else shown

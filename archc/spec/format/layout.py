"""Nodes -> lines: every part of a group has a line, or the whole group has one."""

from __future__ import annotations

from archc.spec.format.columns import align
from archc.spec.format.flow import flow, flow_part, key_text, leaf
from archc.spec.format.joining import joins
from archc.spec.format.nodes import Group, Leaf, Part

WIDTH = 120
"""Characters of a line at most, its comment not counted. A single value can be longer."""

STEP = 2
MOST_KEY = 1000
"""Characters of a key beside its value. YAML's parsers take a longer one only after `? `."""


def lines_of(group: Group, indent: int = 0, broken: tuple[str, ...] = (), *, is_item: bool = False) -> list[str]:
    """A group part by part. The values of the keys `broken` are never on one line; `is_item`: it follows a `- `."""
    if not group.is_mapping:
        align([part for part in group.parts if indent + STEP + len(flow_part(part)) <= WIDTH])
    lines, is_call = [], is_item and len(group.parts) == 1
    for part in group.parts:
        is_broken = part.key is not None and part.key.text in broken
        first, *rest = _lines_of_part(part, indent, is_item=is_call, is_broken=is_broken)
        beside = f"  {part.beside}" if part.beside else ""
        lines += [*_comments(part.above, indent), " " * indent + first + beside, *rest]
    return lines + _comments(group.end, indent)


def _lines_of_part(part: Part, indent: int, *, is_item: bool, is_broken: bool) -> list[str]:
    """A part, the first line without its margin."""
    head, value = _head(part, indent), part.value
    if isinstance(value, Leaf):
        return [f"{head} {leaf(value)}"]
    is_compact = part.key is None and not value.anchor and bool(value.parts)
    line = None if is_broken or (is_compact and value.is_mapping) else _line(part, value, is_item=is_item)
    if not value.parts or (line is not None and indent + len(head) + len(line) < WIDTH):
        return [f"{head} {line or flow(value)}"]
    if is_compact:
        first, *rest = lines_of(value, indent + STEP, is_item=True)
        return [f"{head} {first.lstrip(' ')}", *rest]
    return [f"{head} &{value.anchor}" if value.anchor else head, *lines_of(value, indent + STEP)]


def _line(part: Part, value: Group, *, is_item: bool) -> str | None:
    """A value on one line, if it reads well so and has no comments inside."""
    key = part.key.text if part.key else None
    return flow(value) if joins(value, key, is_item=is_item) and not value.has_comments else None


def _comments(lines: list[str], indent: int) -> list[str]:
    return [" " * indent + line if line else "" for line in lines]


def _head(part: Part, indent: int) -> str:
    if part.key is None:
        return "-"
    head = key_text(part.key)
    return head if len(head) <= MOST_KEY else f"? {head[:-1]}\n{' ' * indent}:"

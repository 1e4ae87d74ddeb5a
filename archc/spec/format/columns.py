"""Values in columns: calls of one word that a person has aligned stay aligned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from archc.spec.format.flow import value_text
from archc.spec.format.nodes import Group, Leaf, Part

Table = list[Group]


def align(items: Iterable[Part]) -> None:
    """Side effect: brings the fields of like items into columns, if any of them has columns."""
    tables: defaultdict[tuple[str, ...], Table] = defaultdict(list)
    for item in items:
        words, fields = _fields(item)
        if fields is not None:
            tables[words].append(fields)
    for table in tables.values():
        if any(fields.is_aligned for fields in table):
            _align(table)


def _fields(item: Part) -> tuple[tuple[str, ...], Group | None]:
    """The words around the fields of an item, and the fields: those of `- a: {…}`, or of `- a: [b: {…}]`."""
    words, part = [item.key.text if item.key else "-"], item
    while isinstance(part.value, Group) and len(part.value.parts) == 1 and not part.value.has_comments:
        (part,) = part.value.parts
        words.append(part.key.text if part.key else "-")
    value = part.value
    return tuple(words), value if isinstance(value, Group) and value.is_mapping and not value.has_comments else None


def _align(table: Table) -> None:
    columns: defaultdict[str, list[Part]] = defaultdict(list)
    following: defaultdict[str, set[str]] = defaultdict(set)
    for fields in table:
        keys = list(fields.values())
        for key, after, part in zip(keys, [*keys[1:], ""], fields.parts, strict=True):
            columns[key].append(part)
            following[key].add(after)
    for key, parts in columns.items():
        _set_spaces(parts, is_followed=len(following[key]) == 1 and "" not in following[key])


def _set_spaces(column: list[Part], *, is_followed: bool) -> None:
    """Numbers end where the column ends. Texts begin where it begins, if the same column follows in every row."""
    are_numbers = all(isinstance(part.value, Leaf) and part.value.text.isdecimal() for part in column)
    lengths = [len(value_text(part.value)) for part in column]
    for part, length in zip(column, lengths, strict=True):
        missing = max(lengths) - length
        part.indent = missing if are_numbers else 0
        part.padding = missing if is_followed and not are_numbers else 0

"""Sections whose entries stand beside them, since they are not indented: recognised, and read as they are meant."""

from __future__ import annotations

from collections.abc import Callable

from archc.diagnostics import Diagnostic
from archc.spec.tree import Entry, Mapping, Scalar

Test = Callable[[str], bool]


def indented(tree: Mapping, is_owner: Test, is_part: Test) -> tuple[Mapping, list[Diagnostic]]:
    """The mapping, in which an owner without a value gets the parts that follow it; one diagnostic for each."""
    entries: dict[str, Entry] = {}
    parts: dict[str, Entry] | None = None
    problems: list[Diagnostic] = []
    owner: Entry | None = None
    for key, entry in tree.entries.items():
        if owner is not None and is_part(key):
            if parts is None:
                parts = {}
                problems.append(_problem(owner, entry))
                entries[owner.key.text] = Entry(owner.key, Mapping(parts, entry.key.span.to(tree.span)))
            parts[key] = entry
            continue
        parts, owner = None, entry if is_owner(key) and _is_empty(entry) else None
        entries[key] = entry
    return tree._replace(entries=entries), problems


def _problem(owner: Entry, part: Entry) -> Diagnostic:
    name = owner.key.text
    message = f"'{part.key.text}' stands beside '{name}', which is empty"
    return Diagnostic("wrong-kind", message, part.key.span, help=f"indent what belongs to '{name}' below it")


def _is_empty(entry: Entry) -> bool:
    return isinstance(entry.value, Scalar) and entry.value.value is None and entry.value.text == ""

"""Marks: which values need a name, and the names that a person would choose."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from archc.lifting.items import Call, From, Group, Item, Mark, Output, bodies, walk


def with_marks(items: list[Item], inputs: Iterable[str]) -> list[Item]:
    """With a mark behind each value that is needed again; inputs and outputs have names of their own."""
    _mark(items, set(wanted(items)) - {*inputs, *_named_by_outputs(items)})
    return items


def _named_by_outputs(items: list[Item]) -> dict[str, str]:
    """The names of values that are outputs where they are made."""
    pairs = zip([None, *items], items, strict=False)
    return {
        item.gives: item.name for before, item in pairs if isinstance(item, Output) and not isinstance(before, From)
    }


def wanted(items: Iterable[Item]) -> Iterator[str]:
    """The values that items ask for by name."""
    for item in walk(items):
        if isinstance(item, From):
            yield item.gives
        elif isinstance(item, Call):
            yield from item.values.values()
            if item.like:
                yield item.like


def _mark(items: list[Item], needed: set[str]) -> None:
    """Append marks, the innermost first, for a value that a group gives is marked inside it or behind it once."""
    index = 0
    while index < len(items):
        item = items[index]
        if item.gives in needed and not isinstance(item, From):
            needed.discard(item.gives)
            items.insert(index + 1, Mark(gives=item.gives))
            index += 1
        for body in bodies(item):
            _mark(body, needed)
        index += 1


def name_marks(items: list[Item], given: Collection[str]) -> None:
    """Replace the values of one body by names; `given` have one already, and keep their marks; unused ones go."""
    used = {*wanted(items), *given}
    _without_unused(items, used)
    names = {value: value for value in given}
    names |= _named_by_outputs(items)
    for body in _bodies(items):
        for before, item in zip([None, *body], body, strict=False):
            if isinstance(item, Mark) and item.gives not in names:
                names[item.gives] = _unused(_proposed(before), set(names.values()))
            elif isinstance(item, Call):
                for value in item.results:
                    names.setdefault(value, _unused("", set(names.values())))
    rename(items, names)


def rename(items: list[Item], names: Mapping[str, str]) -> None:
    """Give every value that items name its name among these."""
    for item in walk(items):
        if isinstance(item, From | Mark):
            item.gives = names[item.gives]
        elif isinstance(item, Call):
            item.values = {key: names[value] for key, value in item.values.items()}
            item.results = [names[value] for value in item.results]
            item.like = names[item.like] if item.like else ""


def _bodies(items: list[Item]) -> Iterator[list[Item]]:
    yield items
    for item in items:
        for body in bodies(item):
            yield from _bodies(body)


def _without_unused(items: list[Item], used: set[str]) -> None:
    for body in list(_bodies(items)):
        body[:] = [item for item in body if not isinstance(item, Mark) or item.gives in used]


def _proposed(item: Item | None) -> str:
    """The name of a module, where it has one that is no number."""
    name = item.name if isinstance(item, Group | Call) else None
    last = (name or "").rpartition(".")[2]
    return last if re.fullmatch(r"[a-z][a-z0-9_]*", last) else ""


def _unused(name: str, taken: set[str]) -> str:
    number = 0
    found = name or "x1"
    while found in taken:
        number += 1
        found = f"{name}_{number}" if name else f"x{number}"
    return found

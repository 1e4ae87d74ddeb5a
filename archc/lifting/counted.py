"""Runs of equal items -> one item with a `count`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from itertools import zip_longest

from archc.blocks import block_model, block_words
from archc.lifting.document import Definition
from archc.lifting.items import Call, Group, Item, bodies, calls, walk
from archc.operators import is_operator

STRIDE = "stride"  # goes to the first copy only


def counted(items: list[Item], definitions: dict[str, Definition]) -> list[Item]:
    """The items, and those inside them, with counts. Side effect: a step of several items becomes a definition."""
    for item in items:
        for body in bodies(item):
            body[:] = counted(body, definitions)
    found: list[Item] = []
    start = 0
    while start < len(items):
        end = start + 1
        while end < len(items) and _follows(items[start], items[end], end - start, definitions):
            end += 1
        if end == start + 1 and (steps := _steps(items, start)) > 1:
            first, last = items[start], items[start + steps - 1]
            assert isinstance(first, Call) and isinstance(last, Call), "a step is a join"  # noqa: PT018
            found.append(_stepped(first, last, steps, definitions))
            end = start + steps
        else:
            found.append(_run(items[start], items[end - 1], end - start))
        start = end
    return [_without_list(item) for item in found]


def _follows(first: Item, other: Item, offset: int, definitions: Mapping[str, Definition]) -> bool:
    """True if an item is the copy of a block with this number, counted from 0."""
    if not isinstance(first, Call) or not isinstance(other, Call) or first.word != other.word:
        return False
    if is_operator(first.word) or "count" in first.fields or "count" in other.fields:
        return False
    if any((call.values, call.results, call.branches) != ({}, [], []) for call in (first, other)):
        return False
    fields = dict(first.fields)
    if _is_strided(first.word, definitions):
        fields.pop(STRIDE, None)
    return fields == other.fields and other.name == _name(first.name, offset)


def _name(first: str | None, offset: int) -> str | None:
    """The name of a copy: none, or one whose number follows; a first number other than 0 and 1 has none."""
    if first is None:
        return None
    match = re.search(r"(?<!\d)[01]$", first)
    return f"{first[: match.start()]}{int(match[0]) + offset}" if match else ""


def _run(first: Item, last: Item, count: int) -> Item:
    """The first item, `count` times."""
    if count > 1 and isinstance(first, Call) and isinstance(last, Call):
        first.fields = {"count": count, **first.fields}
        first.gives, first.gave = last.gives, last.gave
        if first.name:
            first.name = first.name[:-1] + {"0": "$i", "1": "$n"}[first.name[-1]]
    return first


def _steps(items: list[Item], start: int) -> int:
    """How many joins follow one another that differ in the number of one name alone, counted from 0 or 1."""
    first = items[start]
    if not isinstance(first, Call) or not first.branches:
        return 0
    numbers = [
        (k, call) for k, call in enumerate(calls([first])) if call.name and re.search(r"(?<!\d)[01]$", call.name)
    ]
    if len(numbers) != 1:
        return 0
    place, named = numbers[0]
    count = 1
    while start + count < len(items) and _is_step(first, items[start + count], place, _name(named.name, count)):
        count += 1
    return count


def _is_step(first: Item, other: Item, place: int, name: str | None) -> bool:
    """True if an item is the first under another name."""
    if not isinstance(other, Call):
        return False
    pairs = list(zip_longest(walk([first]), walk([other])))
    of_calls = list(zip_longest(calls([first]), calls([other])))
    if any(type(a) is not type(b) for a, b in pairs) or any(not isinstance(a, Call) for a, _ in pairs):
        return False
    return all(
        a.word == b.word and a.fields == b.fields and (b.name == name if k == place else a.name == b.name)
        and [len(branch) for branch in a.branches] == [len(branch) for branch in b.branches] and a.values == b.values
        for k, (a, b) in enumerate(of_calls)
    )  # fmt: skip


def _stepped(first: Call, last: Call, count: int, definitions: dict[str, Definition]) -> Item:
    """A counted call of a block without a module of its own, which is the step."""
    (named,) = (call for call in calls([first]) if call.name and re.search(r"(?<!\d)[01]$", call.name))
    assert named.name is not None, "it was asked before"
    named.name = named.name[:-1] + {"0": "$i", "1": "$n"}[named.name[-1]]
    body: list[Item] = [deepcopy(first)]
    same = next((d.name for d in definitions.values() if d.kind == "inline" and _alike(d.items, body)), None)
    word = same or _unused(f"{named.word}_step", definitions)
    definitions.setdefault(word, Definition(word, "inline", body))
    return Call(word, {"count": count}, received=first.received, gave=last.gave, gives=last.gives)


def _alike(one: list[Item], other: list[Item]) -> bool:
    pairs = zip_longest(calls(one), calls(other))
    return all(a and b and (a.word, a.fields, a.name) == (b.word, b.fields, b.name) for a, b in pairs)


def _unused(name: str, definitions: Mapping[str, Definition]) -> str:
    while name in definitions:
        name += "_"
    return name


def _is_strided(word: str, definitions: Mapping[str, Definition]) -> bool:
    if word in definitions:
        return STRIDE in definitions[word].parameters
    return word in block_words() and STRIDE in block_model(word).model_fields


def _without_list(item: Item) -> Item:
    """A list of nothing but a counted block is that block with the list's name."""
    if not isinstance(item, Group) or not item.numbered or len(item.items) != 1 or item.name is None:
        return item
    (only,) = item.items
    if not isinstance(only, Call) or only.name is not None or "count" not in only.fields or only.branches:
        return item
    call = item.call(only.word, dict(only.fields))
    call.values, call.results = only.values, only.results
    return call

"""Runs of equal items -> one item with a `count`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import zip_longest

from archc.blocks import block_model, block_words
from archc.lifting.document import Definition
from archc.lifting.items import Call, Group, Item, bodies, calls
from archc.operators import is_operator

STRIDE = "stride"  # goes to the first copy only
PERIODS = (1, 2, 3, 4)  # items of a step, such as attention and what follows it


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
        if end == start + 1 and (steps := _steps(items, start)) is not None:
            end = start + steps.count * len(steps.items)
            found.append(_stepped(steps, items[end - 1], definitions))
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


@dataclass(frozen=True)
class _Steps:
    """A step of several items, how many times it stands there, and its names with a place for the number of each."""

    items: Sequence[Item]
    count: int
    names: Sequence[str | None]


def _steps(items: Sequence[Item], start: int) -> _Steps | None:
    """The shortest step that begins with a join and is repeated, with other numbers in its names."""
    for period in PERIODS:
        step, *others = (items[at : at + period] for at in range(start, len(items), period))
        if not isinstance(step[0], Call) or not step[0].branches or not others:
            continue
        names = [_template(a.name, b.name) for a, b in zip(calls(step), calls(others[0]), strict=False)]
        if any(names) and _is_step(step, others[0], 1, names):
            like = [_is_step(step, other, number, names) for number, other in enumerate(others, 1)]
            return _Steps(step, 1 + [*like, False].index(False), names)
    return None


def _is_step(first: Sequence[Item], other: Sequence[Item], offset: int, names: Sequence[str | None]) -> bool:
    """True if items are the first ones, with names in which the number is this much larger."""
    if [_shape(item) for item in first] != [_shape(item) for item in other]:
        return False
    wanted = [name and name.replace("$i", str(offset)).replace("$n", str(offset + 1)) for name in names]
    pairs = zip(calls(first), calls(other), wanted, strict=True)
    return all(_same(a, b) and b.name == (name or a.name) for a, b, name in pairs)


def _same(one: Call, other: Call) -> bool:
    """True for calls that are alike, apart from names and branches."""
    a, b = ((call.word, call.fields, call.values, call.init, call.keys) for call in (one, other))
    return a == b


def _shape(item: Item) -> list[object]:
    """The words of an item; what gives or takes a value by name is like nothing else."""
    if not isinstance(item, Call) or item.results or item.like:
        return [id(item)]
    return [item.word, *[[_shape(each) for each in branch] for branch in item.branches]]


def _template(name: str | None, following: str | None) -> str | None:
    """A name with `$i` or `$n` in place of a 0 or 1 that is one larger in the following one; None if there is none."""
    for match in re.finditer(r"(?<!\d)[01](?=\.|$)", name or ""):
        before, after = match.string[: match.start()], match.string[match.end() :]
        if following == f"{before}{int(match[0]) + 1}{after}":
            return f"{before}{'$i' if match[0] == '0' else '$n'}{after}"
    return None


def _stepped(steps: _Steps, last: Item, definitions: dict[str, Definition]) -> Item:
    """A counted call of a block without a module of its own, which is the step."""
    body = deepcopy(list(steps.items))
    for call, name in zip(calls(body), steps.names, strict=True):
        call.name = name or call.name
    named = next(call for call, name in zip(calls(body), steps.names, strict=True) if name)
    same = next((d.name for d in definitions.values() if d.kind == "inline" and _alike(d.items, body)), None)
    word = same or _unused(f"{named.word}_step", definitions)
    definitions.setdefault(word, Definition(word, "inline", body))
    first = steps.items[0]
    assert isinstance(first, Call), "a step begins with a join"
    assert isinstance(last, Call), "it ends with a call"
    return Call(word, {"count": steps.count}, received=first.received, gave=last.gave, gives=last.gives)


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

"""Finds loops: lines of a unit that repeat, each time from what the time before gave."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from archc.ejection.lines import Line, Unit, number_keys

LONGEST = 6  # lines of a body


def with_loops(unit: Unit) -> Unit:
    """The unit with every run of two or more equal bodies as one line, also in the units inside."""
    lines = [replace(line, child=with_loops(line.child)) if line.child else line for line in _contained(unit)]
    unit = replace(unit, lines=lines)
    found: list[Line] = []
    start = 0
    while start < len(lines):
        loop = next(_loops_at(unit, start), None)
        found.append(loop.line if loop else lines[start])
        start += loop.length if loop else 1
    for place, line in enumerate(found):
        if line.role == "loop":
            line.key = (*line.key[:2], sum(other.key[:2] == line.key[:2] for other in found[:place]))
    return replace(unit, lines=found)


def _contained(unit: Unit) -> list[Line]:
    """The lines, where those that run one after the other in a container are one: an nn.Sequential."""
    found: list[Line] = []
    containers = [line.name.partition(".")[0] if "." in line.name else "" for line in unit.lines]
    start = 0
    while start < len(unit.lines):
        stop = start + 1
        while stop < len(unit.lines) and containers[start] and containers[stop] == containers[start]:
            stop += 1
        chain = unit.lines[start:stop]
        if _is_sequence(unit, chain, containers.count(containers[start])):
            chain = [_sequence(unit, chain)]
        found += chain
        start = stop
    return found


def _is_sequence(unit: Unit, chain: list[Line], count: int) -> bool:
    """True if all modules of a container run one after the other, and nothing else is done with their values."""
    used = {name for line in unit.lines if line not in chain for name in line.inputs} | set(unit.outputs)
    follows = all(line.inputs == before.outputs for before, line in pairwise(chain))
    inside = any(name in used for line in chain[:-1] for name in line.outputs)
    modules = all(line.role in ("layer", "block", "group") and not line.again and not line.training for line in chain)
    return (
        "." in chain[0].name
        and count == len(chain)
        and follows
        and modules
        and not inside
        and len(chain[0].inputs) == 1
    )


def _sequence(unit: Unit, chain: list[Line]) -> Line:
    first, container = chain[0], chain[0].name.partition(".")[0]
    lines = [replace(line, name=line.name.partition(".")[2], key=(*line.bare, 0)) for line in chain]
    for line in lines:
        line.key = (line.name.rpartition(".")[2] if not re.search("[0-9]", line.name) else "#", *line.key[1:-1])
    number_keys(lines)
    inner = Unit("Sequential", "", lines, first.inputs, chain[-1].outputs, unit.names, True, False, None, first.type)
    key = (container, "group", 0)
    return replace(
        first, key=key, bare=key, role="group", name=container, outputs=chain[-1].outputs, call=ast.Name("Sequential"),
        slots={}, child=inner, node=None, span=None,
    )  # fmt: skip


@dataclass
class _Loop:
    line: Line
    length: int


def _loops_at(unit: Unit, start: int) -> Iterator[_Loop]:
    """The loops that begin at a line, the shortest body first."""
    lines = unit.lines
    for size in range(1, 2 if unit.chain else LONGEST + 1):
        bodies = [lines[start : start + size]]
        while _repeats(bodies[-1], following := lines[start + size * len(bodies) :][:size]):
            bodies.append(following)
        bodies = _alike(bodies)
        if len(bodies) > 1 and (loop := _loop(unit, bodies)):
            yield _Loop(loop, size * len(bodies))


def _repeats(body: list[Line], following: list[Line]) -> bool:
    return len(body) == len(following) and all(
        one.key[:-1] == other.key[:-1] and one.role == other.role and not (one.again or other.again)
        for one, other in zip(body, following, strict=True)
    )  # fmt: skip


def _alike(bodies: list[list[Line]]) -> list[list[Line]]:
    """The first bodies that are one loop: equal but for real numbers, or all copies of a counted call."""
    if not any(line.role == "block" for line in bodies[0]):
        return []
    shapes = [[shape(line) for line in body] for body in bodies]
    equal = next((n for n, each in enumerate(shapes) if each != shapes[0]), len(shapes))
    copies = next((n for n, body in enumerate(bodies) if body[0].span != bodies[0][0].span), len(bodies))
    differ = copies > 2 and shapes[1] != shapes[2]
    return bodies[: copies if differ and bodies[0][0].span else equal]


def shape(line: Line) -> tuple[Any, ...]:
    """All constants of a line and of what is inside, but real numbers."""
    own = tuple((name, value) for name, value in line.slots.items() if not isinstance(value, float))
    return (line.role, own, tuple(map(shape, line.child.lines)) if line.child else ())


def _loop(unit: Unit, bodies: list[list[Line]]) -> Line | None:
    """The line of a loop; None if an iteration needs more than what the one before gave."""
    units: list[Unit] = []
    carried: tuple[str, ...] | None = None
    others: tuple[str, ...] | None = None
    outside = _used_outside(unit, bodies)
    for body in bodies:
        made = [name for line in body for name in line.outputs]
        inputs = tuple(dict.fromkeys(name for line in body for name in line.inputs if name not in made))
        if carried is None:
            carried, invariant = inputs[:1], inputs[1:]
        else:
            invariant = tuple(name for name in inputs if name not in carried)
        others = invariant if others is None else others
        if len(inputs) != 1 + len(others) or invariant != others or inputs[0] != carried[0]:
            return None
        carried = body[-1].outputs
        stray = [name for name in made if name in outside and name not in carried]
        if len(carried) != 1 or stray or (carried[0] in outside and len(units) + 1 < len(bodies)):
            return None
        body = [replace(line, key=line.key[:-1]) for line in body]
        number_keys(body)
        units.append(Unit("", "", body, inputs, carried, unit.names, unit.chain, unit.numbered, None, body[0].type))
    if not all(_counted([body[place].name for body in bodies]) for place in range(len(bodies[0]))):
        return None
    key = ("loop", tuple(line.key[:-1] for line in bodies[0]), 0)
    first = bodies[0][0]
    return Line(
        key, key, "loop", "", units[0].inputs, units[-1].outputs, first.span, first.around, first.call, bodies=units
    )


def _counted(names: list[str]) -> bool:
    """True if the names are alike but for one number, which counts."""
    first = re.split(r"(\d+)", names[0])
    for place in range(1, len(first), 2):
        counted = [
            "".join([*first[:place], str(int(first[place]) + i), *first[place + 1 :]]) for i in range(len(names))
        ]
        if counted == names:
            return True
    return len(set(names)) == 1


def _used_outside(unit: Unit, bodies: list[list[Line]]) -> set[str]:
    """The values that another line or the caller uses; of one body those that the next one uses do not count."""
    inside = {id(line) for body in bodies for line in body}
    used = {name for line in unit.lines if id(line) not in inside for name in line.inputs}
    return used | set(unit.outputs)


def numbered(names: list[str]) -> str:
    """The name of a loop's modules, with the number that counts."""
    first, second = names[0], next(name for name in names if name != names[0])
    one, two = re.split(r"(\d+)", first), re.split(r"(\d+)", second)
    parts = []
    for a, b in zip(one, two, strict=True):
        if a != b:
            parts.append("{i}" if a == "0" else f"{{i + {a}}}")
        else:
            parts.append(a)
    return "".join(parts)

"""Makes one class of several instances: lines that some lack become optional, and constants become columns."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from torch import nn

from archc.ejection.constructors import arguments_of
from archc.ejection.lines import Line, Symbol, Unit
from archc.ejection.notes import comment_above


class Different(Exception):
    """Units cannot be instances of one class."""


class Ref(NamedTuple):
    """A value of a template: an output of a line, or (line -1) an input."""

    line: int
    output: int


Row = dict[str, Any]
"""The names and values of one instance, or of one iteration of a loop in it."""


@dataclass
class Step:
    """A line of a template. `rows` are those of the instances that have it, `cells` the values of its slots there.

    `bypass` is the value that stands for its output where it is absent.
    """

    role: str
    names: list[str]
    call: ast.expr
    rows: list[Row]
    present: list[bool]
    lines: list[Line]
    cells: dict[str, list[Any]] = field(default_factory=dict)
    inputs: list[Ref] = field(default_factory=list)
    bypass: Ref | None = None
    child: Template | None = None
    again: bool = False

    @property
    def name(self) -> str:
        """Its name, the same in every row; empty if it is another in each."""
        return self.names[0] if len(set(self.names)) == 1 else ""

    @property
    def holder(self) -> str:
        """The path of the module that holds its own; empty for the class itself."""
        return self.names[0].rpartition(".")[0]

    @property
    def comment(self) -> list[str]:
        """The lines of the comment above its item in the spec."""
        return comment_above(self.lines[0].span)

    @property
    def outputs(self) -> int:
        """How many values it gives."""
        return len(self.lines[0].outputs)

    @property
    def optional(self) -> bool:
        """True if an instance lacks it."""
        return not all(self.present)


@dataclass
class Template:
    """What the instances of a class have in common. `rows` has a row for each of them."""

    word: str
    rows: list[Row]
    steps: list[Step]
    inputs: int
    outputs: list[Ref]
    chain: bool
    numbered: bool
    units: list[Unit]

    def lists(self) -> set[str]:
        """The paths of the modules that hold others by position, in every unit: each is an nn.ModuleList.

        The path of the class itself is empty.
        """
        found = [_held(unit) for unit in self.units]
        holders = {holder for each in found for holder in each if holder.isidentifier() or len(each) == 1}
        orders = [(holder, each.get(holder, [])) for holder in holders for each in found]
        return holders - {holder for holder, names in orders if names != [str(n) for n in range(len(names))]}

    def marked(self) -> dict[Ref, str]:
        """The names that the spec gives to values, where it is the same in all units."""
        found = [_marked(self, unit) for unit in self.units]
        return {ref: name for ref, name in found[0].items() if all(other.get(ref) == name for other in found)}


class Templates:
    """Merges units; `of_unit` has the template of every unit that is an instance of a class, by identity."""

    def __init__(self) -> None:
        self.of_unit: dict[int, Template] = {}

    def merge(self, units: Sequence[Unit], rows: list[Row]) -> Template:
        """The template of which all units are instances. Raises Different."""
        first = units[0]
        if len({(len(unit.inputs), len(unit.outputs), unit.chain, unit.numbered) for unit in units}) > 1:
            raise Different
        keys = _merged_order([[line.key for line in unit.lines] for unit in units])
        by_key = [{line.key: line for line in unit.lines} for unit in units]
        steps = [self._step([lines.get(key) for lines in by_key], rows) for key in keys]
        outputs = _connect(units, keys, steps)
        return Template(first.word, rows, steps, len(first.inputs), outputs, first.chain, first.numbered, list(units))

    def _step(self, found: list[Line | None], rows: list[Row]) -> Step:
        lines = [line for line in found if line]
        present = [line is not None for line in found]
        own = [row for row, line in zip(rows, found, strict=True) if line]
        first = lines[0]
        if len({(line.role, line.again, len(line.inputs), len(line.outputs)) for line in lines}) > 1:
            raise Different
        names = [line.name for line in lines]
        if first.key[1] == "layer" and not any(name.isdigit() for name in names):
            names = [first.name] * len(lines)  # without tensors, it may have any
        step = Step(first.role, names, first.call, own, present, lines, again=first.again)
        if first.role == "loop":
            self._loop(step, lines, own)
        elif first.role == "group":
            step.child = self.merge([line.child for line in lines if line.child], own)
        elif first.role == "block":
            children = {id(self.of_unit[id(line.child)]): self.of_unit[id(line.child)] for line in lines}
            if len(children) > 1:
                raise Different
            step.child = next(iter(children.values()))
        else:
            _fill(step, lines)
        return step

    def _loop(self, step: Step, lines: list[Line], rows: list[Row]) -> None:
        inner: list[Row] = []
        for line, row in zip(lines, rows, strict=True):
            inner += [{**row, "i": i, "@row": row} for i in range(len(line.bodies))]
        step.child = self.merge([body for line in lines for body in line.bodies], inner)
        step.cells = {"count": [len(line.bodies) for line in lines]}


def signature(unit: Unit, of_unit: Mapping[int, Template]) -> Any:
    """What units have in common that differ in constants alone."""
    places = {name: (-1, index) for index, name in enumerate(unit.inputs)}
    found: list[Any] = [len(unit.inputs), unit.chain, unit.numbered]
    for number, line in enumerate(unit.lines):
        inner: Any = id(of_unit.get(id(line.child))) if line.role == "block" else ()
        if line.role == "group" and line.child:
            inner = signature(line.child, of_unit)
        elif line.role == "loop":
            inner = tuple(dict.fromkeys(signature(body, of_unit) for body in line.bodies))
        tensors = tuple((tensor.path, len(tensor.shape), tensor.initializer) for tensor in line.tensors)
        called = (ast.dump(line.call), tuple(line.slots), line.again, len(line.outputs))
        found.append((line.key, line.role, called, inner, tensors, tuple(places[name] for name in line.inputs)))
        places.update({name: (number, index) for index, name in enumerate(line.outputs)})
    return (*found, tuple(places[name] for name in unit.outputs))


def _merged_order(orders: list[list[Any]]) -> list[Any]:
    """One order of all keys in which each of these is a part. Raises Different: there is none."""
    merged = list(sorted(orders, key=len)[-1])
    for order in orders:
        place = 0
        for key in order:
            if key in merged:
                place = merged.index(key) + 1
            else:
                merged.insert(place, key)
                place += 1
    for order in orders:
        places = [merged.index(key) for key in order]
        if places != sorted(places):
            raise Different
    return merged


def _fill(step: Step, lines: list[Line]) -> None:
    """Give a step the cells of its lines. Raises Different: they compute different things."""
    bare = step.role == "layer" and not any(set(line.slots) - {"inplace"} for line in lines)
    if bare:
        step.cells["class"] = [Symbol(ast.unparse(line.call)) for line in lines]
    elif len({ast.dump(line.call) for line in lines}) > 1:
        raise Different
    for name in dict.fromkeys(name for line in lines for name in line.slots):
        step.cells[name] = [line.slots[name] if name in line.slots else default(line.call, name) for line in lines]
    if "inplace" in step.cells:
        if not all(step.cells.pop("inplace")):
            return
        step.cells["inplace"] = [True] * len(lines)
    if len({tuple(t.path for t in line.tensors) for line in lines}) > 1:
        raise Different
    for index in range(len(lines[0].tensors)):
        shapes = [line.tensors[index].shape for line in lines]
        if len(set(map(len, shapes))) > 1 or len({repr(line.tensors[index].initializer) for line in lines}) > 1:
            raise Different
        for axis in range(len(shapes[0])):
            step.cells[f"shape{index}.{axis}"] = [shape[axis] for shape in shapes]


def default(path: ast.expr, name: str) -> Any:
    """The default of a constructor's argument. Raises Different: it has none."""
    cls = getattr(nn, ast.unparse(path).rpartition(".")[2], None)
    found = arguments_of(cls).get(name, inspect.Parameter.empty) if cls else inspect.Parameter.empty
    if found is inspect.Parameter.empty:
        raise Different
    return found


def _connect(units: Sequence[Unit], keys: list[Any], steps: list[Step]) -> list[Ref]:
    """Connect the steps as their lines are connected, and return the outputs. Raises Different."""
    place = {key: index for index, key in enumerate(keys)}
    refs: list[dict[str, Ref]] = []
    for unit in units:
        known = {name: Ref(-1, index) for index, name in enumerate(unit.inputs)}
        for line in unit.lines:
            known.update({name: Ref(place[line.key], index) for index, name in enumerate(line.outputs)})
        refs.append(known)
    by_key = [{line.key: line for line in unit.lines} for unit in units]
    wanted: list[list[tuple[int, Ref]]] = []  # of each input: what it is, unit by unit
    for key, step in zip(keys, steps, strict=True):
        for position in range(len(step.lines[0].inputs)):
            uses = [(n, refs[n][lines[key].inputs[position]]) for n, lines in enumerate(by_key) if key in lines]
            wanted.append(uses)
            step.inputs.append(_latest(uses, steps))
    outputs: list[Ref] = []
    for position in range(len(units[0].outputs)):
        uses = [(n, refs[n][unit.outputs[position]]) for n, unit in enumerate(units)]
        wanted.append(uses)
        outputs.append(_latest(uses, steps))
    for uses in wanted:
        latest = max(ref for _, ref in uses)
        for n, ref in uses:
            at = latest
            while at.line >= 0 and not steps[at.line].present[n]:
                at = steps[at.line].bypass or (steps[at.line].inputs[0] if steps[at.line].inputs else Ref(-1, 0))
            if at != ref:
                raise Different
    return outputs


def _held(unit: Unit) -> dict[str, list[str]]:
    """The names of modules by what holds them, in the order in which they are made."""
    found: dict[str, list[str]] = {}
    for line in unit.lines:
        for own in [each for body in line.bodies for each in body.lines] or [line]:
            paths = [own.name] if own.role in ("layer", "block", "group") else [each.path for each in own.tensors]
            for path in paths if not own.again else ():
                holder, _, name = path.rpartition(".")
                found.setdefault(holder, []).append(name)
    return found


def _marked(template: Template, unit: Unit) -> dict[Ref, str]:
    refs = {name: Ref(-1, index) for index, name in enumerate(unit.inputs)}
    for index, step in enumerate(template.steps):
        line = next((line for line in step.lines if any(line is own for own in unit.lines)), None)
        if line:
            refs.update({name: Ref(index, number) for number, name in enumerate(line.outputs)})
    return {refs[value]: name for value, name in unit.marked.items() if value in refs and name.isidentifier()}


def _latest(uses: list[tuple[int, Ref]], steps: list[Step]) -> Ref:
    """The last of several producers, each of which is absent where one before it is used. Raises Different."""
    found = sorted({ref for _, ref in uses}, reverse=True)
    for later, earlier in pairwise(found):
        step = steps[later.line]
        if not step.optional or later.output or (step.bypass not in (None, earlier)):
            raise Different
        step.bypass = earlier
    return found[0]

"""Decides which classes a network has, what their constructors take, and what each line of them is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from archc.blocks import Layer, block_model, block_words
from archc.ejection.candidates import FIRST, Spacing, Unexplained, fits
from archc.ejection.expressions import names_in
from archc.ejection.lines import OF_A_USE, Unit
from archc.ejection.notes import Notes
from archc.ejection.solving import SMALLEST, Solver
from archc.ejection.templates import Different, Step, Template, Templates, signature
from archc.elaborate.naming import camel_case
from archc.spec.language.document import Ramp
from archc.spec.language.signatures import value_of


@dataclass
class Solved:
    """A step whose constants are expressions.

    `condition` says when it is there; `inner` are the steps of a group or loop.
    """

    step: Step
    arguments: dict[str, ast.expr]
    condition: ast.expr | None = None
    inner: list[Solved] = field(default_factory=list)
    plan: Plan | None = None
    training: bool = False


@dataclass
class Plan:
    """A class: its template, its steps, and the arguments of its constructor with their defaults."""

    template: Template
    solver: Solver
    steps: list[Solved] = field(default_factory=list)
    arguments: dict[str, Any] = field(default_factory=dict)
    derived: dict[str, ast.expr] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)
    name: str = ""
    lists: set[str] = field(default_factory=set)

    def given(self, unit: Unit, name: str) -> Any:
        """The value of an argument for an instance."""
        if not self.places:
            self.places.update({id(each): index for index, each in enumerate(self.template.units)})
        return self.template.rows[self.places[id(unit)]].get(name)

    def is_width(self, name: str) -> bool:
        """True for an argument that needs no name in a call: a size that is no kernel and no stride."""
        values = [row.get(name) for row in self.template.rows]
        return (
            name.endswith(("channels", "features"))
            or name in FIRST
            or all(type(value) is int and value >= SMALLEST for value in values)
        )


REQUIRED = object()


class Planner:
    """Plans all classes of a network from its compiled instances; the first of `roots` is the network itself."""

    def __init__(self, roots: Sequence[Unit], notes: Notes, *, merge: bool) -> None:
        self.notes, self._merge = notes, merge
        self._templates = Templates()
        self._ramps = {name: _spacing(ramp, roots[0]) for name, ramp in notes.ramps.items()}
        self._plans: dict[int, Plan] = {}
        self.plans: list[Plan] = []
        self._taken: set[str] = {"Outputs", "TrainingOutputs"}
        self.python = {model.__name__: model for model in map(block_model, block_words())}
        for units in _by_word(roots):
            for template in self._grouped(units):
                self._add(template, root=False)
        self._add(self._templates.merge(roots, [dict(root.names) for root in roots]), root=True)

    def _grouped(self, units: list[Unit]) -> Iterator[Template]:
        """The fewest templates that a greedy search finds for units of one name."""
        alike: dict[Any, list[Unit]] = {}
        place = {id(unit): index for index, unit in enumerate(units)}
        for unit in units:
            alike.setdefault(signature(unit, self._templates.of_unit), []).append(unit)
        groups: list[list[list[Unit]]] = []  # each has units that are alike
        for same in alike.values():
            for merged in groups if self._merge else ():
                if self._merged([*(each[0] for each in merged), same[0]]):
                    merged.append(same)
                    break
            else:
                groups.append([same])
        for merged in groups:
            group = sorted((unit for same in merged for unit in same), key=lambda unit: place[id(unit)])
            template = self._templates.merge(group, [dict(unit.names) for unit in group])
            self._templates.of_unit.update({id(unit): template for unit in group})
            yield template

    def _merged(self, units: list[Unit]) -> bool:
        try:
            self._templates.merge(units, [dict(unit.names) for unit in units])
        except Different:
            return False
        return True

    def _add(self, template: Template, *, root: bool) -> None:
        definition = self.notes.definitions.get(template.word)
        by_name = definition is None and not root
        plan = Plan(
            template, Solver(template, definition.let if definition else {}, self._ramps, root=root, by_name=by_name)
        )
        plan.name, plan.lists = self._class_name(template, root=root), template.lists()
        plan.steps = [self._solved(plan, step, template) for step in template.steps]
        if root and plan.solver.fresh:
            raise Unexplained(plan.solver.fresh[0])
        self._derive(plan, definition.let if definition else {})
        self._order(plan, root)
        self._plans[id(template)] = plan
        self.plans.append(plan)

    def _class_name(self, template: Template, *, root: bool) -> str:
        word = self.notes.title if root else template.word
        if word == "Sequential":
            word = camel_case(re.sub("[0-9]+$", "", template.units[0].path.rpartition(".")[2]) or "part")
        name, number = word, 2
        while name in self._taken:
            name, number = f"{word}{number}", number + 1
        self._taken.add(name)
        return name

    def _solved(self, plan: Plan, step: Step, container: Template) -> Solved:
        solved = Solved(step, {})
        solved.training = all(line.training for line in step.lines)
        self._solve(plan, solved)
        if step.optional:
            solved.condition = self._presence(plan.solver, step, container)
        return solved

    def _solve(self, plan: Plan, solved: Solved) -> None:
        """Side effect: `solved` gets its arguments."""
        solver, step = plan.solver, solved.step
        if step.role == "loop" and step.child:
            item = self.notes.items.get(step.lines[0].span)  # type: ignore[arg-type]
            count = getattr(item.item, "count", None) if item else None
            hints = solver.hints(step.lines, step.rows, [count] if count else [])
            solved.arguments["count"] = solver.solve(step.rows, step.cells["count"], hints, "count")
        if step.role in ("loop", "group") and step.child:
            solved.inner = [self._solved(plan, inner, step.child) for inner in step.child.steps]
            return
        written = {} if solver.by_name else self.notes.fields(step.lines[0].span)
        if step.role == "block" and step.child:
            solved.plan = self._plans[id(step.child)]
            for name, default in solved.plan.arguments.items():
                column = [solved.plan.given(line.child, name) for line in step.lines if line.child]
                if default is REQUIRED or any(each != default for each in column):
                    hints = solver.hints(step.lines, step.rows, [written[name]] if name in written else [])
                    hints += self._let_hints(solved.plan, step, solver, name)
                    solved.arguments[name] = solver.solve(
                        step.rows, column, hints, name, near=step.name, follows=_follows(step, name)
                    )
            return
        for name, column in step.cells.items():
            trees = [written[name]] if name in written else [] if step.role == "layer" else list(written.values())
            hints = solver.hints(step.lines, step.rows, trees)
            if step.role == "expression":  # whose fields are not told apart: the shortest that fits
                hints.sort(key=lambda hint: len(ast.dump(hint)))
            solved.arguments[name] = solver.solve(
                step.rows, column, hints, _label(step, name), near=step.name, follows=_follows(step, name)
            )

        chosen = solved.arguments.get("class")
        if isinstance(chosen, ast.Name) and chosen.id in solver.names and step.name and not step.name.isdigit():
            step.names = [chosen.id] * len(step.names)  # it has no tensors, and so no keys

    def _let_hints(self, child: Plan, step: Step, solver: Solver, name: str) -> list[ast.expr]:
        let = child.solver.let
        return solver.hints(step.lines, step.rows, [let[name]] if name in let else [])

    def _presence(self, solver: Solver, step: Step, container: Template) -> ast.expr:
        """When a step is there."""
        note = self.notes.items.get(step.lines[0].span)  # type: ignore[arg-type]
        found: list[ast.expr] = []
        for expression, holds in reversed(note.conditions if note else ()):
            tree = solver.hint(container.units, container.rows, expression.tree)
            if tree is not None:
                found.append(tree if holds else negated(tree))
        if len(found) > 1:
            found.append(ast.BoolOp(ast.And(), found[::-1]))
        return solver.solve(container.rows, step.present, found, f"has_{step.name or 'part'}".replace(".", "_"))

    def _derive(self, plan: Plan, let: Any) -> None:
        """Values under `let` that a constructor works out; those that it cannot are arguments."""
        for name in reversed([name for name in let if name in plan.solver.used]):
            rows = plan.template.rows
            column = [row[name] for row in rows]
            hints = plan.solver.hints(plan.template.units, rows, [let[name]])
            usable = (
                each for each in hints if not {name, *OF_A_USE} & set(names_in(each)) and fits(each, rows, column)
            )
            for hint in list(usable)[:1]:
                for other in names_in(hint):
                    plan.solver.used.setdefault(other)
                plan.derived = {name: hint, **plan.derived}

    def _order(self, plan: Plan, root: bool) -> None:
        solver = plan.solver
        needed = [name for name in solver.used if name in solver.names and name not in plan.derived]
        order = [*solver.first, *FIRST, *plan.template.units[0].names]
        needed.sort(key=lambda name: order.index(name) if name in order else len(order))
        defaults = {name: self._default(plan, name, root) for name in needed}
        first = {name: value for name, value in defaults.items() if value is REQUIRED}
        plan.arguments = {**first, **defaults}

    def _default(self, plan: Plan, name: str, root: bool) -> Any:
        if root:
            return plan.template.rows[0][name]
        definition = self.notes.definitions.get(plan.template.word)
        signature = definition.parameters.get(name) if definition else None
        if definition is None and (model := self.python.get(plan.template.word)):
            known = model.model_fields.get(name)
            value: Any = known.default if known and not known.is_required() else REQUIRED
            return REQUIRED if isinstance(value, Layer) else value[0] if value in ((1, 1), (3, 3)) else value
        if signature is None or signature.default is None or signature.type == "layer":
            return REQUIRED
        return value_of(signature.default)


def _follows(step: Step, name: str) -> bool:
    """True if an argument is a size of a value that another line of the class gave."""
    sizes = ("in_channels", "in_features", "num_features", "num_channels", "normalized_shape")
    return name in sizes and bool(step.inputs) and step.inputs[0].line >= 0


def negated(tree: ast.expr) -> ast.expr:
    """The opposite of a condition."""
    match tree:
        case ast.Compare(left, [ast.Eq()], [right]):
            return ast.Compare(left, [ast.NotEq()], [right])
        case ast.Compare(left, [ast.NotEq()], [right]):
            return ast.Compare(left, [ast.Eq()], [right])
        case ast.UnaryOp(ast.Not(), operand):
            return operand
    return ast.UnaryOp(ast.Not(), tree)


def _spacing(ramp: Ramp, root: Unit) -> Spacing:
    classes = [camel_case(block) for block in ramp.blocks]
    uses = sum(unit.word in classes for unit in _inside(root))
    return Spacing(ramp.start, ramp.stop, max(1, uses - ramp.endpoint))


def _inside(unit: Unit) -> Iterator[Unit]:
    yield unit
    for line in unit.lines:
        for child in [line.child] if line.child else line.bodies:
            yield from _inside(child)


def _label(step: Step, name: str) -> str:
    node, value = step.lines[0].node, step.cells[name][0]
    if node and name.startswith("_"):
        fields = dict(node.operator).items()
        close = (field for field, known in fields if isinstance(known, tuple) and value in known)
        return next((field for field, known in fields if known == value), next(close, f"{node.operator.word}_size"))
    return "size" if "." in name else name


def _by_word(roots: Iterable[Unit]) -> list[list[Unit]]:
    """All units inside that are classes, by name: those inside of others first."""
    found: dict[str, list[Unit]] = {}
    heights: dict[str, int] = {}

    def visit(unit: Unit) -> int:
        height = 0
        for line in unit.lines:
            for child in [line.child] if line.child else line.bodies:
                height = max(height, visit(child))
                if line.role == "block":
                    found.setdefault(_class_key(child), []).append(child)
        own = _class_key(unit)
        heights[own] = max(heights.get(own, 0), height + 1)
        return height + 1

    for root in roots:
        visit(root)
    return [found[word] for word in sorted(found, key=lambda word: heights[word])]


def _class_key(unit: Unit) -> str:
    return (
        f"{re.sub('[0-9]+$', '', unit.path.rpartition('.')[2])} {unit.path.count('.')}"
        if unit.word == "Sequential"
        else unit.word
    )

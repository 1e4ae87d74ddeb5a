"""Writes the steps of a `forward`, or of a loop in it, and nests in one line what is used once."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from archc.ejection.inlined import attribute
from archc.ejection.layout import WIDTH, assignment, statement, text, without_defaults
from archc.ejection.loops import numbered
from archc.ejection.plans import Solved
from archc.ejection.results import Results
from archc.ejection.templates import Ref
from archc.ejection.variables import Variables, reads

NESTED = 3  # calls in one line
CHOICE = 5  # lines of a conditional expression whose parts have one line each
SHORT = 70  # characters of an expression that may be part of another


class Attributes(Protocol):
    """What a body needs of the instance that it runs in."""

    results: Results | None
    first: str
    lists: set[str]

    def stored_in(self, tree: ast.expr) -> ast.expr:
        """An expression in the attributes that hold the constructor's arguments. Side effect: these are stored."""
        ...

    def condition(self, solved: Solved) -> str:
        """What decides whether a step is there."""
        ...


class Body:
    """The steps of a class or of a loop; `final` is the variable that carries a loop's value."""

    def __init__(self, attributes: Attributes, steps: Sequence[Solved], outputs: Sequence[Ref], indent: int) -> None:
        self._attributes, self._steps, self._outputs, self._indent = attributes, steps, outputs, indent
        self._pending: dict[Ref, tuple[ast.expr, int]] = {}

    def write(
        self, held: Mapping[Ref, str], marked: Mapping[Ref, str], taken: Iterable[str] = (), final: str = ""
    ) -> list[str]:
        """The lines, where these variables hold the inputs."""
        uses = Counter(ref for solved in self._steps for ref in reads(solved))
        uses.update(self._outputs)
        self._taken, self._final = set(taken), final
        self._variables = Variables(held, uses, marked, self._taken, self._attributes.first)
        lines = [line for index, solved in enumerate(self._steps) for line in self._step(index, solved)]
        return [*_joined(lines, self._indent), *self._returned()]

    def _step(self, index: int, solved: Solved) -> list[str]:
        step = solved.step
        if step.role == "loop":
            return self._loop(solved, index)
        given = [self._given(ref) for ref in step.inputs]
        expression = self._expression(solved, [tree for tree, _ in given])
        depth = 1 + max((depth for _, depth in given), default=0)
        self._variables.use(reads(solved))
        if self._nests(index, depth, expression):
            self._pending[Ref(index, 0)] = expression, depth if step.inputs else 0
            return []
        last = index == len(self._steps) - 1 and not self._final
        targets = self._variables.targets(index, step.outputs, reads(solved), last=last)
        return self._assignment(solved, targets, expression)

    def _given(self, ref: Ref) -> tuple[ast.expr, int]:
        """What stands for a value, and how deep calls are nested in it."""
        return self._pending.pop(ref) if ref in self._pending else (ast.Name(self._variables[ref]), 0)

    def _nests(self, index: int, depth: int, expression: ast.expr) -> bool:
        """True if the step after takes the result, and nothing else does."""
        solved, result = self._steps[index], Ref(index, 0)
        if solved.condition is not None or solved.step.outputs != 1 or self._variables.uses(result) != 1:
            return False
        if solved.step.role == "expression" and not solved.step.inputs:
            return True
        following = self._steps[index + 1] if index + 1 < len(self._steps) else None
        return (
            following is not None
            and following.condition is None
            and following.step.role != "loop"
            and following.training == solved.training
            and result in following.step.inputs
            and _once(following, result)
            and depth < NESTED
            and len(text(expression)) < SHORT
        )

    def _assignment(self, solved: Solved, targets: list[str], expression: ast.expr) -> list[str]:
        """The lines of a step; where it is absent, the value before stands for its result."""
        if solved.condition is None and not solved.training:
            return assignment(expression, self._indent, targets)
        condition, assigned = self._attributes.condition(solved), f"{', '.join(targets)} = "
        space, inner = " " * self._indent, assignment(expression, self._indent + 4, targets)
        held = self._variables.get(solved.step.bypass or next(iter(solved.step.inputs), None))
        if solved.training or held in (targets[0], ""):
            return [f"{space}if {condition}:", *inner]
        chosen = ast.IfExp(ast.parse(condition, mode="eval").body, expression, ast.Name(held))
        lines = statement(chosen, self._indent, assigned)
        if len(lines) <= CHOICE and max(map(len, lines)) <= WIDTH:
            return lines
        return [f"{space}if {condition}:", *inner, f"{space}else:", f"{space}    {assigned}{held}"]

    def _expression(self, solved: Solved, inputs: list[ast.expr]) -> ast.expr:
        step = solved.step
        if step.role != "expression":
            return ast.Call(_module(step.names, self._attributes.lists), inputs, [])
        slots = {name: self._attributes.stored_in(value) for name, value in solved.arguments.items()}
        values = {f"x{index}": tree for index, tree in enumerate(inputs)}
        return without_defaults(Filled({**slots, **values}).visit(ast.parse(ast.unparse(step.call), mode="eval").body))

    def _loop(self, solved: Solved, index: int) -> list[str]:
        step, variables, space = solved.step, self._variables, " " * self._indent
        assert step.child is not None, "a loop has a body"
        carried, before = variables[step.inputs[0]], list[str]()
        variables.use(step.inputs)
        if carried in variables.busy():
            before = [f"{space}{(name := variables.free())} = {carried}"]
            carried = name
        held = {Ref(-1, n): carried if n == 0 else variables[ref] for n, ref in enumerate(step.inputs)}
        body = Body(self._attributes, solved.inner, step.child.outputs, self._indent + 4)
        inner = body.write(held, {}, self._taken | variables.busy(), carried)
        variables.hold(Ref(index, 0), carried)
        count = text(self._attributes.stored_in(solved.arguments["count"]))
        tree = ast.parse("\n".join(line[self._indent + 4 :] for line in inner))
        counter = "i" if any(isinstance(node, ast.Name) and node.id == "i" for node in ast.walk(tree)) else "_"
        return [*before, f"{space}for {counter} in range({count}):", *inner]

    def _returned(self) -> list[str]:
        names, space = [self._variables.get(ref) for ref in self._outputs], " " * self._indent
        first = self._attributes.first
        if self._final:
            return [f"{space}{self._final} = {names[0]}"] if names[0] != self._final else []
        if self._attributes.results:
            return self._attributes.results.returned(names, self._indent)
        if len(names) == 1 and names[0] != first:  # whose type is declared
            return [f"{space}{first} = {names[0]}", f"{space}return {first}"]
        return [f"{space}return {', '.join(names)}"]


def _module(names: Sequence[str], lists: set[str]) -> ast.expr:
    """The attribute of `self` that a step calls; in a loop it is another each time."""
    path = names[0] if len(set(names)) == 1 else numbered(list(names))
    holder, _, name = path.rpartition(".")
    if holder not in lists:
        return attribute(path)
    return ast.Subscript(attribute(holder), ast.parse(name.strip("{}"), mode="eval").body)


def _joined(lines: Sequence[str], indent: int) -> list[str]:
    """The lines, where conditions that follow each other and are the same are one."""
    found: list[str] = []
    header = ""
    for line in lines:
        if line == header:
            continue
        if len(line) - len(line.lstrip()) <= indent:
            header = line if line.lstrip().startswith("if ") else ""
        found.append(line)
    return found


def _once(solved: Solved, ref: Ref) -> bool:
    """True if a step names a value once, so that what gives it can stand in its place."""
    if solved.step.role != "expression":
        return True
    name = f"x{solved.step.inputs.index(ref)}"
    return sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(solved.step.call)) == 1


class Filled(ast.NodeTransformer):
    """Puts expressions in place of names."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The expression for a name, or the name itself."""
        return self._values.get(node.id, node)

"""Writes the steps of a `forward`, or of a loop in it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from archc.ejection.inlined import attribute
from archc.ejection.layout import WIDTH, assignment, statement, text, without_defaults
from archc.ejection.loops import numbered
from archc.ejection.nesting import arms, nested
from archc.ejection.plans import Solved
from archc.ejection.results import Results
from archc.ejection.templates import Ref
from archc.ejection.variables import Variables, reads, suggested

CHOICE = 5  # lines of a conditional expression whose parts have one line each


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

    def all_of(self, loop: Solved) -> str:
        """The modules that a loop runs one after the other, where these are all of their container; else empty."""
        ...


class Body:
    """The steps of a class or of a loop, whose only module has the name `module` where that is given.

    `final` is the variable that carries a loop's value.
    """

    def __init__(
        self, attributes: Attributes, steps: Sequence[Solved], outputs: Sequence[Ref], indent: int, module: str = ""
    ) -> None:
        self._attributes, self._steps, self._outputs, self._indent = attributes, steps, outputs, indent
        self._pending: dict[Ref, ast.expr] = {}
        self._module = module

    def write(
        self, held: Mapping[Ref, str], marked: Mapping[Ref, str], taken: Iterable[str] = (), final: str = ""
    ) -> list[str]:
        """The lines, where these variables hold the inputs."""
        uses = Counter(ref for solved in self._steps for ref in reads(solved))
        uses.update(self._outputs)
        self._taken, self._final = set(taken), final
        self._nested = nested(self._steps, uses, self._expression, WIDTH - self._indent)
        self._arms = arms(self._steps, uses, self._nested)
        free = {*self._taken, *held.values(), *marked.values()}
        names = {ref: name for ref, name in suggested(self._steps, self._nested).items() if name not in free}
        self._variables = Variables(held, uses, {**names, **marked}, self._taken, self._attributes.first)
        lines = [line for index, solved in enumerate(self._steps) for line in self._step(index, solved)]
        return [*_joined(lines, self._indent), *self._returned()]

    def _step(self, index: int, solved: Solved) -> list[str]:
        step = solved.step
        if step.role == "loop":
            return self._loop(solved, index)
        expression = self._expression(solved, [self._given(ref) for ref in step.inputs])
        self._variables.use(reads(solved))
        if index in self._nested or index in self._arms:
            self._pending[Ref(index, 0)] = expression
            return []
        last = index == len(self._steps) - 1 and not self._final
        targets = self._variables.targets(index, step.outputs, reads(solved), last=last)
        return self._assignment(solved, targets, expression)

    def _given(self, ref: Ref) -> ast.expr:
        """What stands for a value: what computes it, or its variable."""
        return self._pending.pop(ref) if ref in self._pending else ast.Name(self._variables[ref])

    def _assignment(self, solved: Solved, targets: list[str], expression: ast.expr) -> list[str]:
        """The lines of a step; where it is absent, the value before stands for its result."""
        if solved.condition is None and not solved.training:
            return assignment(expression, self._indent, targets)
        other = solved.step.bypass
        if other and other in self._pending:
            return self._choice(solved, self._steps[other.line], targets, expression, self._pending.pop(other))
        condition = self._attributes.condition(solved)
        space, inner = " " * self._indent, assignment(expression, self._indent + 4, targets)
        held = self._variables.get(solved.step.bypass or next(iter(solved.step.inputs), None))
        if solved.training or held in (targets[0], ""):
            return [f"{space}if {condition}:", *inner]
        return self._chosen(condition, targets, expression, ast.Name(held))

    def _choice(
        self, solved: Solved, other: Solved, targets: list[str], expression: ast.expr, instead: ast.expr
    ) -> list[str]:
        """The lines of two steps of which one is there: a module decides, else the condition without a `not`."""
        if other.step.role != "expression" or isinstance(solved.condition, ast.UnaryOp):
            solved, expression, instead = other, instead, expression
        return self._chosen(self._attributes.condition(solved), targets, expression, instead)

    def _chosen(self, condition: str, targets: list[str], expression: ast.expr, instead: ast.expr) -> list[str]:
        space, inner = " " * self._indent, self._indent + 4
        chosen = ast.IfExp(ast.parse(condition, mode="eval").body, expression, instead)
        lines = statement(chosen, self._indent, f"{', '.join(targets)} = ")
        if len(lines) <= CHOICE and max(map(len, lines)) <= WIDTH:
            return lines
        then, otherwise = assignment(expression, inner, targets), assignment(instead, inner, targets)
        return [f"{space}if {condition}:", *then, f"{space}else:", *otherwise]

    def _expression(self, solved: Solved, inputs: list[ast.expr]) -> ast.expr:
        step = solved.step
        if step.role != "expression":
            return ast.Call(self._called(step.names), inputs, [])
        slots = {name: self._attributes.stored_in(value) for name, value in solved.arguments.items()}
        values = {f"x{index}": tree for index, tree in enumerate(inputs)}
        return without_defaults(Filled({**slots, **values}).visit(ast.parse(ast.unparse(step.call), mode="eval").body))

    def _called(self, names: Sequence[str]) -> ast.expr:
        """What a step calls: an attribute of `self`; in a loop it is another each time."""
        path = names[0] if len(set(names)) == 1 else numbered(list(names))
        holder, _, name = path.rpartition(".")
        if self._module:
            return ast.Name(self._module)
        if holder not in self._attributes.lists:
            return attribute(path)
        return ast.Subscript(attribute(holder), ast.parse(name.strip("{}"), mode="eval").body)

    def _loop(self, solved: Solved, index: int) -> list[str]:
        step, variables, space = solved.step, self._variables, " " * self._indent
        carried, before = variables[step.inputs[0]], list[str]()
        variables.use(step.inputs)
        if carried in variables.busy():
            before = [f"{space}{(name := variables.free())} = {carried}"]
            carried = name
        held = {Ref(-1, n): carried if n == 0 else variables[ref] for n, ref in enumerate(step.inputs)}
        modules = self._attributes.all_of(solved)
        inner = self._inner(solved, held, carried, "module" if modules else "")
        if modules and self._counts(inner):
            modules, inner = "", self._inner(solved, held, carried, "")
        variables.hold(Ref(index, 0), carried)
        if modules:
            return [*before, f"{space}for module in {modules}:", *inner]
        count = text(self._attributes.stored_in(solved.arguments["count"]))
        return [*before, f"{space}for {'i' if self._counts(inner) else '_'} in range({count}):", *inner]

    def _inner(self, loop: Solved, held: Mapping[Ref, str], carried: str, module: str) -> list[str]:
        """The lines of a loop's body, in which its module is `module`, if that is given."""
        assert loop.step.child is not None, "a loop has a body"
        body = Body(self._attributes, loop.inner, loop.step.child.outputs, self._indent + 4, module)
        return body.write(held, {}, self._taken | self._variables.busy(), carried)

    def _counts(self, inner: Sequence[str]) -> bool:
        """True if the body of a loop needs the number of the iteration."""
        tree = ast.parse("\n".join(line[self._indent + 4 :] for line in inner))
        return any(isinstance(node, ast.Name) and node.id == "i" for node in ast.walk(tree))

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


class Filled(ast.NodeTransformer):
    """Puts expressions in place of names."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """The expression for a name, or the name itself."""
        return self._values.get(node.id, node)

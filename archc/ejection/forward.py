"""Writes the `forward` of a class."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from torch import nn

from archc.ejection.bodies import Body, Filled
from archc.ejection.expressions import names_in
from archc.ejection.inlined import attribute
from archc.ejection.layout import text
from archc.ejection.plans import Plan, Solved
from archc.ejection.results import Results
from archc.ejection.templates import Ref
from archc.ejection.variables import variable


class Forward:
    """`stored` are the arguments that `forward` needs, `conditions` what decides in it, by attribute."""

    def __init__(self, plan: Plan, results: Results | None, inputs: Sequence[str]) -> None:
        self._plan, self.results, self.lists = plan, results, plan.lists
        marked = plan.template.marked()
        self._inputs = [*inputs] or list(_named(plan.template.inputs, marked))
        self.first = self._inputs[0] if self._inputs else variable(0)
        self.stored: dict[str, None] = {}
        self.conditions: dict[str, ast.expr] = {}
        if not plan.template.chain:
            self._body = self._written(marked)

    def lines(self) -> list[str]:
        """The method."""
        taken = ", ".join(["self", *(f"{name}: Tensor" for name in self._inputs)])
        number = len(self._plan.template.outputs)
        returned = "Tensor" if number == 1 else f"tuple[{', '.join(['Tensor'] * number)}]"
        returned = self.results.annotation if self.results else returned
        return [f"    def forward({taken}) -> {returned}:", *self._body]

    def _written(self, marked: Mapping[Ref, str]) -> list[str]:
        held = {Ref(-1, number): name for number, name in enumerate(self._inputs)}
        outputs = self._plan.template.outputs
        only = outputs[0] if len(outputs) == 1 else None  # which `first` holds, whose type is declared
        used = {ref: name for ref, name in marked.items() if ref.line >= 0 and name not in self._inputs and ref != only}
        body = Body(self, self._plan.steps, outputs, 8)
        return body.write(held, used, self._inputs[1:])

    def stored_in(self, tree: ast.expr) -> ast.expr:
        """An expression in the attributes that hold the constructor's arguments. Side effect: these are stored."""
        names = [name for name in self._plan.solver.names if name in names_in(tree)]
        self.stored.update(dict.fromkeys(names))
        attributes: dict[str, ast.expr] = {
            name: ast.Attribute(ast.Name("self"), attribute_name(name)) for name in names
        }
        stored: ast.expr = Filled(attributes).visit(ast.parse(ast.unparse(tree), mode="eval").body)
        return stored

    def condition(self, solved: Solved) -> str:
        """What decides in `forward` whether a step is there. Side effect: it is an attribute."""
        if solved.training:
            return "self.training"
        assert solved.condition is not None, "a step that may be absent has a condition"
        if solved.step.role in ("layer", "block", "group") and solved.step.name.isidentifier():
            return f"self.{solved.step.name} is not None"
        if isinstance(solved.condition, ast.Name):
            return text(self.stored_in(solved.condition))
        shown = ast.dump(solved.condition)
        known = next((name for name, tree in self.conditions.items() if ast.dump(tree) == shown), None)
        return f"self.{known or self._named(solved, solved.condition)}"

    def all_of(self, loop: Solved) -> str:
        """The modules that a loop runs one after the other, where these are all of their container; else empty."""
        own, steps = _modules(loop.inner), _modules([each for each in self._plan.steps if each is not loop])
        if len(own) != 1 or own[0].step.again or any(each.step.role == "loop" for each in loop.inner):
            return ""
        holder = own[0].step.holder
        if holder in self.lists and all(each.step.holder != holder for each in steps):
            return text(attribute(holder))
        held = any("." in tensor.path for each in self._plan.steps for tensor in each.step.lines[0].tensors)
        return "" if holder or steps or held else "self.children()"

    def _named(self, solved: Solved, condition: ast.expr) -> str:
        node = solved.step.lines[0].node
        name = "residual" if node and node.operator.adds else f"has_{node.operator.word if node else 'part'}"
        self.conditions[name] = condition
        return name


def _modules(steps: Sequence[Solved]) -> list[Solved]:
    """The steps that call a module, those in loops included."""
    inner = [each for solved in steps for each in (_modules(solved.inner) if solved.step.role == "loop" else [solved])]
    return [each for each in inner if each.step.role in ("layer", "block", "group")]


def attribute_name(name: str) -> str:
    """The attribute of an argument; one that nn.Module has, such as `half`, gets another name."""
    return f"{name}_" if hasattr(nn.Module, name) else name


def _named(count: int, marked: Mapping[Ref, str]) -> list[str]:
    """The names of inputs: those of the spec, else letters."""
    names = [marked.get(Ref(-1, index), "") if index else variable(0) for index in range(count)]
    free = (name for name in map(variable, range(count + 1)) if name not in names)
    return [name or next(free) for name in names]

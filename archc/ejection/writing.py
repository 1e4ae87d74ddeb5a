"""Writes the planned classes of a network as Python source."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import groupby

from archc.ejection.construction import call, constructed, element, has_names, listed, listing, sequence
from archc.ejection.forward import Forward, attribute_name
from archc.ejection.inlined import attribute
from archc.ejection.layout import statement, text
from archc.ejection.loops import numbered
from archc.ejection.plans import Plan, Solved
from archc.ejection.results import Results
from archc.ejection.signatures import signature
from archc.ejection.tensors import buffer, is_buffer, parameters

FITS = 100  # characters of a conditional module in one line


def class_source(
    plan: Plan, comment: str, results: Results | None = None, inputs: Sequence[str] = (), initial: Sequence[str] = ()
) -> list[str]:
    """The lines of a class; `initial` are the last of its constructor."""
    body = _chain(plan) if plan.template.chain else _Module(plan, results, inputs).lines(initial)
    base = "Sequential" if plan.template.chain else "ModuleList" if "" in plan.lists else "Module"
    head = [f"class {plan.name}(nn.{base}):"]
    head += [f'    """{comment}"""', ""] if comment else []
    buffers = [f"    {name}: Tensor" for name in _buffers(plan.steps)]
    return [*head, *buffers, *([""] if buffers else []), *body]


def _chain(plan: Plan) -> list[str]:
    """The constructor of an nn.Sequential."""
    head, steps = [*signature(plan), *_derived(plan)], plan.steps
    if not any(solved.condition for solved in steps):
        return [*head, *statement(call("super().__init__", *sequence(steps)), 8)]
    return [*head, *_filled("layers", steps), "        super().__init__(*layers)"]


def _filled(name: str, steps: Sequence[Solved]) -> list[str]:
    """The lines that fill a list with modules, of which some may be absent."""
    lines: list[str] = []
    for absent, group in groupby(steps, lambda solved: solved.condition is not None):
        each = list(group)
        if absent:
            lines += [] if lines else [f"        {name}: list[nn.Module] = []"]
            lines += [line for solved in each for line in _appended(name, solved)]
        elif lines and len(each) == 1 and each[0].step.role != "loop":
            lines += statement(call(f"{name}.append", constructed(each[0])), 8)
        else:
            listed = listing([element(solved) for solved in each])
            lines += statement(listed, 8, f"{name} += " if lines else f"{name}: list[nn.Module] = ")
    return lines


def _appended(name: str, solved: Solved) -> list[str]:
    assert solved.condition is not None, "a module that may be absent has a condition"
    added = statement(call(f"{name}.append", constructed(solved)), 12)
    return [f"        if {text(solved.condition)}:", *added]


def _derived(plan: Plan) -> list[str]:
    return [line for name, tree in plan.derived.items() for line in statement(tree, 8, f"{name} = ")]


def _buffers(steps: Sequence[Solved]) -> Iterator[str]:
    """The names of all buffers of a class, those in loops and groups included."""
    for solved in steps:
        if is_buffer(solved.step.lines[0]) and solved.step.name.isidentifier():
            yield solved.step.name
        yield from _buffers(solved.inner)


class _Module:
    """Writes the methods of an nn.Module."""

    def __init__(self, plan: Plan, results: Results | None, inputs: Sequence[str]) -> None:
        self._plan = plan
        self._forward = Forward(plan, results, inputs)
        self._holders: set[str] = set()  # the modules that hold others and have been made

    def lines(self, initial: Sequence[str]) -> list[str]:
        """The constructor, unless it would do nothing, and `forward`."""
        plan, forward = self._plan, self._forward
        body = _derived(plan)
        body += [f"        self.{attribute_name(name)} = {name}" for name in forward.stored]
        body += [f"        self.{name} = {text(tree)}" for name, tree in forward.conditions.items()]
        for solved in plan.steps:
            body += [*self._made(solved), *self._defined(solved, 8)]
        body += initial
        above = call("super().__init__", *listed(plan.steps, "").args if "" in plan.lists else [])
        constructor = [*signature(plan), *statement(above, 8), *body, ""] if body or above.args else []
        return [*constructor, *forward.lines()]

    def _defined(self, solved: Solved, indent: int) -> list[str]:
        """The lines that define the module or the tensors of a step."""
        step, space = solved.step, " " * indent
        if step.again or step.holder in self._plan.lists:
            return []
        if step.role == "loop":
            inner = [line for each in solved.inner for line in self._defined(each, indent + 4)]
            return [f"{space}for i in range({text(solved.arguments['count'])}):", *inner] if inner else []
        comments = [f"{space}# {line}" for line in step.comment]
        if step.role == "expression":
            return [*comments, *self._owned(solved, indent)]
        return [*comments, *self._module(solved, indent)]

    def _module(self, solved: Solved, indent: int) -> list[str]:
        step, space = solved.step, " " * indent
        if self._is_filled(solved):
            name = f"{step.name}_layers" if step.name in (*self._plan.arguments, *self._plan.derived) else step.name
            module = ast.Call(ast.parse("nn.Sequential", mode="eval").body, [ast.Starred(ast.Name(name))], [])
            return [*_filled(name, solved.inner), *_assigned(step.names, module, indent)]
        value = constructed(solved)
        if solved.condition is None:
            return _assigned(step.names, value, indent)
        chosen = ast.IfExp(solved.condition, value, ast.Constant(None))
        if step.name.isidentifier() and len(text(chosen)) + len(step.name) < FITS:
            return _assigned(step.names, chosen, indent)
        typed = [f"{space}self.{step.name}: nn.Module | None = None"] if step.name.isidentifier() else []
        return [*typed, f"{space}if {text(solved.condition)}:", *_assigned(step.names, value, indent + 4)]

    def _is_filled(self, solved: Solved) -> bool:
        """True for an nn.Sequential of which some modules may be absent."""
        if solved.step.role != "group" or solved.condition is not None or not solved.step.name.isidentifier():
            return False
        return any(each.condition for each in solved.inner) and not has_names(solved.inner)

    def _owned(self, solved: Solved, indent: int) -> list[str]:
        """The tensors of a step, if it is there."""
        if solved.condition is None:
            return self._tensors(solved, indent)
        inner = self._tensors(solved, indent + 4)
        return [f"{' ' * indent}if {text(solved.condition)}:", *inner] if inner else []

    def _tensors(self, solved: Solved, indent: int) -> list[str]:
        if is_buffer(solved.step.lines[0]):
            return buffer(solved, indent)
        found: list[str] = []
        for holder, lines in parameters(solved, indent):
            modules = (each for each in self._plan.steps if each.step.role != "expression")
            made = holder in self._holders or any(holder in each.step.names for each in modules)
            if holder and not made:
                self._holders.add(holder)
                found.append(f"{' ' * indent}self.{holder} = nn.Module()")
            found += lines
        return found

    def _made(self, solved: Solved) -> list[str]:
        """The modules that hold those of a step, where these are named first."""
        lines: list[str] = []
        for each in solved.inner if solved.step.role == "loop" else [solved]:
            if each.step.role in ("layer", "block", "group") and not each.step.again:
                path = each.step.holder.split(".") if each.step.holder else []
                for count in range(1, len(path) + 1):
                    lines += self._holder(path[:count])
        return lines

    def _holder(self, path: list[str]) -> list[str]:
        holder, above = ".".join(path), ".".join(path[:-1])
        if holder in self._holders:
            return []
        self._holders.add(holder)
        made = listed(self._plan.steps, holder) if holder in self._plan.lists else call("nn.Module")
        if not above and holder.isidentifier():
            return statement(made, 8, f"self.{holder} = ")
        owner = f'self.get_submodule("{above}")' if above else "self"
        return statement(call(f"{owner}.add_module", ast.Constant(path[-1]), made), 8)


def _assigned(names: list[str], value: ast.expr, indent: int) -> list[str]:
    name = names[0]
    if len(set(names)) == 1 and name.isidentifier():
        return statement(value, indent, f"self.{name} = ")
    path, _, last = (name if len(set(names)) == 1 else numbered(names)).rpartition(".")
    owner = text(attribute(path)) if path else "self"
    quoted = ast.parse(f'{"f" if "{" in last else ""}"{last}"', mode="eval").body
    return statement(call(f"{owner}.add_module", quoted, value), indent)

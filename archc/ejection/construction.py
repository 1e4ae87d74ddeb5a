"""The expressions that construct the modules of a class."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from archc.ejection.constructors import arguments_of
from archc.ejection.expressions import names_in
from archc.ejection.layout import text
from archc.ejection.loops import numbered
from archc.ejection.plans import REQUIRED, Solved
from archc.nn import layers

POSITIONAL = 2  # arguments without a default that stand before the named ones


def constructed(solved: Solved) -> ast.expr:
    """The module of a step."""
    if solved.step.role == "group":
        return call("nn.Sequential", *sequence(solved.inner))
    if solved.plan:
        plan = solved.plan
        widths = {name: plan.arguments[name] if plan.is_width(name) else None for name in plan.arguments}
        return _called(ast.Name(plan.name), solved.arguments, widths, REQUIRED)
    arguments = dict(solved.arguments)
    callee = arguments.pop("class", solved.step.call)
    path = text(callee)
    own = path.startswith("layers.")
    cls = getattr(layers if own else nn, path.rpartition(".")[2], None)
    callee = ast.Name(path.removeprefix("layers.")) if own else callee
    return _called(callee, arguments, arguments_of(cls) if cls else {}, inspect.Parameter.empty)


def sequence(steps: Sequence[Solved]) -> list[ast.expr]:
    """The arguments of an nn.Sequential; its modules have names unless these are their positions."""
    named = has_names(steps)
    parts = [element(solved, named=named) for solved in steps]
    return [call("OrderedDict", listing(parts))] if named else parts


def has_names(steps: Sequence[Solved]) -> bool:
    """True if modules of an nn.Sequential have other names than their positions."""
    inner = [each for solved in steps for each in (solved.inner if solved.step.role == "loop" else [solved])]
    return not all(name.isdigit() for each in inner for name in each.step.names)


def listed(steps: Sequence[Solved], holder: str) -> ast.Call:
    """The nn.ModuleList with the modules of some steps that lie in it."""
    parts: list[ast.expr] = []
    for solved in steps:
        loop = solved.step.role == "loop"
        own = [each for each in (solved.inner if loop else [solved]) if each.step.holder == holder]
        parts += [_repeated(each, solved) if loop else element(each) for each in own if not each.step.again]
    return call("nn.ModuleList", listing(parts))


def listing(parts: list[ast.expr]) -> ast.expr:
    """A list; of one list alone that list itself."""
    match parts:
        case [ast.Starred(only)]:
            return only
    return ast.List(parts)


def element(solved: Solved, *, named: bool = False) -> ast.expr:
    """An element of a list of modules, or of their names and themselves."""
    if solved.step.role == "loop":
        return _repeated(solved.inner[0], solved, named=named)
    value = constructed(solved)
    if named:
        names = solved.step.names
        name = f'f"{numbered(names)}"' if len(set(names)) > 1 else repr(names[0])
        value = ast.Tuple([ast.parse(name, mode="eval").body, value])
    if solved.condition is not None:
        return ast.Starred(ast.IfExp(solved.condition, ast.List([value]), ast.List([])))
    return value


def _repeated(inner: Solved, loop: Solved, *, named: bool = False) -> ast.expr:
    made = element(inner, named=named)
    counter = "i" if "i" in names_in(made) else "_"
    times = call("range", loop.arguments["count"])
    return ast.Starred(ast.ListComp(made, [ast.comprehension(ast.Name(counter), times, [], 0)]))


def _called(
    callee: ast.expr, arguments: Mapping[str, ast.expr], defaults: Mapping[str, Any], required: Any
) -> ast.Call:
    """A call whose first arguments without a default stand alone; the others are named, in the signature's order."""
    order = [name for name in defaults if name in arguments] + [name for name in arguments if name not in defaults]
    positional: list[ast.expr] = []
    for name in list(defaults)[:POSITIONAL]:
        if name not in arguments or defaults[name] is not required:
            break
        positional.append(arguments[name])
    return ast.Call(callee, positional, [ast.keyword(name, arguments[name]) for name in order[len(positional) :]])


def call(function: str, *arguments: ast.expr) -> ast.Call:
    """A call of a function by its name."""
    return ast.Call(ast.parse(function, mode="eval").body, list(arguments), [])

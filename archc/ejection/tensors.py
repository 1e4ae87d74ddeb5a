"""The lines of a constructor that define its own parameters and buffers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from archc.ejection.construction import call
from archc.ejection.layout import statement, text
from archc.ejection.lines import Line
from archc.ejection.plans import Solved
from archc.ir.initializers import Initializer


def is_buffer(line: Line) -> bool:
    """True for a source that computes its values."""
    return line.role == "expression" and line.node is not None and line.node.operator.computed() is not None


def buffer(solved: Solved, indent: int) -> list[str]:
    """The lines that register a buffer."""
    node = solved.step.lines[0].node
    assert node is not None, "a buffer is computed"
    computed = node.operator.computed()
    assert computed is not None, "a buffer is computed"
    usual = _defaults(str(getattr(node.operator, "torch_function", "")))
    arguments = [
        ast.keyword(name, value)
        for name, value in solved.arguments.items()
        if "." not in name and text(value) != usual.get(name)
    ]
    value = ast.Call(ast.Name(node.operator.word), [], arguments)
    registered = call("self.register_buffer", ast.Constant(solved.step.name), value)
    registered.keywords += [] if computed.persistent else [ast.keyword("persistent", ast.Constant(False))]
    return statement(registered, indent)


def _defaults(function: str) -> dict[str, str]:
    """The arguments of a function with a default, which is text."""
    for node in ast.parse(function.strip()).body:
        if isinstance(node, ast.FunctionDef):
            given = node.args.defaults
            names = [each.arg for each in node.args.args[len(node.args.args) - len(given) :]]
            return {name: text(each) for name, each in zip(names, given, strict=True)}
    return {}


def parameters(solved: Solved, indent: int) -> Iterator[tuple[str, list[str]]]:
    """For each parameter of a step the module that holds it, if it is another, and the lines that define it."""
    for index, tensor in enumerate(solved.step.lines[0].tensors):
        shape = [solved.arguments[f"shape{index}.{axis}"] for axis in range(len(tensor.shape))]
        value = call("nn.Parameter", _initial(tensor.initializer, shape))
        holder, _, name = tensor.path.rpartition(".")
        if holder:
            registered = call(f'self.get_submodule("{holder}").register_parameter', ast.Constant(name), value)
            yield holder, statement(registered, indent)
        else:
            yield "", statement(value, indent, f"self.{name} = ")


def _initial(initializer: Initializer, shape: list[ast.expr]) -> ast.expr:
    """A tensor as it starts; empty where its values are drawn later."""
    if initializer.word == "constant":
        return call("torch.full", ast.Tuple(shape), ast.Constant(float(initializer.model_dump()["val"])))
    return call(f"torch.{initializer.word if initializer.word in ('ones', 'zeros') else 'empty'}", *shape)

"""Expressions of a `forward` as syntax, with a name for each constant in them."""

from __future__ import annotations

import ast
from typing import Any

from archc.ejection.views import view
from archc.ir.graph import Node, Parameter
from archc.nn.codegen import node_source
from archc.nn.regions import Region

OF_AXES = ("permute", "transpose", "flatten", "squeeze", "unsqueeze")
"""Methods whose arguments are axes, and no sizes."""


def expression(node: Node, region: Region) -> tuple[ast.expr, dict[str, Any], tuple[Parameter, ...]]:
    """What a node computes, its constants by name, and its tensors."""
    variables = [f"x{index}" for index in range(len(node.inputs))]
    tensors: dict[str, str] = {}
    below = f"{region.scope.shares or region.scope.path}."
    source = view(node.operator, node.inputs[0].type.ndim if node.inputs else 0) or node_source(
        node, variables, lambda key: tensors.setdefault(key.removeprefix(below), f"t{len(tensors)}")
    )
    source = source.replace("torch.nn.functional", "nn.functional")
    taken = _Constants()
    tree = taken.visit(ast.parse(source, mode="eval").body)
    owned = tuple(parameter._replace(path=parameter.path.removeprefix(below)) for parameter in node.parameters)
    for key, name in tensors.items():
        tree = _Renamed(name, key).visit(tree)
    if node.operator.computed():  # a function gives it, whose arguments are the fields
        return tree, {name: value for name, value in dict(node.operator).items() if name != "persistent"}, owned
    return tree, taken.slots, owned


class _Constants(ast.NodeTransformer):
    """Takes the constants out of an expression, and leaves a name for each."""

    def __init__(self) -> None:
        self.slots: dict[str, Any] = {}

    def _slot(self, value: Any) -> ast.expr:
        name = f"_{len(self.slots)}"
        self.slots[name] = value
        return ast.Name(name)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """An axis is no size; of `torch.unflatten` it is the second argument."""
        match node.func:
            case ast.Attribute(_, "unflatten"):
                node.args[0], node.args[2] = self.visit(node.args[0]), self.visit(node.args[2])
            case ast.Attribute(_, method) if method in OF_AXES:
                node.func = self.visit(node.func)
            case _:
                self.generic_visit(node)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self._slot(node.value)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        return self._slot(ast.literal_eval(node)) if isinstance(node.operand, ast.Constant) else node


class _Renamed(ast.NodeTransformer):
    """Puts the attribute of a tensor in place of its name."""

    def __init__(self, name: str, key: str) -> None:
        self._name, self._key = name, key

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id != self._name:
            return node
        return attribute(self._key, "parameter")


def attribute(path: str, kind: str = "submodule") -> ast.expr:
    """`self.conv1`; what lies deeper or is no identifier is asked for by its path, and no path is `self`."""
    if not path:
        return ast.Name("self")
    if path.isidentifier():
        return ast.Attribute(ast.Name("self"), path)
    prefix = "f" if "{" in path else ""
    return ast.parse(f"self.get_{kind}({prefix}{path!r})", mode="eval").body

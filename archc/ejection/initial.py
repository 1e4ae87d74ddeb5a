"""Writes how a network's tensors start where torch's own start is another."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from archc.ejection.layout import statement
from archc.ir.graph import Graph, Node, Parameter
from archc.ir.initializers import Initializer, Values

INLINE = ("zeros", "ones", "constant")
"""Starts that the constructor of a parameter writes itself."""
Starts = tuple[tuple[str, Initializer], ...]


def initial_lines(graph: Graph) -> list[str]:
    """The last lines of a network's constructor."""
    drawn = [(node, parameter) for node in graph.nodes if not node.shares for parameter in _drawn(node)]
    usual, lines = _usual(graph), list[str]()
    alike: dict[Starts, list[str]] = defaultdict(list)
    for path, starts in usual.items():
        alike[starts].append(path)
    for number, (starts, paths) in enumerate(alike.items()):
        path = paths[0] if len(paths) == 1 else " | ".join(paths)
        lines += ["        for module in self.modules():"] if not number else []
        alone = [tensor for tensor, _ in starts] == ["bias"]
        condition = " and module.bias is not None" if alone else ""
        lines.append(f"            {'el' if number else ''}if isinstance(module, {path}){condition}:")
        for tensor, start in starts:
            optional = tensor == "bias" and not alone
            if optional:
                lines.append("                if module.bias is not None:")
            lines += statement(_call(start, f"module.{tensor}"), 20 if optional else 16)
    others: dict[Initializer, list[str]] = defaultdict(list)
    for node, parameter in drawn:
        if not _is_usual(node, parameter, usual):
            others[parameter.initializer].append(parameter.path)
    names = [parameter.path for parameter in graph.parameters() if not parameter.buffer]
    for start, keys in others.items():
        lines += _by_name(start, keys, names)
    return lines


def _drawn(node: Node) -> Iterator[Parameter]:
    for parameter in node.parameters:
        written = not node.keys and node.operator.arity == 0 and parameter.initializer.word in INLINE
        if not parameter.buffer and not written and not isinstance(parameter.initializer, Values):
            yield parameter


def _usual(graph: Graph) -> dict[str, Starts]:
    """For each class of layers how its tensors mostly start, where that is not torch's way."""
    counts: dict[str, dict[str, Counter[Initializer | None]]] = defaultdict(lambda: defaultdict(Counter))
    for node in graph.nodes:
        if _is_layer(node):
            for tensor, start in _starts(node):
                counts[_path(node)][tensor][None if _plain(node).get(tensor) == start else start] += 1
    usual = {
        path: tuple((tensor, start) for tensor, found in tensors.items() for start, _ in found.most_common(1) if start)
        for path, tensors in counts.items()
    }
    return {path: starts for path, starts in usual.items() if starts}


def _plain(node: Node) -> dict[str, Initializer]:
    """How torch starts the tensors of a layer."""
    return {weight.name: weight.initializer for weight in node.operator.weights(*node.kind[1])}


def _is_layer(node: Node) -> bool:
    return bool(node.parameters) and not (node.shares or node.keys or node.operator.is_expression())


def _path(node: Node) -> str:
    return node.operator.torch_source(node.kind[1]).partition("(")[0].removeprefix("layers.")


def _starts(node: Node) -> Iterator[tuple[str, Initializer]]:
    for parameter in node.parameters:
        if not parameter.buffer:
            yield parameter.path.rpartition(".")[2], parameter.initializer


def _is_usual(node: Node, parameter: Parameter, usual: Mapping[str, Starts]) -> bool:
    if not _is_layer(node):
        return False
    name = parameter.path.rpartition(".")[2]
    starts = dict(usual.get(_path(node), ()))
    if name in starts:
        return starts[name] == parameter.initializer
    return _plain(node).get(name) == parameter.initializer


def _by_name(start: Initializer, keys: list[str], names: list[str]) -> list[str]:
    """Tensors that start in one way: by the ends of their names where no others have these, else one by one."""
    ends: list[str] = []
    alone = [key for key in keys if any(name != key and name.endswith(key) for name in names if name not in keys)]
    if len(keys) - len(alone) < 3:
        alone = keys
    keys = [key for key in keys if key not in alone]
    lines = [line for key in alone for line in statement(_call(start, f'self.get_parameter("{key}")'), 8)]
    if not keys:
        return lines
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        own = (end for end in endings if {name for name in names if name.endswith(end)} <= {*keys, *alone})
        if not key.endswith(tuple(ends)):
            ends.append(next(own))
    shown = ast.Constant(ends[0]) if len(ends) == 1 else ast.Tuple([ast.Constant(end) for end in ends])
    return [
        *lines,
        "        for name, parameter in self.named_parameters():",
        *statement(ast.Call(ast.parse("name.endswith", mode="eval").body, [shown], []), 12, "if ", ":"),
        *statement(_call(start, "parameter"), 16),
    ]


def _call(start: Initializer, tensor: str) -> ast.expr:
    defaults = {name: field.default for name, field in type(start).model_fields.items()}
    keywords = [
        ast.keyword(name, ast.Constant(value))
        for name, value in start.model_dump().items()
        if value != defaults[name] or type(start).model_fields[name].is_required()
    ]
    function = ast.parse(f"nn.init.{start.word}_", mode="eval").body
    return ast.Call(function, [ast.parse(tensor, mode="eval").body], keywords)

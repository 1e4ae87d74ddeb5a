"""Writes how a network's tensors start where torch's own start is another."""

from __future__ import annotations

import ast
import inspect
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from torch import nn

from archc.ejection.layout import statement
from archc.ir.graph import Graph, Node, Parameter
from archc.ir.initializers import Initializer, Values

INLINE = ("zeros", "ones", "constant")
"""Starts that the constructor of a parameter writes itself."""
Starts = tuple[tuple[str, Initializer], ...]


def initial_lines(graph: Graph) -> list[str]:
    """The last lines of a network's constructor."""
    drawn = [(node, parameter) for node in graph.nodes if not node.shares for parameter in _drawn(node)]
    usual, part, lines = _usual(graph), _only_part(graph), list[str]()
    alike: dict[Starts, list[str]] = defaultdict(list)
    for path, starts in usual.items():
        alike[starts].append(path)
    for number, (starts, paths) in enumerate(alike.items()):
        path = paths[0] if len(paths) == 1 else " | ".join(paths)
        lines += [
            f"        for module in self.{part}.modules():" if part else "        for module in self.modules():"
        ] * (not number)
        unsure = any(map(_may_lack_bias, paths)) or any(
            _path(node) in paths for node in graph.nodes if _lacks_bias(node)
        )
        only = unsure and [tensor for tensor, _ in starts] == ["bias"]
        condition = " and module.bias is not None" if only else ""
        lines.append(f"            {'el' if number else ''}if isinstance(module, {path}){condition}:")
        for tensor, start in starts:
            optional = unsure and tensor == "bias" and not only
            if optional:
                lines.append("                if module.bias is not None:")
            lines += statement(_call(start, f"module.{tensor}"), 20 if optional else 16)
    others: dict[Initializer, list[str]] = defaultdict(list)
    for node, parameter in drawn:
        if not _is_usual(node, parameter, usual if not part or node.path.startswith(f"{part}.") else {}):
            others[parameter.initializer].append(parameter.path)
    names = [parameter.path for parameter in graph.parameters() if not parameter.buffer]
    looped: list[str] = []
    for start, keys in others.items():
        ends, alone = _named(keys, names)
        lines += [line for key in alone for line in statement(_call(start, f'self.get_parameter("{key}")'), 8)]
        if ends:
            test = ast.Call(ast.parse("name.endswith", mode="eval").body, [_one_of(ends)], [])
            looped += statement(test, 12, "elif " if looped else "if ", ":")
            looped += statement(_call(start, "parameter"), 16)
    return [*lines, *(["        for name, parameter in self.named_parameters():"] if looped else []), *looped]


def _may_lack_bias(path: str) -> bool:
    """True for a layer whose bias torch's types make optional."""
    cls = getattr(nn, path.rpartition(".")[2], None)
    return not (inspect.isclass(cls) and issubclass(cls, nn.Linear | nn.modules.batchnorm._BatchNorm | nn.LayerNorm))


def _lacks_bias(node: Node) -> bool:
    return _is_layer(node) and not any(tensor == "bias" for tensor, _ in _starts(node))


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


def _only_part(graph: Graph) -> str:
    """The child of the network in which all layers start in their usual way, if all others start in torch's."""
    usual, parts = _usual(graph), dict[str, bool]()
    for node in graph.nodes:
        if _is_layer(node) and _path(node) in usual:
            name, _, below = node.path.partition(".")
            starts, plain = dict(_starts(node)), _plain(node)
            differs = any(starts.get(tensor, start) != plain.get(tensor, start) for tensor, start in usual[_path(node)])
            if not below or not name.isidentifier() or parts.setdefault(name, differs) is not differs:
                return ""
    changed = [name for name, differs in parts.items() if differs]
    return changed[0] if len(changed) == 1 and len(parts) > 1 else ""


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


def _named(keys: list[str], names: list[str]) -> tuple[list[str], list[str]]:
    """The ends of names that these tensors have and no others; and those tensors that are named one by one."""
    alone = [key for key in keys if any(name != key and name.endswith(key) for name in names if name not in keys)]
    if len(keys) - len(alone) < 3:
        return [], keys
    ends: list[str] = []
    for key in keys:
        parts = key.split(".")
        endings = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        own = (end for end in endings if {name for name in names if name.endswith(end)} <= {*keys})
        if key not in alone and not key.endswith(tuple(ends)):
            ends.append(next(own))
    return ends, alone


def _one_of(texts: list[str]) -> ast.expr:
    return ast.Constant(texts[0]) if len(texts) == 1 else ast.Tuple([ast.Constant(each) for each in texts])


def _call(start: Initializer, tensor: str) -> ast.expr:
    defaults = {name: field.default for name, field in type(start).model_fields.items()}
    keywords = [
        ast.keyword(name, ast.Constant(value))
        for name, value in start.model_dump().items()
        if value != defaults[name] or type(start).model_fields[name].is_required()
    ]
    function = ast.parse(f"nn.init.{start.word}_", mode="eval").body
    return ast.Call(function, [ast.parse(tensor, mode="eval").body], keywords)

"""Checks that a graph is well formed.

Runs after elaboration and after every pass; what it finds is archc's own mistake.
"""

from __future__ import annotations

from collections import Counter

from archc.ir.graph import Graph, Node
from archc.ir.types import TensorType


class InvalidGraph(AssertionError):
    """A pass or the elaborator broke the graph."""


def verify_graph(graph: Graph) -> None:
    """Raise InvalidGraph unless the graph is well formed.

    Every value is produced once and before it is used, every type is what the operator infers, every node lies in a
    scope that exists, paths and parameters are unique, and there is an output outside training.
    """
    types = {value.name: value.type for value in graph.inputs}
    scopes = {scope.path for scope in graph.scopes}
    _unique("scope", [scope.path for scope in graph.scopes])
    _unique("value", [value.name for value in graph.values()])
    _unique("node", [node.path for node in graph.nodes])
    tensors = [parameter.path for node in graph.nodes if not node.shares for parameter in node.parameters]
    _unique("parameter", tensors)
    known = {*tensors}
    for node in graph.nodes:
        if node.scope not in scopes:
            raise InvalidGraph(f"{node.path}: its scope '{node.scope}' does not exist")
        for value in node.inputs:
            if value.name not in types:
                raise InvalidGraph(f"{node.path}: uses {value.name} before it is produced")
            if types[value.name] != value.type:
                raise InvalidGraph(f"{node.path}: {value.name} is not of type {value.type}")
        _check_operator(node)
        if not all(parameter.path in known for parameter in node.parameters):
            raise InvalidGraph(f"{node.path}: shares tensors that no node has")
        types |= {value.name: value.type for value in node.outputs}
    _unique("output", [output.name for output in graph.outputs])
    if not graph.inputs:
        raise InvalidGraph("there is no input")
    if all(output.training_only for output in graph.outputs):
        raise InvalidGraph("there is no output")
    for output in graph.outputs:
        if types.get(output.value.name) != output.value.type:
            raise InvalidGraph(f"output {output.name} is not produced")


def _check_operator(node: Node) -> None:
    if not node.operator.takes(len(node.inputs)):
        raise InvalidGraph(f"{node.path}: {len(node.inputs)} inputs for {node.operator.word}")
    types = tuple(value.type for value in node.inputs)
    inferred, weights = node.operator.typed(*types)
    given = tuple([value.type for value in node.outputs])
    if inferred != given:
        raise InvalidGraph(f"{node.path}: is of type {_shown(given)}, but infers {_shown(inferred)}")
    expected = {node.key(weight.name): weight.shape for weight in weights}
    actual = {parameter.path: parameter.shape for parameter in node.parameters}
    if expected != actual:
        raise InvalidGraph(f"{node.path}: has parameters {actual}, but needs {expected}")


def _shown(types: tuple[TensorType, ...]) -> str:
    return ", ".join(map(str, types))


def _unique(what: str, names: list[str]) -> None:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise InvalidGraph(f"{what} names repeat: {repeated}")

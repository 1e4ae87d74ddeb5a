"""Checks that a graph is well formed.

Runs after elaboration and after every pass; what it finds is archc's own mistake.
"""

from __future__ import annotations

from archc.ir.graph import Graph, Node


class InvalidGraph(AssertionError):
    """A pass or the elaborator broke the graph."""


def verify_graph(graph: Graph) -> None:
    """Raise InvalidGraph unless the graph is well formed.

    Every value is produced once and before it is used, every type is what the operator infers, every node lies in a
    scope that exists, paths and parameters are unique, and there is an output outside training.
    """
    types = {graph.input.name: graph.input.type}
    scopes = {scope.path for scope in graph.scopes}
    _unique("scope", [scope.path for scope in graph.scopes])
    _unique("value", [graph.input.name, *(node.output.name for node in graph.nodes)])
    _unique("node", [node.path for node in graph.nodes])
    _unique("parameter", [parameter.path for parameter in graph.parameters()])
    for node in graph.nodes:
        _require(node.scope in scopes, f"{node.path}: its scope '{node.scope}' does not exist")
        for value in node.inputs:
            _require(value.name in types, f"{node.path}: uses {value.name} before it is produced")
            _require(types[value.name] == value.type, f"{node.path}: {value.name} is not of type {value.type}")
        _check_operator(node)
        types[node.output.name] = node.output.type
    _unique("output", [output.name for output in graph.outputs])
    _require(any(not output.training_only for output in graph.outputs), "there is no output")
    for output in graph.outputs:
        _require(types.get(output.value.name) == output.value.type, f"output {output.name} is not produced")


def _check_operator(node: Node) -> None:
    arity = node.operator.arity
    count = len(node.inputs)
    _require(
        count == arity or (arity is None and count >= 2),
        f"{node.path}: {count} inputs for {node.operator.word}",
    )
    types = tuple(value.type for value in node.inputs)
    inferred = node.operator.infer(*types)
    _require(inferred == node.output.type, f"{node.path}: is of type {node.output.type}, but infers {inferred}")
    expected = {f"{node.path}.{weight.name}": weight.shape for weight in node.operator.weights(*types)}
    actual = {parameter.path: parameter.shape for parameter in node.parameters}
    _require(expected == actual, f"{node.path}: has parameters {actual}, but needs {expected}")


def _unique(what: str, names: list[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    _require(not repeated, f"{what} names repeat: {sorted(repeated)}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidGraph(message)

"""Removes operators that do nothing outside training: dropout, stochastic depth, and the identity.

Ensures: every operator computes something at inference; values keep their names, and an output keeps its own.
"""

from __future__ import annotations

from dataclasses import replace

from archc.ir.graph import Graph, Node, Value
from archc.ir.verifier import verify_graph


def drop_training_only(graph: Graph) -> Graph:
    """The graph without operators that are the identity at inference."""
    if all(node.operator.inference for node in graph.nodes):
        return graph
    aliases: dict[str, Value] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(aliases.get(value.name, value) for value in node.inputs)
        if not node.operator.inference:
            aliases[node.output.name] = inputs[0]
        else:
            kept.append(replace(node, inputs=inputs))
    outputs = tuple(output._replace(value=aliases.get(output.value.name, output.value)) for output in graph.outputs)
    result = replace(graph, nodes=tuple(kept), outputs=outputs)
    verify_graph(result)
    return result

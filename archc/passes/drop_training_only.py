"""Removes operators that do nothing outside training: dropout, stochastic depth, and the identity.

Requires: an inference graph.
Ensures: every operator computes something at inference. Values keep their names, and an output keeps its own.
"""

from __future__ import annotations

from dataclasses import replace

from archc.ir.graph import Graph, Node, Value
from archc.passes.run import Pass, is_inference


def _every_operator_computes(graph: Graph) -> bool:
    return all(node.operator.inference for node in graph.nodes)


def _drop(graph: Graph) -> Graph:
    if _every_operator_computes(graph):
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
    return replace(graph, nodes=tuple(kept), outputs=outputs)


drop_training_only = Pass("drop_training_only", _drop, requires=is_inference, ensures=_every_operator_computes)

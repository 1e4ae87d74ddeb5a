"""The graph outside training: without the outputs that exist in training only, and what nothing else needs.

Ensures: every node contributes to an output; no output is `training_only`.
"""

from __future__ import annotations

from dataclasses import replace

from archc.ir.graph import Graph, Node


def inference_graph(graph: Graph) -> Graph:
    """The network as it is outside training: without auxiliary heads."""
    outputs = tuple(output for output in graph.outputs if not output.training_only)
    if outputs == graph.outputs:
        return graph
    needed = {output.value.name for output in outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output.name in needed:
            needed.update(value.name for value in node.inputs)
            kept.append(node)
    return replace(graph, nodes=tuple(reversed(kept)), outputs=outputs)

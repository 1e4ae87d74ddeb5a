"""Leaves out what exists in training only: auxiliary heads, and what nothing else needs.

Ensures: every node contributes to an output; no output is `training_only`.
"""

from __future__ import annotations

from archc.ir.graph import Graph


def inference_graph(graph: Graph) -> Graph:
    """The network as it is outside training: without auxiliary heads."""
    return graph.at_inference()

"""What a pass is, and the only place that runs passes: the graph is verified after each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from archc.ir.graph import Graph
from archc.ir.verifier import InvalidGraph, verify_graph

Condition = Callable[[Graph], bool]


class Pass(NamedTuple):
    """A transformation of graphs that leaves its input as it is.

    `requires` must hold of the graph that it is given, and `ensures` holds of the graph that it returns.
    """

    name: str
    run: Callable[[Graph], Graph]
    requires: Condition = lambda graph: True
    ensures: Condition = lambda graph: True


def run_passes(graph: Graph, passes: Sequence[Pass]) -> Graph:
    """The graph after these passes, one after the other.

    Raises InvalidGraph: a pass was given what it cannot take, or broke the graph or its own promise.
    """
    for each in passes:
        _hold(each, "requires", graph)
        graph = each.run(graph)
        verify_graph(graph)
        _hold(each, "ensures", graph)
    return graph


def _hold(each: Pass, what: str, graph: Graph) -> None:
    condition: Condition = getattr(each, what)
    if not condition(graph):
        raise InvalidGraph(f"{each.name}: what it {what} does not hold of the graph {graph.name}")


def is_inference(graph: Graph) -> bool:
    """True if no output is for training only."""
    return not any(output.training_only for output in graph.outputs)

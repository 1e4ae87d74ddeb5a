"""Holds the spec that a file keeps to the network that the file is of."""

from __future__ import annotations

from archc.diagnostics import Source, SpecError
from archc.elaborate import elaborate
from archc.ir.budget import Budget, check_budget
from archc.ir.graph import Graph
from archc.ir.printer import fingerprint
from archc.spec.bundled import specs_folder
from archc.spec.loading import parse_text
from archc.weights.network import Network


def kept_graph(name: str, text: str) -> Graph:
    """The graph of a spec that a file keeps, held to the limits of any spec. Raises SpecError."""
    budget = Budget.from_environment()
    spec = parse_text(Source(name, text), specs_folder())
    graph = elaborate(spec, spec.resolve({}), max_nodes=budget.nodes)
    check_budget(graph, budget)
    return graph


def spec_difference(text: str, network: Network) -> str | None:
    """What is wrong with the spec that a file keeps. Another text of the same network is as good."""
    if text == network.spec:
        return None
    if not text:
        return "the file does not keep its spec"
    try:
        graph = kept_graph("the spec in the file", text)
    except SpecError:
        return "the spec that the file keeps cannot be read"
    same = fingerprint(graph) == fingerprint(network.graph)
    return None if same else "the spec that the file keeps is of another network"

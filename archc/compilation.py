"""From what a person names to a graph: read, resolve, elaborate, and hold to the budget. Needs no weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archc.budget import Budget, check_budget
from archc.elaborate import elaborate
from archc.ir.graph import Graph
from archc.spec.document import Spec
from archc.spec.loading import load_spec
from archc.targets import find_target


def compile_target(target: str | Path, settings: Mapping[str, str]) -> Graph:
    """The graph of a spec, a build or a bundled spec; `settings` are texts, as `--set` gives them.

    Raises: SpecError: with everything that is wrong with the spec; UsageError: there is no such target.
    """
    return compile_spec(load_spec(find_target(target).spec), settings)


def compile_spec(spec: Spec, settings: Mapping[str, str], budget: Budget | None = None) -> Graph:
    """The graph of a spec that has been read. Raises SpecError."""
    budget = budget or Budget.from_environment()
    graph = elaborate(spec, spec.resolve(settings), max_nodes=budget.nodes)
    check_budget(graph, budget)
    return graph

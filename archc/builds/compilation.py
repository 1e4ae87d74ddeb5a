"""From what a person names to a graph: read, resolve, elaborate, and hold to the budget. Needs no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from archc.builds.targets import find_target, fixed_build
from archc.diagnostics import Diagnostic, SpecError, SpecWarning
from archc.elaborate import elaborate, likely_mistakes, unreached_problems
from archc.ir.budget import Budget, check_budget
from archc.ir.graph import Graph
from archc.spec.language.document import Spec
from archc.spec.language.misnamed import misnamed_sequences
from archc.spec.language.parsing import Parsed
from archc.spec.language.unused import unread_names
from archc.spec.loading import load_file, load_spec

SURE = ("invalid-value", "recursive-block", "shape-mismatch")
"""Codes reported even when the spec was only partly parsed: they do not depend on names that may be missing."""


def compile_target(target: str | Path, settings: Mapping[str, str], outputs: Sequence[str] = ()) -> Graph:
    """The graph of a spec, a build or a bundled spec, cut at the outputs that are named, if there are any.

    `settings` are texts, as `--set` gives them.

    Raises: SpecError: with everything that is wrong with the spec; UsageError: there is no such target.
    """
    return compile_spec(load_spec(_spec(target, settings, outputs)).cut_at(outputs), settings)


def _spec(target: str | Path, settings: Mapping[str, str], outputs: Sequence[str] = ()) -> Path:
    found = find_target(target, outputs)
    if found.build and settings:
        raise fixed_build(found.build, "parameters")
    return found.spec


def check_target(target: str | Path, settings: Mapping[str, str]) -> SpecWarning | None:
    """Raise everything that is wrong with a target, also in blocks and arms that the network does not come to.

    A file of shared blocks may be a target as well. What is accepted, but hardly meant, is returned.
    Raises SpecError, UsageError.
    """
    parsed = load_file(_spec(target, settings))
    found = parsed.problems + parsed.spec.without_value(settings)
    reached, warnings = _reached(parsed, settings)
    for others in (reached, unreached_problems(parsed.spec, Budget.from_environment().nodes)):
        if not parsed.complete:  # a name that seems to be unknown may have been declared in what was left out
            others = tuple(problem for problem in others if problem.code in SURE)
        found += tuple(other for other in others if not any(_overlap(other, known) for known in found))
    if found:
        raise SpecError(found)
    warnings += (*unread_names(parsed.spec), *misnamed_sequences(parsed.spec))
    return SpecWarning(warnings) if warnings else None


def _reached(parsed: Parsed, settings: Mapping[str, str]) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """The problems of the network as far as it can be followed, and its warnings if there are none.

    After what could not be read, values are unknown.
    """
    if not parsed.spec.items or not parsed.traceable:
        return (), ()
    budget = Budget.from_environment()
    try:
        graph = elaborate(parsed.spec, parsed.spec.known(settings), max_nodes=budget.nodes)
        check_budget(graph, budget)
    except SpecError as error:
        return error.diagnostics, ()
    return (), likely_mistakes(parsed.spec, graph)


def _overlap(one: Diagnostic, other: Diagnostic) -> bool:
    return one.span is not None and other.span is not None and one.span.overlaps(other.span)


def left_out(spec: Spec, settings: Mapping[str, str], graph: Graph) -> frozenset[str]:
    """The keys of the tensors that a spec would have if it were not cut. Raises SpecError."""
    if not spec.outputs:
        return frozenset()
    whole = compile_spec(replace(spec, outputs=()), settings)
    return frozenset(each.path for each in whole.parameters()) - {each.path for each in graph.parameters()}


def compile_spec(spec: Spec, settings: Mapping[str, str], budget: Budget | None = None) -> Graph:
    """The graph of a spec that has been read. Raises SpecError."""
    budget = budget or Budget.from_environment()
    graph = elaborate(spec, spec.resolve(settings), max_nodes=budget.nodes)
    check_budget(graph, budget)
    return graph

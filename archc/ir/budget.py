"""Limits on what a spec may ask for, checked before anything is allocated."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from math import prod

from archc.diagnostics import Diagnostic, Span, SpecError, UsageError
from archc.ir.graph import Graph

LONGEST_LIMIT = 40  # digits


@dataclass(frozen=True, slots=True)
class Budget:
    """What a network may cost at most: operators, elements of all tensors, bytes of all activations and multiply-adds.

    The last two are for one image. The environment variables ARCHC_MAX_NODES, ARCHC_MAX_PARAMETERS,
    ARCHC_MAX_ACTIVATION_BYTES and ARCHC_MAX_MULTIPLY_ADDS raise (or lower) them.
    """

    nodes: int = 10_000
    parameters: int = 4_000_000_000
    activation_bytes: int = 64 << 30
    multiply_adds: int = 100_000_000_000_000

    @classmethod
    def from_environment(cls) -> Budget:
        """The limits, as the environment changes them. Raises UsageError for a variable that is not a number."""
        budget = cls()
        for field in fields(cls):
            variable = f"ARCHC_MAX_{field.name.upper()}"
            if text := os.environ.get(variable):
                if not (text.isdecimal() and len(text) <= LONGEST_LIMIT):
                    raise UsageError(f"{variable} must be a whole number, not '{text}'", code="bad-environment")
                budget = replace(budget, **{field.name: int(text)})
        return budget


def check_budget(graph: Graph, budget: Budget) -> None:
    """Raise SpecError, at the costliest item, if a graph exceeds the budget."""
    nodes = graph.nodes
    parameters = [(sum([prod(p.shape) for p in node.parameters]), node.span) for node in nodes]
    activations = [(node.output.type.bytes(), node.span) for node in nodes]
    work = [
        (node.operator.multiply_adds(tuple([value.type for value in node.inputs]), node.output.type), node.span)
        for node in nodes
    ]
    problems = [
        *_excess("parameters", "parameters", parameters, budget.parameters),
        *_excess("activation_bytes", "bytes of activations for one image", activations, budget.activation_bytes),
        *_excess("multiply_adds", "multiply-adds for one image", work, budget.multiply_adds),
    ]
    if problems:
        raise SpecError(tuple(problems))


def _excess(what: str, unit: str, amounts: list[tuple[int, Span | None]], limit: int) -> list[Diagnostic]:
    total = sum(amount for amount, _ in amounts)
    if total <= limit:
        return []
    largest, span = max(amounts, key=lambda pair: pair[0])
    return [
        Diagnostic(
            "over-budget",
            f"the network has {total:,} {unit}, more than the limit of {limit:,}; this item alone has {largest:,}",
            span,
            help=f"ARCHC_MAX_{what.upper()} raises the limit",
        )
    ]

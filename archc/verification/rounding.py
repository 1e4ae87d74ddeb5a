"""What becomes of a comparison as a whole once every node has passed by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archc.verification.report import Comparison, Report, Verdict
from archc.verification.statistics import FACTOR, FLOOR, VACUITY, VACUOUS

ROUNDING = "rounding alone grows this large: every node passed by itself"


def is_open(row: Comparison) -> bool:
    """Whether the nodes have a say: the comparison failed, or is chaotic."""
    return row.verdict is Verdict.FAILED or (row.verdict is Verdict.INCONCLUSIVE and row.chaotic)


def settled(report: Report, kernels: Mapping[str, float]) -> Report:
    """The report, in which what can come from rounding alone is no failure.

    `kernels` tells for each output which share of it is off where the artefact computes the nodes without weights.
    """
    rows = (_settled(row, kernels[row.output.partition(" at ")[0]]) for row in report.comparisons)
    return replace(report, comparisons=tuple(rows))


def _settled(row: Comparison, kernels: float) -> Comparison:
    bound = FACTOR * max(row.float32_error, kernels * row.rms_output) + FLOOR * row.rms_output
    # A noisy network multiplies what its nodes round differently.
    if not is_open(row) or not row.rms_error <= (FACTOR * bound if row.noisy else bound):
        return row
    # Nor can its output exceed such a bound a hundredfold; but it has to be more than rounding that differs.
    least = max(row.float32_error, VACUITY * FLOOR * row.rms_output) if row.noisy else VACUITY * bound
    if row.input_dependence <= least:
        return replace(row, verdict=Verdict.INCONCLUSIVE, reason=VACUOUS)
    return replace(row, verdict=Verdict.PASSED, reason=ROUNDING)

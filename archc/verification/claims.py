"""The verdict that follows from the three claims.

| | whole within its bound | beyond it | rounding too large to tell |
|---|---|---|---|
| sharp weights | passed | failed | |
| rounding dominates, structure and nodes hold | by these two | by these two | by these two |
| rounding dominates, otherwise | inconclusive | failed | inconclusive |

Weights are sharp if PyTorch's own float32 error is a small share of the output, and a change of any layer would be
noticed. A row whose every bit is that of PyTorch's float32 run passes whatever rounding does.
"""

from __future__ import annotations

from dataclasses import replace

from archc.verification.report import Comparison, Report, Verdict


def concluded(report: Report) -> Report:
    """The report with the verdict of each row settled by the other two claims."""
    proved = bool(report.structure and report.nodes and report.nodes.divergence is None)
    doubts = [sharpness.doubt for sharpness in report.sharpness.values()]
    doubt = next(filter(None, doubts), "") if all(doubts) else ""
    return replace(report, comparisons=tuple(_settled(row, proved, doubt) for row in report.comparisons))


def _settled(row: Comparison, proved: bool, doubt: str) -> Comparison:
    if row.verdict is Verdict.PASSED:
        if not doubt or row.identical:
            return row
        reason = f"within the bound, but under these weights {doubt}"
        return replace(row, verdict=Verdict.BY_PARTS if proved else Verdict.INCONCLUSIVE, reason=reason)
    if row.noisy and row.identical:
        return replace(row, verdict=Verdict.PASSED, reason="every bit is that of PyTorch's float32 run")
    if row.noisy and proved:
        reason = f"rounding alone is {row.float32_share:.0e} of the output: structure and nodes decide"
        return replace(row, verdict=Verdict.BY_PARTS, reason=reason)
    return row

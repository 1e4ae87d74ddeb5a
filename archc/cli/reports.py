"""Prints what a verification found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from archc.cli.figures import figure
from archc.cli.output import print_lines, print_table, print_title

if TYPE_CHECKING:
    from archc.verification import Report
    from archc.verification.report import Comparison
    from archc.verification.sensitivity import Sensitivity

SHOWN_DIFFERENCES = 5
HEADER = ["output", "batches", "error", "/ float32", "bound", "largest", "1 - cosine", "top-1", "verdict"]
LEAST_IMPORTANT = ["1 - cosine", "top-1", "largest", "batches", "/ float32"]


def print_report(report: Report) -> None:
    """A verification as a table: errors are RMS (and the largest), in units of the output's RMS."""
    rows = [_row(comparison) for comparison in report.comparisons]
    print_table([f"against {report.reference}", *HEADER], rows, LEAST_IMPORTANT)
    lines = [str(difference) for difference in report.differences[:SHOWN_DIFFERENCES]]
    if len(report.differences) > SHOWN_DIFFERENCES:
        lines.append(f"… and {len(report.differences) - SHOWN_DIFFERENCES} more")
    if report.divergence:
        lines.append(str(report.divergence))
    lines += dict.fromkeys(row.reason for row in report.comparisons if row.reason)
    if report.weights:
        lines.append(f"compared under {'the weights of a calibrated twin' if report.twin else 'its own weights'}")
    print_lines(*(f"  {line}" for line in lines))


def _row(row: Comparison) -> list[str | tuple[str, str]]:
    return [
        row.runner,
        row.output,
        ",".join(map(str, row.batches)),
        figure(row.relative_error, ".1e"),
        figure(row.ratio, ".2f"),
        figure(row.bound / row.rms_output if row.rms_output else None, ".1e"),
        figure(row.max_error / row.rms_output if row.rms_output else None, ".1e"),
        figure(1 - row.cosine, ".0e"),
        figure(row.top1_agreement, ".0%"),
        (row.verdict.value, row.verdict.value),
    ]


def print_sensitivities(found: Iterable[Sensitivity]) -> None:
    """What a proof would notice, block by block; nothing where it was not measured."""
    rows = [[sensitivity.block, f"{sensitivity.smallest:.1e}"] for sensitivity in found]
    if rows:
        print_lines("")
        print_title("the smallest relative change of a block's weights that would be noticed")
        print_table(["block", "change"], rows)

"""Prints what a verification found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from archc.cli.figures import counted, figure
from archc.cli.output import print_fields, print_lines, print_table, print_title

if TYPE_CHECKING:
    from archc.verification import Report
    from archc.verification.report import Comparison
    from archc.verification.sharpness import Sensitivity

SHOWN_DIFFERENCES = 5
SHORT = {"passed by structure and nodes": "by structure, nodes"}
WEIGHTS = {"own": "its own", "calibrated twin": "a calibrated twin's"}
HEADER = ["output", "batches", "error", "/ float32", "bound", "largest", "1 - cosine", "top-1", "verdict"]
LEAST_IMPORTANT = ["1 - cosine", "top-1", "largest", "batches", "/ float32"]


def print_report(report: Report) -> None:
    """The three claims about an artefact, and the whole as a table.

    Errors are RMS (and the largest), in units of the output's RMS; of an output with parts that differ in scale, those
    of the worst part.
    """
    if report.weights:
        print_fields(("structure", _structure(report)), ("nodes", _nodes(report)), ("whole", _whole(report)))
    rows = [_row(comparison, len(report.sharpness) > 1) for comparison in report.comparisons]
    if rows:
        print_table([f"against {report.reference}", *HEADER], rows, LEAST_IMPORTANT)
    lines = [str(difference) for difference in report.differences[:SHOWN_DIFFERENCES]]
    if len(report.differences) > SHOWN_DIFFERENCES:
        lines.append(f"… and {len(report.differences) - SHOWN_DIFFERENCES} more")
    if report.divergence:
        lines.append(str(report.divergence))
    lines += [*dict.fromkeys(row.reason for row in report.comparisons if row.reason), *report.notes]
    print_lines(*(f"  {line}" for line in lines))


def _structure(report: Report) -> str:
    """What became of the first claim."""
    if report.structure and report.nodes is None:
        return "the network's tensors, all of them; of operators this format tells nothing"
    if report.structure is None:
        return "not known: the file is judged by its outputs alone"
    return "what archc's exporter writes for this network" if report.structure else "not what archc's exporter writes"


def _nodes(report: Report) -> str:
    """What became of the second claim."""
    if report.nodes is None:
        return "not compared one by one"
    counts = f"{counted(report.nodes.kinds, 'kind')} of {counted(report.nodes.nodes, 'node')}"
    return f"{counts}, each {'within rounding' if report.nodes.divergence is None else 'until one diverges'}"


def _whole(report: Report) -> str:
    """Under which weights the third claim was tried, what they can show, and on which inputs."""
    if all(math.isnan(row.rms_error) for row in report.comparisons):
        return "could not be compared"
    told = []
    for weights, sharpness in report.sharpness.items():
        least = sharpness.least
        change = f"; notices a change of {figure(least.smallest, '.0e')} in {least.block}" if least else ""
        told.append(
            f"under {WEIGHTS[weights]} weights: rounding is {sharpness.float32_share:.0e} of the output{change}"
        )
    return f"{'; '.join(told)}; inputs drawn from seed {report.seed}"


def _row(row: Comparison, several: bool) -> list[str | tuple[str, str]]:
    return [
        f"{row.runner}, {row.weights}" if several else row.runner,
        row.output,
        _ranges(row.batches),
        figure(row.relative_error, ".1e"),
        figure(row.ratio, ".2f"),
        figure(row.bound / row.rms_output if row.rms_output else None, ".1e"),
        figure(row.max_error / row.rms_output if row.rms_output else None, ".1e"),
        figure(1 - row.cosine, ".0e"),
        figure(row.top1_agreement, ".0%"),
        (SHORT.get(row.verdict.value, row.verdict.value), row.verdict.value),
    ]


def _ranges(sizes: Iterable[int]) -> str:
    """`1-8,12` for the sizes from 1 to 8 and 12."""
    runs = [[size for _, size in run] for _, run in groupby(enumerate(sizes), lambda pair: pair[1] - pair[0])]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)


def print_sensitivities(found: Iterable[Sensitivity]) -> None:
    """What a proof would notice, block by block; nothing where it was not measured."""
    rows = [[sensitivity.block, f"{sensitivity.smallest:.1e}"] for sensitivity in found]
    if rows:
        print_lines("")
        print_title("the smallest relative change of a block's weights that would be noticed")
        print_table(["block", "change"], rows)

"""What commands print: results on standard output, problems and progress on standard error."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ArchcError, as_json, render

if TYPE_CHECKING:
    from archc.verification import Report
    from archc.verification.sensitivity import Sensitivity


SHOWN_DIFFERENCES = 5


def print_error(error: ArchcError) -> None:
    """Every diagnostic of an error, one after the other."""
    print("\n\n".join(render(diagnostic) for diagnostic in error.diagnostics), file=sys.stderr)


def print_note(sentence: str) -> None:
    """What a command did beside its task, on standard error so that no script's output changes."""
    print(f"note: {sentence}", file=sys.stderr)


def print_json(data: Any) -> None:
    """Data for a script."""
    from archc.builds.json_text import json_text

    print(json_text(data), end="")


def problems_as_json(error: ArchcError) -> list[dict[str, Any]]:
    """Every diagnostic of an error, as plain data."""
    return [as_json(diagnostic) for diagnostic in error.diagnostics]


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Aligned columns: the first to the left, numbers to the right; never wrapped."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    for row in [header, *rows]:
        cells = [
            cell.ljust(width) if column == 0 or not _is_number(rows, column) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _is_number(rows: list[list[str]], column: int) -> bool:
    return all(not row[column] or row[column][0].isdigit() or row[column][0] == "-" for row in rows)


def print_report(report: Report) -> None:
    """A verification as a table: errors are RMS (and the largest), in units of the output's RMS."""
    rows = [
        [
            row.runner,
            row.output,
            ",".join(map(str, row.batches)),
            _figure(row.relative_error, ".1e"),
            _figure(row.ratio, ".2f"),
            _figure(row.bound / row.rms_output if row.rms_output else None, ".1e"),
            _figure(row.max_error / row.rms_output if row.rms_output else None, ".1e"),
            _figure(1 - row.cosine, ".0e"),
            _figure(row.top1_agreement, ".0%"),
            row.verdict.value,
        ]
        for row in report.comparisons
    ]
    header = ["output", "batches", "error", "/ float32", "bound", "largest", "1 - cosine", "top-1", "verdict"]
    print_table([f"against {report.reference}", *header], rows)
    for difference in report.differences[:SHOWN_DIFFERENCES]:
        print(f"  {difference}")
    if len(report.differences) > SHOWN_DIFFERENCES:
        print(f"  … and {len(report.differences) - SHOWN_DIFFERENCES} more")
    if report.divergence:
        print(f"  {report.divergence}")
    for reason in dict.fromkeys(row.reason for row in report.comparisons if row.reason):
        print(f"  {reason}")
    if report.weights:
        print(f"  compared under {'the weights of a calibrated twin' if report.twin else 'its own weights'}")


def print_sensitivities(found: Iterable[Sensitivity]) -> None:
    """What a proof would notice, block by block; nothing where it was not measured."""
    rows = [[sensitivity.block, f"{sensitivity.smallest:.1e}"] for sensitivity in found]
    if rows:
        print("\nthe smallest relative change of a block's weights that would be noticed")
        print_table(["block", "change"], rows)


def _figure(value: float | None, form: str) -> str:
    """A number, or a dash for one that could not be computed."""
    return "-" if value is None or math.isnan(value) else format(value, form)


def quantity(count: int) -> str:
    """A count with its unit prefix: 3.66 G."""
    for factor, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.2f} {prefix}"
    return str(count)


def size(count: int) -> str:
    """Bytes with their unit: 83.2 MB."""
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on standard error that tells what is being done, and disappears; nothing if that is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda message: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield status.update

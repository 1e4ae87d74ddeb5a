"""Compares a network with a person's own module, and prints what was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from archc.cli.app import Format
from archc.cli.output import print_json, print_lines, print_note, print_notice, print_table, progress
from archc.diagnostics import Inconclusive, UsageError, VerificationFailed

if TYPE_CHECKING:
    from archc.compare import Comparison
    from archc.ir.graph import Graph

STYLES = {
    "equal": "passed",
    "equal up to rounding": "passed",
    "different": "failed",
    "equal but for the order of keys": "failed",
    "not compared": "inconclusive",
    "inconclusive": "inconclusive",
}


def tell_that_python_runs(factory: str) -> None:
    """Say that a person's own Python is going to run."""
    print_notice(f"this runs your own Python: {factory}")


def compare_module(graph: Graph, factory: str, arguments: Mapping[str, object], seed: int, format: Format) -> int:
    """Compare a network with what `package.module:factory` gives, print the result, and return the exit status."""
    tell_that_python_runs(factory)
    from archc.compare import Verdict, compare, load_factory

    with progress() as tell:
        tell(f"importing {factory}")
        found = compare(graph, load_factory(factory, arguments), seed=seed, progress=tell)
    if format is Format.json:
        print_json(found.as_json())
    else:
        print_comparison(found, factory)
    statuses = {Verdict.EQUAL: 0, Verdict.INCONCLUSIVE: Inconclusive.exit_status}
    return statuses.get(found.verdict, VerificationFailed.exit_status)


def refuse_options_of_artefacts(target: Path, given: bool) -> None:
    """Raise UsageError for an artefact, and for options that only the comparison of an artefact has."""
    from archc.exporting import exporter_of

    if exporter_of(target.name):
        help = "name its spec or its build in place of it"
        message = f"{target} is an artefact, and a module is compared with a network"
        raise UsageError(message, code="bad-option", help=help)
    if given:
        message = "a module is compared under drawn weights, so there is nothing for these options to do"
        raise UsageError(message, code="bad-option", help="leave out all but --set, --outputs, --arg and --inputs-seed")


def print_comparison(found: Comparison, factory: str) -> None:
    """Print what was compared, and where the two part."""
    verdict = found.verdict.value
    print_lines([(f"{found.network} and {factory}: ", "title"), (verdict, STYLES[verdict])])
    statuses = [(check.status.value, STYLES[check.status.value]) for check in found.checks]
    rows = [(check.name, status, check.detail) for check, status in zip(found.checks, statuses, strict=True)]
    print_table(["compared", "result", "on"], rows)
    for difference in found.differences:
        print_lines("", [(f"{difference.check}: ", "error"), (difference.message, "")])
        print_lines(*(f"  {line}" for line in difference.lines()))
    if found.notes:
        print_lines("")
    for note in found.notes:
        print_note(note)

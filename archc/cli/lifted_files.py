"""Lifts an artefact, and prints or writes what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from archc.cli.app import Format
from archc.cli.output import print_json, print_lines, print_notice, print_verbatim, progress
from archc.cli.reports import print_report

if TYPE_CHECKING:
    from archc.builds.lifting import LiftedFile


def lift_artefact(
    path: Path,
    shapes: Mapping[str, Sequence[int]],
    output: Path | None,
    weights: Path | None,
    format: Format,
    *,
    flat: bool,
) -> None:
    """Lift an artefact, write the spec and the weights that are asked for, and print the rest."""
    from archc.builds.lifting import lift_file, write_spec, write_weights

    with progress() as tell:
        found = lift_file(path, shapes, flat=flat, progress=tell)
    tensors = found.weights() if weights is not None else None
    if output is not None:
        write_spec(output, found.text)
    if weights is not None and tensors is not None:
        write_weights(weights, tensors)
    _print(found, output, weights, format)


def _print(found: LiftedFile, output: Path | None, weights: Path | None, format: Format) -> None:
    if format is Format.json:
        print_json(found.as_json())
        return
    for note in found.notes:
        print_notice(note)
    if output is None:
        print_verbatim(found.text)
        return
    if found.report:
        print_lines(
            [(f"{found.path} and its spec: ", "title"), (found.report.verdict.value, found.report.verdict.value)]
        )
        print_report(found.report)
    print_lines(f"{output}: {found.how} of {len(found.text.splitlines())} lines")
    if weights is not None:
        print_lines(f"{weights}: the weights of {found.path}")

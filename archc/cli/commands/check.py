"""`archc check`: everything that is wrong with specs, and nothing written."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from archc.cli.app import Format, FormatOption, SetOption, app, examples
from archc.cli.output import print_error, print_json, problems_as_json
from archc.cli.settings import parse_settings
from archc.diagnostics import ArchcError


@app.command(
    epilog=examples(
        "archc check specs/resnet34.yaml",
        "archc check specs/*.yaml --format json",
        "archc check resnet18 --set num_classes=10",
    )
)
def check(
    targets: Annotated[list[str], typer.Argument(help="Specs, builds, or names of bundled specs.", metavar="SPEC...")],
    set_: SetOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Validate specs and print every problem."""
    from archc.compilation import compile_target

    failures: list[ArchcError] = []
    for target in targets:
        try:
            compile_target(target, parse_settings(set_))
        except ArchcError as error:
            failures.append(error)
    if format is Format.json:
        print_json({"problems": [problem for failure in failures for problem in problems_as_json(failure)]})
    else:
        for index, failure in enumerate(failures):
            print("\n" if index else "", end="", file=sys.stderr)
            print_error(failure)
        if not failures:
            print(f"{len(targets)} spec{'s' if len(targets) > 1 else ''} checked, no problems")
    if failures:
        raise typer.Exit(max(error.exit_status for error in failures))

"""`archc check`: everything that is wrong with specs, and nothing written."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from archc.builds.targets import find_specs
from archc.cli.app import SetOption, app, examples
from archc.cli.output import print_error, print_json, problems_as_json
from archc.cli.settings import parse_settings
from archc.diagnostics import ArchcError, as_annotation


class CheckFormat(StrEnum):
    """How `archc check` prints what it finds."""

    text = "text"
    json = "json"
    github = "github"


@app.command(
    epilog=examples(
        "archc check specs/resnet34.yaml",
        "archc check specs --format json",
        "archc check specs --format github",
        "archc check resnet18 --set num_classes=10",
    )
)
def check(
    targets: Annotated[
        list[str], typer.Argument(help="Specs, folders of specs, builds, or names of bundled specs.", metavar="SPEC...")
    ],
    set_: SetOption = None,
    format: Annotated[
        CheckFormat, typer.Option("--format", help="How to print the problems: github writes annotations.")
    ] = CheckFormat.text,
) -> None:
    """Validate specs and print every problem."""
    settings = parse_settings(set_)
    specs = [spec for target in targets for spec in find_specs(target)]
    failures = [failure for spec in specs if (failure := _failure(spec, settings))]
    if format is CheckFormat.json:
        print_json({"problems": [problem for failure in failures for problem in problems_as_json(failure)]})
    elif format is CheckFormat.github:
        print("".join(f"{as_annotation(problem)}\n" for failure in failures for problem in failure.diagnostics), end="")
    else:
        _print_text(failures, len(specs))
    if failures:
        raise typer.Exit(max(failure.exit_status for failure in failures))


def _failure(spec: str, settings: dict[str, str]) -> ArchcError | None:
    from archc.builds.compilation import check_target

    try:
        check_target(spec, settings)
    except ArchcError as error:
        return error
    return None


def _print_text(failures: list[ArchcError], specs: int) -> None:
    for index, failure in enumerate(failures):
        print("\n" if index else "", end="", file=sys.stderr)
        print_error(failure)
    checked = f"{specs} file{'s' if specs > 1 else ''} checked"
    if not failures:
        print(f"{checked}, no problems")
    elif specs > 1:
        problems = sum(len(failure.diagnostics) for failure in failures)
        print(f"\n{checked}, {problems} problem{'s' if problems > 1 else ''} in {len(failures)}", file=sys.stderr)

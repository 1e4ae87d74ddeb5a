"""`archc check`: everything that is wrong with specs, and nothing written."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from archc.builds.targets import find_specs
from archc.cli.app import SetOption, app, examples
from archc.cli.figures import counted
from archc.cli.output import print_json, print_lines, print_problems, print_verbatim, problems_as_json
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
        list[str], typer.Argument(help="Specs, folders of specs, builds, or names of bundled specs.", metavar="SPEC")
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
        problems = [problem for failure in failures for problem in failure.diagnostics]
        print_verbatim("".join(f"{as_annotation(problem)}\n" for problem in problems))
    else:
        _print_text(failures, len(specs))
    if status := max((failure.exit_status for failure in failures), default=0):
        raise typer.Exit(status)


def _failure(spec: str, settings: dict[str, str]) -> ArchcError | None:
    from archc.builds.compilation import check_target

    try:
        return check_target(spec, settings)
    except ArchcError as error:
        return error


def _print_text(failures: list[ArchcError], specs: int) -> None:
    checked = f"{counted(specs, 'file')} checked"
    if not failures:
        print_lines(f"{checked}, no problems")
        return
    problems = sum(len(failure.diagnostics) for failure in failures)
    count = f"{checked}, {counted(problems, 'problem')} in {len(failures)}"
    print_problems(*failures, count=count if specs > 1 else "")

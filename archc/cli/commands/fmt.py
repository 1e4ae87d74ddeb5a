"""`archc fmt`: specs in the one canonical style."""

from __future__ import annotations

from typing import Annotated

import typer

from archc.builds.formatting import Formatted, format_file
from archc.builds.targets import find_specs
from archc.cli.app import Format, FormatOption, app, examples
from archc.cli.figures import counted
from archc.cli.output import print_json, print_lines, print_problems, problems_as_json
from archc.diagnostics import ArchcError

NOT_FORMATTED = 1
"""Exit status of `--check` where a file is not in the canonical style."""


@app.command(
    epilog=examples(
        "archc fmt resnet34.yaml",
        "archc fmt specs --check",
        "archc fmt specs --diff",
    )
)
def fmt(
    targets: Annotated[
        list[str],
        typer.Argument(help="Files of specs, and folders of them.", metavar="FILE|FOLDER", show_default=False),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; the exit status is 1 if a file would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")] = False,
    format: FormatOption = Format.text,
) -> None:
    """Write specs in the canonical style."""
    found = [_formatted(path) for target in targets for path in find_specs(target)]
    files = [file for file in found if isinstance(file, Formatted)]
    failures = [failure for failure in found if isinstance(failure, ArchcError)]
    changed = [file for file in files if file.is_changed]
    is_dry = check or diff
    if not is_dry:
        for file in changed:
            file.write()
    if format is Format.json:
        _print_json(changed, failures)
    else:
        _print_text(changed, failures, unchanged=len(files) - len(changed), is_dry=is_dry, with_diff=diff)
    status = max((failure.exit_status for failure in failures), default=0)
    if status or (check and changed):
        raise typer.Exit(status or NOT_FORMATTED)


def _formatted(path: str) -> Formatted | ArchcError:
    try:
        return format_file(path)
    except ArchcError as error:
        return error


def _print_json(changed: list[Formatted], failures: list[ArchcError]) -> None:
    problems = [problem for failure in failures for problem in problems_as_json(failure)]
    print_json({"changed": [{"path": file.path, "text": file.after} for file in changed], "problems": problems})


def _print_text(
    changed: list[Formatted], failures: list[ArchcError], *, unchanged: int, is_dry: bool, with_diff: bool
) -> None:
    done = "would be formatted" if is_dry else "formatted"
    if with_diff:
        print_lines(*([(line, _role(line))] for file in changed for line in file.diff()), wrap=False)
    else:
        print_lines(*(f"{file.path}: {done}" for file in changed))
    print_lines(f"{counted(len(changed), 'file')} {done}, {unchanged} unchanged")
    if failures:
        print_problems(*failures)


def _role(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "dim"
    return {"+": "passed", "-": "failed"}.get(line[:1], "")

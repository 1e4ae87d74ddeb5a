"""`archc diff`: what differs between two networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from archc.cli.app import Format, FormatOption, OutputsOption, SetOption, app, examples
from archc.cli.output import print_halves, print_json, print_lines
from archc.cli.settings import parse_outputs, parse_settings

if TYPE_CHECKING:
    from archc.differences import Diff

DIFFERENT = 1
"""Exit status where something differs."""

Target = Annotated[str, typer.Argument(help="A spec, build or artefact, or the name of a bundled spec.")]


@app.command(
    epilog=examples(
        "archc diff resnet50 resnext50_32x4d",
        "archc diff mine.yaml build/mine --side-by-side",
        "archc diff resnet18 resnet18 --set-b num_classes=10 --format json",
    )
)
def diff(
    a: Target,
    b: Target,
    set_: SetOption = None,
    set_a: Annotated[
        list[str] | None, typer.Option("--set-a", metavar="NAME=VALUE", help="Set a parameter of the first alone.")
    ] = None,
    set_b: Annotated[
        list[str] | None, typer.Option("--set-b", metavar="NAME=VALUE", help="Set a parameter of the second alone.")
    ] = None,
    outputs: OutputsOption = None,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Show the operators that differ beside each other.")
    ] = False,
    format: FormatOption = Format.text,
) -> None:
    """Show what differs between two networks, specs, builds or artefacts; the exit status is 1 if something does."""
    from archc.builds.diffing import FileDiff, diff_targets
    from archc.differences.plain import as_json
    from archc.differences.report import lines

    both = parse_settings(set_)
    found = diff_targets(a, b, (both | parse_settings(set_a), both | parse_settings(set_b)), parse_outputs(outputs))
    if format is Format.json:
        print_json(found.as_json() if isinstance(found, FileDiff) else as_json(found))
    elif isinstance(found, FileDiff):
        print_lines(*str(found).splitlines())
    else:
        if side_by_side:
            _print_sides(found)
        print_lines(*lines(found))
    if not found.is_equal:
        raise typer.Exit(DIFFERENT)


def _print_sides(diff: Diff) -> None:
    from archc.differences.sides import side_by_side

    header = ((diff.one.name, "title"), "", (diff.other.name, "title"))
    rows = [((row.one, row.role), row.mark, (row.other, row.role)) for row in side_by_side(diff)]
    print_halves([header, *rows])
    print_lines("")

"""`archc view`: a graph in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archc.cli.app import IgnoreOption, RenameOption, SeedOption, SetOption, WeightsOption, app, examples
from archc.cli.output import print_lines
from archc.cli.settings import parse_settings, weight_options


@app.command(epilog=examples("archc view resnet34 --set num_classes=10", "archc view build/resnet34/resnet34.onnx"))
def view(
    target: Annotated[str, typer.Argument(help="An artefact, a build, a spec, or the name of a bundled spec.")],
    weights: WeightsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local server; 0 chooses a free one.")] = 0,
    browse: Annotated[bool, typer.Option("--browse/--no-browse", help="Open the browser.")] = True,
) -> None:
    """Show an artefact or a spec's graph in Netron."""
    from archc.builds.viewing import view as view_target

    options = weight_options(weights, seed, ignore, rename)
    view_target(Path(target), options, parse_settings(set_), port, browse, print_lines)

"""`archc view`: a graph in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archc.cli.app import app, examples


@app.command(epilog=examples("archc view resnet34", "archc view build/resnet34/resnet34.onnx"))
def view(
    target: Annotated[str, typer.Argument(help="An artefact, a build, a spec, or the name of a bundled spec.")],
    port: Annotated[int, typer.Option(help="Port of the local server; 0 chooses a free one.")] = 0,
    browse: Annotated[bool, typer.Option("--browse/--no-browse", help="Open the browser.")] = True,
) -> None:
    """Show an artefact or a spec's graph in Netron."""
    from archc.pipeline.viewing import view as view_target

    view_target(Path(target), port, browse)

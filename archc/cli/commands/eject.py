"""`archc eject`: a network as Python source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from archc.cli.app import OutputsOption, SetOption, TargetArgument, app, examples
from archc.cli.output import print_lines, print_note, print_verbatim
from archc.cli.settings import parse_outputs, parse_settings


@app.command(
    epilog=examples(
        "archc eject resnet18",
        "archc eject specs/unet.yaml -o unet.py",
        "archc eject resnet50 --set num_classes=10 --outputs layer3,layer4 -o backbone.py",
    )
)
def eject(
    target: TargetArgument,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The file. [default: standard output]")
    ] = None,
    set_: SetOption = None,
    outputs: OutputsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a network as a Python file that needs PyTorch alone."""
    from archc.builds.ejecting import eject_target, write_source

    ejected = eject_target(target, parse_settings(set_), parse_outputs(outputs))
    if ejected.plain:
        print_note("plain: a class for each distinct module, because a shorter file did not compute the same")
    if output is None:
        print_verbatim(ejected.text)
        return
    write_source(output, ejected.text, force=force)
    lines = sum(bool(line.strip()) for line in ejected.text.splitlines())
    print_lines(f"{output}  {lines} lines, class {ejected.class_name}; the same keys, order and outputs as archc build")

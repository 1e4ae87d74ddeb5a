"""`archc lift`: a module of PyTorch as a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archc.cli.app import Format, FormatOption, app, examples
from archc.cli.comparisons import print_comparison, tell_that_python_runs
from archc.cli.lifted_files import lift_artefact
from archc.cli.output import print_json, print_lines, print_notice, print_verbatim, progress
from archc.cli.settings import parse_arguments
from archc.diagnostics import UsageError
from archc.exporting import exporter_of

if TYPE_CHECKING:
    from archc.lifting import Lifted

IMAGE = "3x224x224"


@app.command(
    epilog=examples(
        "archc lift torchvision.models:resnet50 -o resnet50.yaml",
        "archc lift net:MyNet --arg num_classes=10 --input 1x28x28",
        "archc lift build/resnet34/resnet34.onnx -o resnet34.yaml",
        "archc lift net:MyNet --weights mynet.safetensors -o mynet.yaml",
    )
)
def lift(
    factory: Annotated[
        str,
        typer.Argument(
            metavar="FACTORY|FILE", help="package.module:factory, whose call gives an nn.Module; an artefact."
        ),
    ],
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="NAME=VALUE", help="An argument of the factory; repeatable."),
    ] = None,
    input: Annotated[
        list[str] | None,
        typer.Option(
            "--input", metavar="SIZES", help=f"Shape without the batch, or NAME=SIZES; repeatable. [default: {IMAGE}]"
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The spec. [default: standard output]")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="Write the module's weights here (.safetensors).")
    ] = None,
    flat: Annotated[bool, typer.Option("--flat", help="Write no blocks: every item where it runs.")] = False,
    format: FormatOption = Format.text,
) -> None:
    """Write an nn.Module or an artefact as a spec, proved equal to it."""
    if exporter_of(factory) is not None:
        if arg:
            raise UsageError("--arg goes with package.module:factory", code="bad-option")
        lift_artefact(Path(factory), dict(map(_shape, input or [])), output, weights, format, flat=flat)
        return
    from archc.compare import load_factory
    from archc.lifting import Constructors
    from archc.lifting import lift as lifted_from
    from archc.lifting.writing import write_spec, write_weights

    shapes = dict(_shape(text) for text in input or [IMAGE])
    tell_that_python_runs(factory)
    constructors = Constructors()
    with constructors.watching():
        module = load_factory(factory, parse_arguments(arg))
    with progress() as tell:
        found = lifted_from(
            module, shapes, name=factory.rpartition(":")[2].rpartition(".")[2], source=factory,
            known=constructors.known(module), flat=flat, progress=tell,
        )  # fmt: skip
    if format is not Format.json:
        for note in found.notes:
            print_notice(note)
    if output is not None:
        write_spec(found.text, output)
    if weights is not None:
        write_weights(module, weights)
    if format is Format.json:
        print_json(_as_json(found))
    elif output is None:
        print_verbatim(found.text)
    else:
        print_comparison(found.comparison, factory)
        kind = "flat spec" if found.is_flat else "spec"
        print_lines(f"{output}: {kind} of {len(found.text.splitlines())} lines")


def _shape(text: str) -> tuple[str, list[int]]:
    name, _, sizes = text.rpartition("=")
    if not all(size.isdigit() and int(size) > 0 for size in sizes.split("x")):
        message = f"'{text}' is no shape, such as {IMAGE} or mask=1x64x64"
        raise UsageError(message, code="bad-option")
    return name or "input", [int(size) for size in sizes.split("x")]


def _as_json(found: Lifted) -> dict[str, object]:
    return {
        "name": found.name,
        "flat": found.is_flat,
        "spec": found.text,
        "notes": list(found.notes),
        "comparison": found.comparison.as_json(),
    }

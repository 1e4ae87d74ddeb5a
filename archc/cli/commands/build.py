"""`archc build`: a folder with the resolved spec, the graph, the weights and a manifest."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from archc.cli.app import (
    Format,
    FormatOption,
    IgnoreOption,
    OutputOption,
    OutputsOption,
    RenameOption,
    SeedOption,
    SetOption,
    TargetArgument,
    WeightsOption,
    app,
    examples,
)  # fmt: skip
from archc.cli.figures import counted, size
from archc.cli.output import print_json, print_lines, print_notice, progress
from archc.cli.settings import hashed, one_blas_thread, parse_outputs, parse_settings, weight_options

if TYPE_CHECKING:
    from pathlib import Path

    from archc.builds.manifest import Manifest

SHOWN_TENSORS = 5


@app.command(
    epilog=examples(
        "archc build specs/resnet34.yaml",
        "archc build resnet50 --weights resnet50.pth -o build/mine",
        "archc build resnet18 --set num_classes=10 --seed 1",
        "archc build resnet50 --weights resnet50.pth --outputs layer2,layer3,layer4",
        "archc build resnet18 --set num_classes=10 --weights resnet18.pth --ignore 'fc.*'",
    )
)
def build(
    target: TargetArgument,
    output: OutputOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    outputs: OutputsOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Write a build: resolved spec, graph, weights, manifest."""
    options = hashed(weight_options(weights, seed, ignore, rename))

    with one_blas_thread():
        from archc.builds.production import write_build
    from archc.builds.targets import find_target

    with progress() as tell:
        folder, manifest = write_build(
            find_target(target, parse_outputs(outputs)), output, options, parse_settings(set_), tell, print_notice
        )
    if format is Format.json:
        print_json({"folder": str(folder), **manifest.as_json()})
        return
    _print_build(folder, manifest)


def _print_build(folder: Path, manifest: Manifest) -> None:
    print_lines(f"{manifest.name} is built in {folder}")
    print_lines(*(f"  {folder / name}  {size((folder / name).stat().st_size)}" for name in manifest.files))
    print_lines(f"  weights: {_told(manifest)}")
    print_lines("", f"next: archc export {quote(str(folder))} --onnx", wrap=False)


def _told(manifest: Manifest) -> str:
    """Where the weights come from."""
    if manifest.fresh:
        return f"initialised, seed {manifest.seed}"
    drawn = manifest.initialised
    if not drawn:
        return "as given"
    more = f" and {len(drawn) - SHOWN_TENSORS} more" if len(drawn) > SHOWN_TENSORS else ""
    names = f"{', '.join(drawn[:SHOWN_TENSORS])}{more}"
    return f"as given, but {counted(len(drawn), 'tensor')} initialised, seed {manifest.seed}: {names}"

"""`archc build`: a folder with the resolved spec, the graph, the weights and a manifest."""

from __future__ import annotations

from archc.cli.app import (
    Format,
    FormatOption,
    IgnoreOption,
    OutputOption,
    RenameOption,
    SeedOption,
    SetOption,
    TargetArgument,
    WeightsOption,
    app,
    examples,
)  # fmt: skip
from archc.cli.output import print_json, progress, size
from archc.cli.settings import parse_settings, weight_options


@app.command(
    epilog=examples(
        "archc build specs/resnet34.yaml",
        "archc build resnet50 --weights resnet50.pth -o build/mine",
        "archc build resnet18 --set num_classes=10 --seed 1",
    )
)
def build(
    target: TargetArgument,
    output: OutputOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    set_: SetOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Write a build: resolved spec, graph, weights, manifest."""
    from archc.pipeline.production import write_build
    from archc.targets import find_target

    options = weight_options(weights, seed, ignore, rename)
    with progress() as tell:
        folder, manifest = write_build(find_target(target), output, options, parse_settings(set_), tell)
    if format is Format.json:
        print_json({"folder": str(folder), **manifest.model_dump()})
        return
    print(f"{manifest.name} is built in {folder}")
    for name in manifest.files:
        print(f"  {folder / name}  {size((folder / name).stat().st_size)}")
    print(f"  weights: {'initialised, seed ' + str(manifest.seed) if manifest.fresh else 'as given'}")
    print(f"\nnext: archc export {folder} --onnx")

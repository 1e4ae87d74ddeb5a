"""Commands that make and prove: build, export, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from archc.cli.output import print_json, print_report, print_table, progress, size
from archc.cli.settings import parse_settings, weight_options

if TYPE_CHECKING:
    from archc.pipeline.proof import Proof


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
    """Write a build: the resolved spec, the printed graph, the weights and a manifest."""
    from archc.pipeline.production import write_build
    from archc.pipeline.targets import find_target

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


@app.command(
    epilog=examples(
        "archc export --onnx",
        "archc export resnet34 --onnx --weights resnet34.safetensors",
        "archc export build/resnet34 --onnx --torchscript --pt2",
        "archc export resnet50 --onnx --opset 20 --no-verify",
    )
)
def export(
    target: Annotated[
        str | None,
        typer.Argument(help="A spec, a build or a bundled spec. [default: the only build in build/]"),
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="ONNX.")] = False,
    torchscript: Annotated[bool, typer.Option("--torchscript", help="TorchScript (PyTorch deprecates it).")] = False,
    pt2: Annotated[bool, typer.Option("--pt2", help="torch.export's .pt2.")] = False,
    to: Annotated[list[str] | None, typer.Option("--to", metavar="NAME", help="Any exporter, by name.")] = None,
    output: OutputOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    set_: SetOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    opset: Annotated[int | None, typer.Option(help="ONNX opset: this one or an error. [default: 18]")] = None,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Fold batch norms into convolutions.")] = True,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Prove the artefact before delivering it.")
    ] = True,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Deliver even if the proof is inconclusive.")
    ] = False,
    format: FormatOption = Format.text,
) -> None:
    """Export a network, and prove each artefact equal to the PyTorch module."""
    from archc.exporting import ExportOptions
    from archc.pipeline.production import ExportRequest, write_exports
    from archc.pipeline.targets import find_target, only_build

    flags = {"onnx": onnx, "torchscript": torchscript, "pt2": pt2}
    request = ExportRequest(
        target=find_target(target) if target else only_build(),
        formats=(*(name for name, asked in flags.items() if asked), *(to or ())),
        folder=output,
        weights=weight_options(weights, seed, ignore, rename),
        settings=parse_settings(set_),
        options=ExportOptions(opset, fold),
        verify=verify,
        allow_inconclusive=allow_inconclusive,
    )
    with progress() as tell:
        exported = write_exports(request, tell)
    if format is Format.json:
        print_json([artefact.as_json() for artefact in exported])
        return
    for artefact in exported:
        print(f"{artefact.path}  {size(artefact.path.stat().st_size)}")
        if artefact.notice:
            print(f"  note: {artefact.notice}")
        if artefact.report:
            print_report(artefact.report)
            weights_used = "the weights of a calibrated twin" if artefact.report.twin else "its own weights"
            print(f"  compared with {weights_used}")
        else:
            print("  not verified")
        print(f"\n{artefact.usage}\n")


@app.command(
    epilog=examples(
        "archc verify build/resnet34",
        "archc verify build/resnet34/resnet34.onnx",
        "archc verify mine.onnx --against resnet34 --weights resnet34.pth",
        "archc verify a.onnx --against b.onnx",
    )
)
def verify(
    artefact: Annotated[Path, typer.Argument(help="An artefact, or a build's folder.")],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="TARGET",
            help="A target or another artefact. [default: the build it lies in]",
        ),
    ] = None,
    weights: WeightsOption = None,
    seed: SeedOption = 0,
    set_: SetOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Ask another witness: onnx-reference, openvino, tensorrt-rtx; repeatable."),
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Tell the smallest change of each block that would be noticed.")
    ] = False,
    format: FormatOption = Format.text,
) -> None:
    """Prove an artefact equal to its network, or check a whole build: checksums and every artefact."""
    from archc.pipeline.proof import ProofOptions, verify_artefact, verify_build

    chosen = weight_options(weights, seed, ignore, rename)
    options = ProofOptions(tuple(witness or ()), sensitivity)
    with progress() as tell:
        if artefact.is_dir():
            proof = verify_build(artefact, chosen, options, tell)
        else:
            proof = verify_artefact(artefact, against, chosen, parse_settings(set_), options, tell)
    if format is Format.json:
        print_json(proof.as_json())
    else:
        _print_proof(proof)
    raise typer.Exit(proof.exit_status)


def _print_proof(proof: Proof) -> None:
    for problem in proof.problems:
        print(problem)
    for report in proof.reports:
        print(f"{report.artefact}: {report.verdict.value}")
        print_report(report)
    if proof.sensitivities:
        print("\nthe smallest relative change of a block's weights that would be noticed")
        print_table(["block", "change"], [[found.block, f"{found.smallest:.1e}"] for found in proof.sensitivities])

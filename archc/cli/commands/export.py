"""`archc export`: artefacts, proved before they are delivered."""

from __future__ import annotations

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
    WeightsOption,
    app,
    examples,
)  # fmt: skip
from archc.cli.figures import size
from archc.cli.output import print_json, print_lines, print_note, progress
from archc.cli.reports import print_report, print_sensitivities
from archc.cli.settings import hashed, one_blas_thread, parse_settings, weight_options

if TYPE_CHECKING:
    from archc.builds.production import Exported


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
    seed: SeedOption = None,
    set_: SetOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    opset: Annotated[int | None, typer.Option(help="ONNX opset: this one or an error. [default: 18]")] = None,
    fold: Annotated[bool, typer.Option("--fold/--no-fold", help="Fold batch norms into convolutions.")] = True,
    external_data: Annotated[
        bool, typer.Option("--external-data", help="ONNX: weights in a file beside it; always so above 1.5 GiB.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Prove the artefact before delivering it.")
    ] = True,
    allow_inconclusive: Annotated[
        bool, typer.Option("--allow-inconclusive", help="Deliver even if the proof is inconclusive.")
    ] = False,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Put into the manifest what the proof would notice, block by block.")
    ] = False,
    format: FormatOption = Format.text,
) -> None:
    """Export a network, proved equal to its PyTorch module."""
    chosen = hashed(weight_options(weights, seed, ignore, rename))

    with one_blas_thread():
        from archc.builds.production import ExportRequest, write_exports
    from archc.builds.targets import find_target, only_build
    from archc.exporting import ExportOptions

    flags = {"onnx": onnx, "torchscript": torchscript, "pt2": pt2}
    request = ExportRequest(
        target=find_target(target) if target else only_build(),
        formats=(*(name for name, asked in flags.items() if asked), *(to or ())),
        folder=output,
        weights=chosen,
        settings=parse_settings(set_),
        options=ExportOptions(opset, fold, external_data),
        verify=verify,
        allow_inconclusive=allow_inconclusive,
        sensitivity=sensitivity,
    )
    with progress() as tell:
        exported = write_exports(request, tell)
    if format is Format.json:
        print_json([artefact.as_json() for artefact in exported.artefacts])
        return
    for artefact in exported.artefacts:
        _print_artefact(artefact)
    print_sensitivities(exported.sensitivities)


def _print_artefact(artefact: Exported) -> None:
    for path in (artefact.path, *artefact.companions):
        print_lines(f"{path}  {size(path.stat().st_size)}")
    if artefact.exporter.notice:
        print_note(artefact.exporter.notice)
    if artefact.report:
        print_report(artefact.report)
    else:
        print_lines("  not verified")
    print_lines("", *artefact.usage.splitlines(), "", wrap=False)

"""`archc export`: artefacts, proved before they are delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from archc.builds.targets import MANIFEST, Target, find_target
from archc.cli.app import (
    Format,
    FormatOption,
    IgnoreOption,
    OutputOption,
    OutputsOption,
    RenameOption,
    SeedOption,
    SetOption,
    WeightsOption,
    app,
    examples,
)  # fmt: skip
from archc.cli.figures import size
from archc.cli.flags import expanded, format_flags, option_flags
from archc.cli.kept import keep_failure
from archc.cli.output import print_json, print_lines, print_note, print_notice, progress
from archc.cli.reports import print_report, print_sensitivities
from archc.cli.settings import hashed, one_blas_thread, parse_outputs, parse_settings, weight_options
from archc.diagnostics import UsageError
from archc.exporting import exporters

if TYPE_CHECKING:
    from archc.builds.production import Exported


@app.command(
    epilog=examples(
        "archc export --onnx",
        "archc export resnet34 --onnx --weights resnet34.safetensors",
        "archc export build/resnet34 --onnx --torchscript --pt2",
        "archc export resnet50 --onnx --outputs layer3,layer4 -o build/features",
        "archc export resnet50 --onnx --opset 20 --no-verify",
    )
)
@expanded(formats=format_flags(), options=option_flags())
def export(
    *,
    target: Annotated[
        str | None,
        typer.Argument(help="A spec, a build or a bundled spec. [default: the only build in build/]"),
    ] = None,
    formats: Mapping[str, bool],
    to: Annotated[list[str] | None, typer.Option("--to", metavar="NAME", help="Any exporter, by name.")] = None,
    output: OutputOption = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    outputs: OutputsOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    options: Mapping[str, object],
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

    cut = parse_outputs(outputs)
    request = ExportRequest(
        target=find_target(target, cut) if target else only_build(outputs=cut),
        formats=(*(name for name, asked in formats.items() if asked), *(to or ())),
        folder=output,
        weights=chosen,
        settings=parse_settings(set_),
        options=options,
        verify=verify,
        allow_inconclusive=allow_inconclusive,
        sensitivity=sensitivity,
        failed=lambda file, path, report: keep_failure(file, path, report, target, chosen, parse_settings(set_), cut),
    )
    if not request.formats:
        help = ", ".join(f"--{name}" for name in sorted(exporters()))
        raise UsageError("name a format, such as --onnx", code="bad-option", help=help)
    with progress() as tell:
        exported = write_exports(request, tell, print_notice)
    if format is Format.json:
        print_json([artefact.as_json() for artefact in exported.artefacts])
        return
    for artefact in exported.artefacts:
        _print_artefact(artefact)
    print_sensitivities(exported.sensitivities)


def only_build(folder: Path = Path("build"), outputs: Sequence[str] = ()) -> Target:
    """The only build in a folder, for a command without a target. Raises UsageError: there is none, or several."""
    builds = sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST}"))
    if len(builds) == 1:
        return find_target(builds[0], outputs)
    if not builds:
        message, help = f"there is no build in {folder}/", "name a target, such as `archc export resnet34 --onnx`"
    else:
        message = f"there are {len(builds)} builds in {folder}/: {', '.join(build.name for build in builds)}"
        help = f"name one, such as `archc export {quote(str(builds[0]))} --onnx`"
    raise UsageError(message, code="unknown-target", help=help)


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

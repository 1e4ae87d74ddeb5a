"""`archc verify`: an artefact against its network, a build against its manifest, a network against an nn.Module."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archc.cli.app import (
    Format,
    FormatOption,
    IgnoreOption,
    OutputsOption,
    RenameOption,
    SeedOption,
    SetOption,
    WeightsOption,
    app,
    examples,
)  # fmt: skip
from archc.cli.comparisons import compare_module, refuse_options_of_artefacts
from archc.cli.figures import counted
from archc.cli.kept import keep_failure
from archc.cli.output import print_json, print_lines, progress
from archc.cli.reports import print_report, print_sensitivities
from archc.cli.settings import parse_arguments, parse_outputs, parse_settings, weight_options
from archc.diagnostics import UsageError
from archc.exporting import exporters

if TYPE_CHECKING:
    from archc.builds.proof import Proof

WITNESSES = dict.fromkeys(witness for exporter in exporters().values() for witness in exporter.witnesses)


@app.command(
    epilog=examples(
        "archc verify build/resnet34",
        "archc verify build/resnet34/resnet34.onnx",
        "archc verify mine.onnx --against resnet34 --weights resnet34.pth",
        "archc verify a.onnx --against b.onnx",
        "archc verify net.yaml --against package.module:factory --arg num_classes=10",
    )
)
def verify(
    artefact: Annotated[Path, typer.Argument(help="An artefact, a build's folder, or a spec for a module.")],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="TARGET",
            help="A target, another artefact, or package.module:factory. [default: the build it lies in]",
        ),
    ] = None,
    weights: WeightsOption = None,
    seed: SeedOption = None,
    set_: SetOption = None,
    outputs: OutputsOption = None,
    ignore: IgnoreOption = None,
    rename: RenameOption = None,
    witness: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Ask another witness: {', '.join(WITNESSES)}; repeatable."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", metavar="PATH", help="Compare on these as well: a .npz, or a folder of .npy or images."
        ),
    ] = None,
    inputs_seed: Annotated[
        int | None,
        typer.Option("--inputs-seed", min=0, help="Seed of the inputs. [default: 0; drawn for a file of others]"),
    ] = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Tell the smallest change of each block that would be noticed.")
    ] = False,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="NAME=VALUE", help="An argument of package.module:factory; repeatable."),
    ] = None,
    format: FormatOption = Format.text,
) -> None:
    """Prove an artefact or a build, or compare a spec with your module."""
    from archc.builds.compilation import compile_target
    from archc.builds.proof import ProofOptions, verify_artefact, verify_build
    from archc.builds.targets import fixed_build, is_factory

    chosen = weight_options(weights, seed, ignore, rename)
    cut = parse_outputs(outputs)
    if against is not None and is_factory(against):
        refuse_options_of_artefacts(artefact, bool(chosen.asked or witness or images or sensitivity))
        graph = compile_target(artefact, parse_settings(set_), cut)
        raise typer.Exit(compare_module(graph, against, parse_arguments(arg), inputs_seed or 0, format))
    if arg:
        raise UsageError("--arg goes with --against package.module:factory", code="bad-option")
    options = ProofOptions(tuple(witness or ()), sensitivity, images, inputs_seed)
    with progress() as tell:
        if artefact.is_dir():
            if against is not None:
                message = f"{artefact} is a build, whose artefacts are compared with its own network"
                raise UsageError(message, code="bad-option", help="name one artefact to use --against")
            if cut:
                raise fixed_build(artefact, "outputs")
            proof = verify_build(artefact, chosen, options, tell, parse_settings(set_))
        else:
            proof = verify_artefact(artefact, against, chosen, parse_settings(set_), options, tell, cut)
    for report in proof.reports:
        if report.verdict.value == "failed" and report.weights:
            path = artefact / report.artefact if artefact.is_dir() else artefact
            keep_failure(path, path, report, against, chosen, parse_settings(set_), cut)
    if format is Format.json:
        print_json(proof.as_json())
    else:
        _print_proof(proof, artefact)
    raise typer.Exit(proof.exit_status)


def _print_proof(proof: Proof, target: Path) -> None:
    print_lines(*([(problem, "failed")] for problem in proof.problems))
    for report in proof.reports:
        print_lines([(f"{report.artefact}: ", "title"), (report.verdict.value, report.verdict.value)])
        print_report(report)
    if not proof.reports:
        files = f"{counted(proof.unchanged, 'file')} {'is' if proof.unchanged == 1 else 'are'}"
        print_lines(f"{target}: {files} unchanged, and no artefact was verified")
    print_sensitivities(proof.sensitivities)

"""Commands that look at specs and graphs: check, summary, view, schema, list."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from archc.cli.app import Format, FormatOption, SetOption, TargetArgument, app, examples
from archc.cli.output import print_error, print_json, print_table, problems_as_json, quantity, size
from archc.diagnostics import ArchcError


@app.command(
    epilog=examples(
        "archc check specs/resnet34.yaml",
        "archc check specs/*.yaml --format json",
        "archc check resnet18 --set num_classes=10",
    )
)
def check(
    targets: Annotated[list[str], typer.Argument(help="Specs, builds, or names of bundled specs.", metavar="SPEC...")],
    set_: SetOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Validate specs, budgets included; print every problem, touch nothing."""
    from archc.cli.settings import parse_settings
    from archc.pipeline.api import compile_spec
    from archc.pipeline.targets import find_target
    from archc.spec.loading import load_spec

    failures: list[ArchcError] = []
    for target in targets:
        try:
            compile_spec(load_spec(find_target(target).spec), parse_settings(set_))
        except ArchcError as error:
            failures.append(error)
    if format is Format.json:
        print_json({"problems": [problem for failure in failures for problem in problems_as_json(failure)]})
    else:
        for index, failure in enumerate(failures):
            print("\n" if index else "", end="", file=sys.stderr)
            print_error(failure)
        if not failures:
            print(f"{len(targets)} spec{'s' if len(targets) > 1 else ''} checked, no problems")
    if failures:
        raise typer.Exit(max(error.exit_status for error in failures))


@app.command(epilog=examples("archc summary resnet50", "archc summary build/resnet34 --format json"))
def summary(target: TargetArgument, set_: SetOption = None, format: FormatOption = Format.text) -> None:
    """Show each layer's shape, parameters, multiply-adds and receptive field, for one image."""
    from archc.cli.settings import parse_settings
    from archc.ir.cost import cost
    from archc.ir.printer import fingerprint
    from archc.pipeline.api import compile_spec
    from archc.pipeline.targets import find_target
    from archc.spec.loading import load_spec

    graph = compile_spec(load_spec(find_target(target).spec), parse_settings(set_))
    total = cost(graph)
    layers = [
        {
            "path": node.path,
            "operator": node.operator.word,
            "shape": [dim if isinstance(dim, int) else str(dim) for dim in node.output.type.shape],
            "parameters": layer.parameters,
            "multiply_adds": layer.multiply_adds,
            "activation_bytes": layer.activation_bytes,
            "receptive_field": layer.field.size,
            "effective_stride": layer.field.stride,
        }
        for node, layer in zip(graph.nodes, total.nodes, strict=True)
    ]
    totals = {
        "name": graph.name,
        "fingerprint": fingerprint(graph),
        "parameters": total.parameters,
        "buffers": total.buffers,
        "parameter_bytes": total.parameter_bytes,
        "multiply_adds": total.multiply_adds,
        "activation_bytes": total.activation_bytes,
        "peak_activation_bytes": total.peak_bytes,
    }
    if format is Format.json:
        print_json({**totals, "layers": layers})
        return
    header = ["layer", "operator", "output", "parameters", "multiply-adds", "receptive field", "stride"]
    print_table(header, [_layer_row(layer) for layer in layers])
    print(f"\n{graph.name}: {graph.input.type} -> {', '.join(str(output.value.type) for output in graph.outputs)}")
    print(f"  parameters     {total.parameters:,} ({size(total.parameter_bytes)} with buffers)")
    print(f"  multiply-adds  {total.multiply_adds:,} ({quantity(total.multiply_adds)}) for one image")
    print(f"  activations    {size(total.activation_bytes)} in training, {size(total.peak_bytes)} at inference's peak")
    print(f"  fingerprint    {totals['fingerprint']}")


def _layer_row(layer: Mapping[str, object]) -> list[str]:
    field, stride, shape = layer["receptive_field"], layer["effective_stride"], layer["shape"]
    assert isinstance(shape, list)
    return [
        str(layer["path"]),
        str(layer["operator"]),
        f"[{', '.join(map(str, shape))}]",
        f"{layer['parameters']:,}" if layer["parameters"] else "",
        f"{layer['multiply_adds']:,}" if layer["multiply_adds"] else "",
        _pair(field) if field else "all",
        _pair(stride) if stride else "",
    ]


def _pair(value: object) -> str:
    assert isinstance(value, tuple)
    return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"


@app.command(epilog=examples("archc view resnet34", "archc view build/resnet34/resnet34.onnx"))
def view(
    target: Annotated[str, typer.Argument(help="An artefact, a build, a spec, or the name of a bundled spec.")],
    port: Annotated[int, typer.Option(help="Port of the local server; 0 chooses a free one.")] = 0,
    browse: Annotated[bool, typer.Option("--browse/--no-browse", help="Open the browser.")] = True,
) -> None:
    """Show an artefact or a spec's graph in Netron; runs until interrupted."""
    from archc.pipeline.viewing import view as view_target

    view_target(Path(target), port, browse)


@app.command(epilog=examples("archc schema > archc.schema.json"))
def schema() -> None:
    """Print the JSON Schema of the spec language, for editors."""
    from archc.schema import json_schema

    print_json(json_schema())


@app.command("list", epilog=examples("archc list", "archc list --format json"))
def list_specs(format: FormatOption = Format.text) -> None:
    """List the bundled specs."""
    from archc.spec.bundled import bundled_specs
    from archc.spec.loading import load_spec

    specs = {name: load_spec(path) for name, path in bundled_specs().items()}
    if format is Format.json:
        print_json([{"name": name, "source": spec.citation} for name, spec in specs.items()])
        return
    print_table(["name", "source"], [[name, spec.citation or ""] for name, spec in specs.items()])

"""`archc summary`: what each layer costs."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from archc.cli.app import Format, FormatOption, OutputsOption, SetOption, TargetArgument, app, examples
from archc.cli.figures import quantity, size
from archc.cli.output import print_fields, print_json, print_lines, print_table
from archc.cli.settings import parse_outputs, parse_settings

if TYPE_CHECKING:
    from archc.ir.receptive_field import Steps

HEADER = ["layer", "operator", "output", "parameters", "multiply-adds", "receptive field", "stride"]
LEAST_IMPORTANT = ["stride", "receptive field", "operator"]


@app.command(
    epilog=examples(
        "archc summary resnet50",
        "archc summary resnet50 --outputs layer3,layer4",
        "archc summary build/resnet34 --format json",
    )
)
def summary(
    target: TargetArgument,
    set_: SetOption = None,
    outputs: OutputsOption = None,
    format: FormatOption = Format.text,
) -> None:
    """Show each layer's shape, cost and receptive field."""
    from archc.builds.compilation import compile_target
    from archc.ir.cost import cost
    from archc.ir.printer import fingerprint

    graph = compile_target(target, parse_settings(set_), parse_outputs(outputs))
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
            "effective_stride": _steps(layer.field.stride),
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
    print_table(HEADER, [_layer_row(layer) for layer in layers], LEAST_IMPORTANT)
    inputs = ", ".join(str(value.type) for value in graph.inputs)
    outputs = ", ".join(str(output.value.type) for output in graph.outputs)
    print_lines("", [(f"{graph.name}: ", "title"), (f"{inputs} -> {outputs}", "")])
    memory = f"{size(total.activation_bytes)} in training, {size(total.peak_bytes)} at inference's peak"
    print_fields(
        ("parameters", f"{total.parameters:,} ({size(total.parameter_bytes)} with buffers)"),
        ("multiply-adds", f"{total.multiply_adds:,} ({quantity(total.multiply_adds)}) for one image"),
        ("activations", memory),
        ("fingerprint", fingerprint(graph)),
    )


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


def _steps(stride: Steps | None) -> tuple[float | None, ...] | None:
    if stride is None:
        return None
    return tuple([float(step) if isinstance(step, Fraction) else step for step in stride])


def _pair(value: object) -> str:
    assert isinstance(value, tuple)
    sizes = ["all" if size is None else str(round(size, 3)) for size in value]
    return sizes[0] if len(set(sizes)) == 1 else "x".join(sizes)

"""ONNX, emitted directly from the graph: no tracing, so names, shapes and the opset are exactly what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, BinaryIO

from archc.exporting import ExportOptions
from archc.files import Companions
from archc.ir.graph import Graph
from archc.ir.types import SymbolicDim, TensorType
from archc.passes import drop_training_only, fold_batch_norm, inference_graph, run_passes
from archc.weights.network import Network

from .artefact import OnnxArtefact
from .builder import OnnxBuilder, OnnxInitializer
from .opset import DEFAULT_OPSET, check_opset
from .witnesses import PARSERS, RUNNERS
from .writer import data_bytes, write_external_data, write_model

if TYPE_CHECKING:
    import numpy as np
    import onnx

EMBEDDED_BYTES = 3 << 29
"""Weights beyond this go into a file beside the model: 1.5 GiB, well below protobuf's 2 GiB."""


def exported_graph(network: Network, options: ExportOptions) -> Graph:
    """The graph whose nodes are lowered: without what does nothing at inference, batch norms folded if asked for."""
    folding = [fold_batch_norm] if options.fold_batch_norm else []
    return run_passes(network.graph, [inference_graph, drop_training_only, *folding])


def emit(network: Network, options: ExportOptions) -> OnnxBuilder:
    """The nodes and initializers of a network. Raises ExportError: the opset or an operator is not supported."""
    opset = DEFAULT_OPSET if options.opset is None else options.opset
    check_opset(opset)
    return lower(exported_graph(network, options), opset)


def lower(graph: Graph, opset: int) -> OnnxBuilder:
    """Lower every node of an inference graph; the network's outputs get their names."""
    b = OnnxBuilder(opset)
    b.tensors.update((value.name, value.name) for value in graph.inputs)
    for node in graph.nodes:
        b.lower(node)
    inputs = {value.name: value.name for value in graph.inputs}
    names: dict[str, str] = {}
    for output in graph.outputs:
        tensor = b.name_output(output.name, output.value.name, output.value.type, {**inputs, **names})
        names[tensor] = output.name
    b.rename(names)
    return b


def message(network: Network, emitted: OnnxBuilder) -> onnx.ModelProto:
    """The whole file but its tensors."""
    graph = network.inference
    outputs = [(output.name, output.value.type) for output in graph.outputs]
    return emitted.model(graph.name, [(value.name, value.type) for value in graph.inputs], outputs)


def write_with_companion(
    model: onnx.ModelProto,
    initializers: Sequence[OnnxInitializer],
    weights: Mapping[str, np.ndarray],
    file: BinaryIO,
    companions: Companions | None,
    *,
    external: bool = False,
) -> None:
    """Write a model, and its weights beside it if that was asked for or they are too large. Raises ExportError."""
    name = None
    if companions and (external or data_bytes(initializers) > EMBEDDED_BYTES):
        name = companions.write(".weights", lambda beside: write_external_data(initializers, weights, beside))
    write_model(model, initializers, weights, file, name)


class OnnxExporter:
    """Writes and opens ONNX files."""

    name = "onnx"
    suffix = ".onnx"
    summary = "ONNX, for ONNX Runtime, TensorRT, OpenVINO and others"
    notice = None
    witnesses = (*RUNNERS, *PARSERS)
    honours = ("opset", "fold_batch_norm", "external_data")
    opset = DEFAULT_OPSET
    packages = ("onnx",)

    def write(
        self, network: Network, file: BinaryIO, options: ExportOptions, companions: Companions | None = None
    ) -> None:
        """Write the file piece by piece: memory holds one tensor at a time. Raises ExportError."""
        b = emit(network, options)
        model = message(network, b)
        write_with_companion(model, b.initializers, network.weights, file, companions, external=options.external_data)

    def open(self, path: Path) -> OnnxArtefact:
        """Open a file. Raises ExportError."""
        return OnnxArtefact(path)

    def usage(self, network: Network, path: Path) -> str:
        """How to load the file in ONNX Runtime and TensorRT."""
        inputs = network.inference.input
        shapes = [_shape(network.input, size) for size in ("minimum", "optimum", "maximum")]
        return "\n".join(
            (
                "ONNX Runtime:",
                f"  session = onnxruntime.InferenceSession({str(path)!r})",
                f"  outputs = session.run(None, {{{inputs.name!r}: images}})  # images: {inputs.type}",
                "TensorRT:",
                f"  trtexec --onnx={quote(str(path))} "
                + " ".join(
                    f"--{size}Shapes={inputs.name}:{shape}"
                    for size, shape in zip(("min", "opt", "max"), shapes, strict=True)
                ),
            )
        )


def _shape(type: TensorType, size: str) -> str:
    """A shape as trtexec writes it: 8x3x224x224."""
    sizes = (dim.at(getattr(dim, size)) if isinstance(dim, SymbolicDim) else dim for dim in type.shape)
    return "x".join(map(str, sizes))


EXPORTER = OnnxExporter()

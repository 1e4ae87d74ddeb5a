"""From a network to an ONNX file: the graph that is exported, its nodes and tensors, the message, and the bytes.

Emitted directly from the graph, without tracing, so names, shapes and the opset are exactly what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from archc.exporting import SPEC_KEY
from archc.ir.graph import Graph
from archc.passes import run_passes
from archc.weights.network import Network

from .builder import OnnxBuilder, OnnxInitializer
from .folding import fold_constants
from .opset import check_opset
from .options import OnnxOptions
from .writer import data_bytes, write_external_data, write_model

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from archc.files import Companions

EMBEDDED_BYTES = 3 << 29
"""Weights beyond this go into a file beside the model: 1.5 GiB, well below protobuf's 2 GiB."""


def exported_graph(network: Network, options: OnnxOptions) -> Graph:
    """The graph whose nodes are lowered: the network's after the passes that the options ask for."""
    return run_passes(network.graph, options.passes())


def emit(network: Network, options: OnnxOptions) -> OnnxBuilder:
    """The nodes and initializers of a network. Raises ExportError: the opset or an operator is not supported."""
    opset = options.effective().opset
    assert opset is not None, "the effective options have one"
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
    fold_constants(b)
    return b


def message(network: Network, emitted: OnnxBuilder) -> onnx.ModelProto:
    """The whole file but its tensors."""
    graph = network.inference
    outputs = [(output.name, output.value.type) for output in graph.outputs]
    model = emitted.model(graph.name, [(value.name, value.type) for value in graph.inputs], outputs)
    if network.spec:
        model.metadata_props.add(key=SPEC_KEY, value=network.spec)
    return model


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

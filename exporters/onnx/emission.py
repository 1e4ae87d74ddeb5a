"""From a network to an ONNX file: the graph that is exported, its nodes and tensors, the message, and the bytes.

Emitted directly from the graph, without tracing, so names, shapes and the opset are exactly what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, BinaryIO

from archc.ir.graph import Graph
from archc.weights.network import Network

from .builder import OnnxBuilder, OnnxInitializer
from .lowering import LOWERINGS
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
    """The graph whose nodes are lowered: the network's inference graph after the passes that the options ask for."""
    return reduce(lambda graph, run: run(graph), options.passes(), network.inference)


def emit(network: Network, options: OnnxOptions) -> OnnxBuilder:
    """The nodes and initializers of a network. Raises ExportError: the opset or an operator is not supported."""
    opset = options.effective().opset
    assert opset is not None, "the effective options have one"
    check_opset(opset)
    return lower(exported_graph(network, options), opset)


def lower(graph: Graph, opset: int) -> OnnxBuilder:
    """Lower every node of an inference graph; the network's outputs get their names."""
    b = OnnxBuilder(opset)
    tensors = b.tensors
    tensors[graph.input.name] = graph.input.name
    for node in graph.nodes:
        b.enter(node.path, node.output.name)
        inputs = [tensors[value.name] for value in node.inputs]
        tensors[node.output.name] = LOWERINGS[node.operator.word](b, node, node.operator, inputs)
    names: dict[str, str] = {}
    for output in graph.outputs:
        tensor = tensors[output.value.name]
        if tensor in names or tensor == graph.input.name:
            b.enter(f":{output.name}", output.name)
            tensor = b.emit("Identity", [names.get(tensor, tensor)], output.value.type)
        names[tensor] = output.name
    b.rename(names)
    return b


def message(network: Network, emitted: OnnxBuilder) -> onnx.ModelProto:
    """The whole file but its tensors."""
    graph = network.inference
    outputs = [(output.name, output.value.type) for output in graph.outputs]
    return emitted.model(graph.name, (graph.input.name, graph.input.type), outputs)


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

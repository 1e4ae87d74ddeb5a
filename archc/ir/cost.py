"""What a network costs, from its graph alone: parameters, multiply-adds, activation memory, receptive field."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

from archc.ir.graph import Graph, Node
from archc.ir.inference import inference_graph
from archc.ir.types import DTYPE_BYTES


@dataclass(frozen=True, slots=True)
class Field:
    """What one element of a value sees of the input image, (height, width) in pixels.

    `size` is the extent of the receptive field, `stride` the distance between neighbours'. Beyond a layer that sees the
    whole image both are None.
    """

    size: tuple[int, int] | None
    stride: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class NodeCost:
    """Cost of one node, for one image: parameters (buffers not counted), multiply-adds, output bytes, field."""

    parameters: int
    multiply_adds: int
    activation_bytes: int
    field: Field


@dataclass(frozen=True, slots=True)
class GraphCost:
    """Cost of a network, for one image.

    `parameters` are the trainable ones, `buffers` the elements of running statistics, `parameter_bytes` both together.
    `activation_bytes` is all nodes' outputs together (what training keeps), `peak_bytes` the largest sum of values
    alive at once when each is freed after its last use (what inference needs).
    """

    parameters: int
    buffers: int
    parameter_bytes: int
    multiply_adds: int
    activation_bytes: int
    peak_bytes: int
    nodes: tuple[NodeCost, ...]


def cost(graph: Graph) -> GraphCost:
    """Cost of a graph, at the nominal size of dynamic axes (bytes: at their largest).

    Multiply-adds and peak are those of inference: auxiliary heads, which exist in training only, count with their
    parameters and activations only.
    """
    fields = _receptive_fields(graph)
    nodes = tuple(_node_cost(node, fields[node.output.name]) for node in graph.nodes)
    inference = inference_graph(graph)
    run = {node.path for node in inference.nodes}
    tensors = list(graph.parameters())
    return GraphCost(
        parameters=sum(node.parameters for node in nodes),
        buffers=sum(prod(tensor.shape) for tensor in tensors if tensor.buffer),
        parameter_bytes=sum(prod(tensor.shape) * DTYPE_BYTES[tensor.dtype] for tensor in tensors),
        multiply_adds=sum(
            layer.multiply_adds for layer, node in zip(nodes, graph.nodes, strict=True) if node.path in run
        ),
        activation_bytes=sum(node.activation_bytes for node in nodes),
        peak_bytes=_peak_bytes(inference),
        nodes=nodes,
    )


def _node_cost(node: Node, field: Field) -> NodeCost:
    inputs = tuple(value.type for value in node.inputs)
    return NodeCost(
        parameters=sum(prod(parameter.shape) for parameter in node.parameters if not parameter.buffer),
        multiply_adds=node.operator.multiply_adds(inputs, node.output.type),
        activation_bytes=node.output.type.bytes(),
        field=field,
    )


def _receptive_fields(graph: Graph) -> dict[str, Field]:
    """Field of every value: r' = r + (extent - 1) * stride, and the strides multiply.

    Source: Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", section 2.
    """
    fields = {graph.input.name: Field((1, 1), (1, 1))}
    for node in graph.nodes:
        fields[node.output.name] = _field(node, [fields[value.name] for value in node.inputs])
    return fields


def _field(node: Node, inputs: list[Field]) -> Field:
    window = node.operator.window(*(value.type for value in node.inputs))
    sizes = [field.size for field in inputs if field.size is not None]
    strides = [field.stride for field in inputs if field.stride is not None]
    if window is None or len(sizes) < len(inputs) or not strides:
        return Field(None, None)
    height, width = (
        max(size[axis] + (window.extent[axis] - 1) * stride[axis] for size, stride in zip(sizes, strides, strict=True))
        for axis in (0, 1)
    )
    step = (max(s[0] for s in strides) * window.stride[0], max(s[1] for s in strides) * window.stride[1])
    return Field((height, width), step)


def _peak_bytes(graph: Graph) -> int:
    last_use = {graph.input.name: 0}
    for index, node in enumerate(graph.nodes):
        last_use.update({value.name: index for value in (node.output, *node.inputs)})
    kept = {output.value.name for output in graph.outputs}
    freed: Counter[int] = Counter()
    for value in (graph.input, *(node.output for node in graph.nodes)):
        if value.name not in kept:
            freed[last_use[value.name]] += value.type.bytes()
    alive = peak = graph.input.type.bytes()
    for index, node in enumerate(graph.nodes):
        alive += node.output.type.bytes()
        peak = max(peak, alive)
        alive -= freed[index]
    return peak

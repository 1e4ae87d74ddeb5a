"""What a network costs, from its graph alone: parameters, multiply-adds, activation memory, receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from archc.ir.graph import Graph, Node
from archc.ir.operator import POINTWISE, Window
from archc.ir.types import DTYPE_BYTES


class Field(NamedTuple):
    """What one element of a value sees of the input image, (height, width) in pixels.

    `size` is the extent of the receptive field, `stride` the distance between neighbours'. Beyond a layer that sees the
    whole image both are None.
    """

    size: tuple[int, int] | None
    stride: tuple[int, int] | None


class NodeCost(NamedTuple):
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
    sizes = {value.name: value.type.bytes() for value in (graph.input, *(node.output for node in graph.nodes))}
    fields = _receptive_fields(graph)
    nodes = tuple([_node_cost(node, sizes[node.output.name], fields[node.output.name]) for node in graph.nodes])
    inference = graph.at_inference()
    run = {node.path for node in inference.nodes}
    tensors = [(tensor, prod(tensor.shape)) for tensor in graph.parameters()]
    return GraphCost(
        parameters=sum([node.parameters for node in nodes]),
        buffers=sum([count for tensor, count in tensors if tensor.buffer]),
        parameter_bytes=sum([count * DTYPE_BYTES[tensor.dtype] for tensor, count in tensors]),
        multiply_adds=sum(
            [layer.multiply_adds for layer, node in zip(nodes, graph.nodes, strict=True) if node.path in run]
        ),
        activation_bytes=sum([node.activation_bytes for node in nodes]),
        peak_bytes=_peak_bytes(inference, sizes),
        nodes=nodes,
    )


def _node_cost(node: Node, size: int, field: Field) -> NodeCost:
    inputs = tuple([value.type for value in node.inputs])
    return NodeCost(
        parameters=sum([prod(parameter.shape) for parameter in node.parameters if not parameter.buffer]),
        multiply_adds=node.operator.multiply_adds(inputs, node.output.type),
        activation_bytes=size,
        field=field,
    )


def _receptive_fields(graph: Graph) -> dict[str, Field]:
    """Field of every value: r' = r + (extent - 1) * stride, and the strides multiply.

    Source: Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", section 2.
    """
    fields = {graph.input.name: Field((1, 1), (1, 1))}
    for node in graph.nodes:
        window = node.operator.window(*[value.type for value in node.inputs])
        seen = [_through(window, fields[value.name]) for value in node.inputs]
        fields[node.output.name] = seen[0] if len(seen) == 1 else _union(seen)
    return fields


def _through(window: Window | None, field: Field) -> Field:
    """What is seen through a window on a value with this field."""
    if window is POINTWISE:
        return field
    if window is None or field.size is None or field.stride is None:
        return Field(None, None)
    (height, width), (down, right) = field.size, field.stride
    (rows, columns), (step_down, step_right) = window
    return Field((height + (rows - 1) * down, width + (columns - 1) * right), (down * step_down, right * step_right))


def _union(fields: list[Field]) -> Field:
    """What all together see: the largest in each direction."""
    sizes = [field.size for field in fields if field.size is not None]
    strides = [field.stride for field in fields if field.stride is not None]
    if len(sizes) < len(fields):
        return Field(None, None)
    return Field(
        (max(size[0] for size in sizes), max(size[1] for size in sizes)),
        (max(stride[0] for stride in strides), max(stride[1] for stride in strides)),
    )


def _peak_bytes(graph: Graph, sizes: Mapping[str, int]) -> int:
    """The largest sum of values alive at once, when each is freed after its last use."""
    last_use = {graph.input.name: 0}
    for index, node in enumerate(graph.nodes):
        last_use[node.output.name] = index
        for value in node.inputs:
            last_use[value.name] = index
    freed = [0] * len(graph.nodes)
    for name in last_use.keys() - {output.value.name for output in graph.outputs}:
        freed[last_use[name]] += sizes[name]
    alive = peak = sizes[graph.input.name]
    for node, gone in zip(graph.nodes, freed, strict=True):
        alive += sizes[node.output.name]
        peak = max(peak, alive)
        alive -= gone
    return peak

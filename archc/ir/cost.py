"""What a network costs, from its graph alone: parameters, multiply-adds, activation memory, receptive field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from archc.ir.dtype import ELEMENTS
from archc.ir.graph import Graph, Node
from archc.ir.receptive_field import Field, receptive_fields


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
    sizes = {value.name: value.type.bytes() for value in graph.values()}
    fields = receptive_fields(graph)
    nodes = tuple([_node_cost(node, sizes, fields) for node in graph.nodes])
    inference = graph.at_inference()
    run = {node.path for node in inference.nodes}
    tensors = [(tensor, prod(tensor.shape)) for tensor in graph.parameters()]
    return GraphCost(
        parameters=sum([node.parameters for node in nodes]),
        buffers=sum([count for tensor, count in tensors if tensor.buffer]),
        parameter_bytes=sum([count * ELEMENTS[tensor.dtype].bytes for tensor, count in tensors]),
        multiply_adds=sum(
            [layer.multiply_adds for layer, node in zip(nodes, graph.nodes, strict=True) if node.path in run]
        ),
        activation_bytes=sum([node.activation_bytes for node in nodes]),
        peak_bytes=_peak_bytes(inference, sizes),
        nodes=nodes,
    )


def _node_cost(node: Node, sizes: Mapping[str, int], fields: Mapping[str, Field]) -> NodeCost:
    inputs = tuple([value.type for value in node.inputs])
    return NodeCost(
        parameters=sum([prod(p.shape) for p in node.parameters if not p.buffer and not node.shares]),
        multiply_adds=node.operator.multiply_adds(inputs, node.outputs[0].type),
        activation_bytes=sum([sizes[value.name] for value in node.outputs]),
        field=fields[node.outputs[0].name],
    )


def _peak_bytes(graph: Graph, sizes: Mapping[str, int]) -> int:
    """The largest sum of values alive at once, when each is freed after its last use."""
    last_use = {value.name: 0 for value in graph.inputs}
    for index, node in enumerate(graph.nodes):
        for value in (*node.outputs, *node.inputs):
            last_use[value.name] = index
    freed = [0] * len(graph.nodes)
    for name in last_use.keys() - {output.value.name for output in graph.outputs}:
        freed[last_use[name]] += sizes[name]
    alive = peak = sum(sizes[value.name] for value in graph.inputs)
    for node, gone in zip(graph.nodes, freed, strict=True):
        alive += sum(sizes[value.name] for value in node.outputs)
        peak = max(peak, alive)
        alive -= gone
    return peak

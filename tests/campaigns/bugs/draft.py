"""An emitted ONNX file that a bug may change: its nodes and tensors by name, and what they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from archc.exporting import Options
from archc.ir.graph import Node
from archc.weights.network import Network

emission = import_module("archc.exporters.onnx.emission")


class DoesNotApply(Exception):
    """The bug cannot lie in this node, or would change nothing there; the message says why."""


@dataclass(frozen=True)
class Origins:
    """Where the nodes of a file come from: archc's nodes by the name of the ONNX node, and the network's weights.

    `image` is the shape of an image, [C, H, W], at its usual size.
    """

    nodes: Mapping[str, Node]
    weights: Mapping[str, np.ndarray]
    image: tuple[int, ...]


def origins(network: Network, options: Options) -> Origins:
    """What the exporter knew of each ONNX node."""
    by_value = {node.output.name: node for node in emission.exported_graph(network, options).nodes}
    emitted = emission.emit(network, options).nodes
    nodes = {node.name: by_value[node.value] for node in emitted}
    return Origins(nodes, network.weights, network.image_shapes()[0])


class Draft:
    """A model under change. Bugs raise `DoesNotApply` before they change anything."""

    def __init__(self, model: onnx.ModelProto, origins: Origins) -> None:
        self.model, self.origins = model, origins
        graph = model.graph
        self.nodes = {node.name: node for node in graph.node}
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._shapes = {
            entry.name: tuple(dim.dim_value for dim in entry.type.tensor_type.shape.dim)
            for entry in (*graph.input, *graph.value_info, *graph.output)
        }
        self._floats = {
            entry.name
            for entry in (*graph.value_info, *graph.output)
            if entry.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        }
        self._cursor = 0  # where the next node is emitted

    @property
    def input(self) -> str:
        """Name of the network's input."""
        return str(self.model.graph.input[0].name)

    def origin(self, node: onnx.NodeProto) -> Node:
        """The node of archc's graph that an ONNX node helps to compute."""
        return self.origins.nodes[node.name]

    def array(self, name: str) -> np.ndarray:
        """A copy of an initializer's values."""
        return numpy_helper.to_array(self._tensors[name]).copy()

    def is_initializer(self, name: str) -> bool:
        return name in self._tensors

    def store(self, name: str, values: Any) -> str:
        """Replace or add an initializer, as float32 unless it holds integers; returns its name."""
        array = np.ascontiguousarray(values)
        array = array if array.dtype == np.int64 else array.astype(np.float32)
        if name not in self._tensors:
            self._tensors[name] = self.model.graph.initializer.add()
        self._tensors[name].CopyFrom(numpy_helper.from_array(array, name))
        return name

    def is_float(self, name: str) -> bool:
        """True for what a node computes as float32."""
        return name in self._floats

    def is_output(self, name: str) -> bool:
        return any(name == output.name for output in self.model.graph.output)

    def shape(self, tensor: str) -> tuple[int, ...]:
        """Shape of a tensor; the batch is 0."""
        if tensor in self._tensors:
            return tuple(self._tensors[tensor].dims)
        return self._shapes[tensor]

    def producer(self, tensor: str) -> onnx.NodeProto | None:
        """The node that gives a tensor; None for the input and initializers."""
        return next((node for node in self.model.graph.node if tensor in node.output), None)

    def consumers(self, tensor: str) -> list[onnx.NodeProto]:
        return [node for node in self.model.graph.node if tensor in node.input]

    def before(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes in front of one, the nearest first."""
        nodes = list(self.model.graph.node)
        return nodes[: nodes.index(node)][::-1]

    def bypass(self, node: onnx.NodeProto, source: str) -> None:
        """Who read the node's output reads `source`; a node that gives the network's output cannot be bypassed."""
        require(bool(self.consumers(node.output[0])), "it gives the network's output")
        for consumer in self.consumers(node.output[0]):
            consumer.input[:] = [source if name == node.output[0] else name for name in consumer.input]
        self.model.graph.node.remove(node)

    def insert_before(self, node: onnx.NodeProto, op_type: str, *more: str, **attributes: Any) -> None:
        """Put a node between a node and its first input."""
        name = f"{node.name}/seeded"
        extra = helper.make_node(op_type, [node.input[0], *more], [f"{name}_output_0"], name, **attributes)
        node.input[0] = extra.output[0]
        self._insert(extra, self._index(node))

    def insert_after(self, node: onnx.NodeProto, op_type: str, *more: str, **attributes: Any) -> None:
        """Put a node between a node and whoever reads its output, whose name goes to the new one."""
        name = f"{node.name}/seeded"
        inner = f"{name}_input_0"
        extra = helper.make_node(op_type, [inner, *more], [node.output[0]], name, **attributes)
        node.output[0] = inner
        self._insert(extra, self._index(node) + 1)

    def open_after(self, node: onnx.NodeProto) -> str:
        """Let nodes be emitted behind a node, under whose old name another has to give its output; returns the new."""
        node.output[0] = f"{node.name}/seeded_input_0"
        self._cursor = self._index(node) + 1
        return node.output[0]

    def emit(self, op_type: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Put a node behind the one emitted before; returns its output."""
        name = output or f"seeded/{self._cursor}"
        self._insert(helper.make_node(op_type, inputs, [name], name, **attributes), self._cursor)
        self._cursor += 1
        return name

    def become(self, node: onnx.NodeProto, op_type: str, *inputs: str, **attributes: Any) -> None:
        """Turn a node into one of another operator, with the same outputs."""
        given = inputs or tuple(node.input)
        node.CopyFrom(helper.make_node(op_type, given, node.output, node.name, **attributes))

    def forget_shapes(self) -> None:
        """Drop the declared shapes of inner values, where a bug changes them."""
        del self.model.graph.value_info[:]

    def _index(self, node: onnx.NodeProto) -> int:
        return [each.name for each in self.model.graph.node].index(node.name)

    def _insert(self, node: onnx.NodeProto, index: int) -> None:
        self.model.graph.node.insert(index, node)


def require(holds: bool, reason: str) -> None:
    """Raises DoesNotApply where a condition of the bug does not hold."""
    if not holds:
        raise DoesNotApply(reason)


def attribute(node: onnx.NodeProto, name: str) -> Any:
    """An attribute's value: a number, or a list of them. Raises DoesNotApply: the node has none of that name."""
    found = [entry for entry in node.attribute if entry.name == name]
    require(bool(found), f"no {name}")
    value = helper.get_attribute_value(found[0])
    return list(value) if isinstance(value, Sequence) and not isinstance(value, bytes) else value


def set_attribute(node: onnx.NodeProto, name: str, value: Any) -> None:
    """Replace or add an attribute."""
    kept = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def without_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which nodes have no names and tensors have numbers for names; inputs and outputs keep theirs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    for tensor in graph.initializer:
        tensor.name = names.setdefault(tensor.name, f"tensor {len(names)}")
    for node in graph.node:
        node.name = ""
        for tensors in (node.input, node.output):
            tensors[:] = [names.setdefault(name, f"tensor {len(names)}") for name in tensors]
    del graph.value_info[:]
    return copy

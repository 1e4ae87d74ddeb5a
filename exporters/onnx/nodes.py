"""Single nodes of an ONNX file as models of their own, for comparing them one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archc.exporting import NodeRunner
from archc.ir.graph import Graph, Node

from .builder import OnnxBuilder, value_info

if TYPE_CHECKING:
    import numpy as np
    import onnx


def node_runners(
    model: onnx.ModelProto, graph: Graph, emitted: OnnxBuilder, weights: Mapping[str, np.ndarray] | None
) -> Sequence[NodeRunner]:
    """Runners for the nodes of a graph, which the file has under the names that the exporter gives.

    The initializers are the file's own, or with `weights` what these give. A node whose tensor is its input's (a
    flatten of what is flat) gives that.
    """
    cutter = _Cutter(model, emitted, weights)
    values = {value.name for node in graph.nodes for value in (*node.inputs, node.output)}
    assert values <= emitted.tensors.keys(), "every value of the graph has a tensor"
    return [_runner(node, cutter) for node in graph.nodes]


def _runner(node: Node, cutter: _Cutter) -> NodeRunner:
    inputs = tuple(dict.fromkeys(value.name for value in node.inputs))
    return NodeRunner(
        node.path, node.output.name, inputs, lambda arrays: cutter.run(node, dict(zip(inputs, arrays, strict=True)))
    )


class _Cutter:
    """Cuts one node after the other out of a file."""

    def __init__(self, model: onnx.ModelProto, emitted: OnnxBuilder, weights: Mapping[str, np.ndarray] | None) -> None:
        self._model, self._emitted, self._weights = model, emitted, weights
        self._nodes = list(model.graph.node)  # kept, so that each has one identity
        self._producers = {tensor: node for node in self._nodes for tensor in node.output}
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._derived = {each.name: each for each in emitted.initializers if not each.constant}
        self._lowered = {node.value for node in emitted.nodes}
        self._values = {*emitted.tensors.values()}

    def run(self, node: Node, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Run a node. Raises LookupError: the file does not compute it from these inputs; what ONNX Runtime raises."""
        import numpy as np
        import onnxruntime

        if node.output.name not in self._lowered:
            return inputs[node.inputs[0].name]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        model = self._cut(node).SerializeToString()
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        feeds = {self._emitted.tensors[value]: np.ascontiguousarray(array) for value, array in inputs.items()}
        return np.asarray(session.run(None, feeds)[0])

    def _cut(self, node: Node) -> onnx.ModelProto:
        import onnx

        nodes = self._between(node)
        wanted = dict.fromkeys(name for onnx_node in nodes for name in onnx_node.input)
        tensors = self._emitted.tensors
        graph = onnx.GraphProto(name="node", node=nodes)
        graph.initializer.extend(self._initializer(name) for name in wanted if name in self._stored)
        graph.input.extend(value_info(tensors[value.name], value.type) for value in dict.fromkeys(node.inputs))
        graph.output.append(value_info(tensors[node.output.name], node.output.type))
        return onnx.ModelProto(ir_version=self._model.ir_version, graph=graph, opset_import=self._model.opset_import)

    def _between(self, node: Node) -> list[onnx.NodeProto]:
        """What the file does between a node's inputs and its output, whichever ONNX nodes that takes."""
        tensors = self._emitted.tensors
        inputs = {tensors[value.name] for value in node.inputs}
        pending, found = [tensors[node.output.name]], set()
        while pending:
            tensor = pending.pop()
            producer = self._producers.get(tensor)
            if producer is None:
                raise LookupError(f"nothing in the file gives {tensor}")
            if id(producer) in found:
                continue
            found.add(id(producer))
            read = [name for name in producer.input if name and name not in inputs and name not in self._stored]
            if foreign := [name for name in read if name in self._values]:
                raise LookupError(f"the file reads {foreign[0]} for it, which is not its input")
            pending += read
        return [each for each in self._nodes if id(each) in found]

    def _initializer(self, name: str) -> onnx.TensorProto:
        from onnx import numpy_helper

        if self._weights is None or name not in self._derived:
            return self._stored[name]
        return numpy_helper.from_array(self._derived[name].values(self._weights), name)

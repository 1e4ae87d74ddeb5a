"""Single nodes of an ONNX file as models of their own, for comparing them one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

from archc.exporting import NodeRunner
from archc.ir.graph import Graph, Node, Value

from .builder import OnnxBuilder, value_info
from .element_types import cast_ends, element_types
from .engines import onnx_runtime
from .in_memory import named_or_stored

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from archc.exporting import RunNode


MOST_ALONE = 1 << 27
"""Multiply-adds that one thread does; to start and end several takes longer than most nodes."""


def node_runners(
    model: onnx.ModelProto, graph: Graph, emitted: OnnxBuilder, weights: Mapping[str, np.ndarray] | None
) -> Sequence[NodeRunner]:
    """Runners for the nodes of a graph, which the file has under the names that the exporter gives.

    The initializers are the file's own, or with `weights` what these give. A node whose tensor is its input's (a
    flatten of what is flat) gives that.
    """
    cutter = _Cutter(model, graph, emitted, weights)
    values = {value.name for node in graph.nodes for value in (*node.inputs, node.output)}
    assert values <= emitted.tensors.keys(), "every value of the graph has a tensor"
    return [_runner(node, cutter) for node in graph.nodes if cutter.has(node)]


def _runner(node: Node, cutter: _Cutter) -> NodeRunner:
    inputs = tuple(dict.fromkeys(value.name for value in cutter.inputs(node)))
    return NodeRunner(node.path, node.output.name, inputs, cutter.kind(node), partial(cutter.open, node, inputs))


class _Cutter:
    """Cuts one node after the other out of a file."""

    def __init__(
        self,
        model: onnx.ModelProto,
        graph: Graph,
        emitted: OnnxBuilder,
        weights: Mapping[str, np.ndarray] | None,
    ) -> None:
        self._model, self._emitted, self._weights = model, emitted, weights
        self._depending = graph.depending()
        self._first = {self.tensor(value.name): value for value in reversed(tuple(graph.values()))}
        self._kept = {each.name for each in emitted.initializers}
        self._nodes = list(model.graph.node)  # kept, so that each has one identity
        self._producers = {tensor: node for node in self._nodes for tensor in node.output}
        self._stored = {tensor.name: tensor for tensor in model.graph.initializer}
        self._derived = {each.name: each for each in emitted.initializers if not each.constant}
        self._lowered = {node.value for node in emitted.nodes}
        self._values = {tensor for value, tensor in emitted.tensors.items() if value in self._depending}

    def tensor(self, value: str) -> str:
        """The name of a value in the file."""
        return self._emitted.tensors[value]

    def has(self, node: Node) -> bool:
        """True if the file should have what a node gives: not where a constant goes into another one alone."""
        return node.output.name in self._depending or self.tensor(node.output.name) in self._kept

    def inputs(self, node: Node) -> Sequence[Value]:
        """The values that a node is run on; what depends on no input is what it is.

        Two that are one tensor in the file, as what does nothing lies between them, are the first that it was.
        """
        values = [value for value in node.inputs if value.name in self._depending]
        tensors = Counter(self.tensor(value.name) for value in dict.fromkeys(values))
        return [self._first[each] if tensors[each := self.tensor(value.name)] > 1 else value for value in values]

    def kind(self, node: Node) -> Hashable:
        """All that decides what is computed between a node's inputs and its output, but for the tensors' values."""
        try:
            found = self._between(node)
        except LookupError as error:
            return str(error)
        if self.tensor(node.output.name) in self._stored:
            return node.output.name
        names = {self.tensor(value.name): number for number, value in enumerate(dict.fromkeys(self.inputs(node)))}
        return tuple([self._key(each, names) for each in found])

    def _key(self, node: onnx.NodeProto, names: dict[str, int]) -> Hashable:
        """A node with numbers in place of names. Side effect: numbers the names that are new."""
        attributes = sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute)
        inputs = [self._placeholder(name) or names.get(name, -1) for name in node.input]
        outputs = [names.setdefault(name, len(names)) for name in node.output]
        return node.domain, node.op_type, tuple(attributes), tuple(inputs), tuple(outputs)

    def _placeholder(self, name: str) -> Hashable:
        """What stands for a tensor of the file: a constant is itself."""
        stored = self._stored.get(name)
        if stored is None:
            return None
        if name in self._derived:
            return stored.data_type, tuple(stored.dims)
        return stored.data_type, tuple(stored.dims), stored.raw_data

    def open(self, node: Node, inputs: tuple[str, ...], any_size: bool) -> RunNode:
        """A way to run one node from these inputs, or such of `any_size`; one that is left out gives its input.

        Raises LookupError: the file does not compute it from the node's inputs; what ONNX Runtime raises.
        """
        import numpy as np

        stored = self._stored.get(self.tensor(node.output.name))
        if stored is not None:
            values = np.array(self._read(stored.name))
            return lambda arrays: values
        if node.output.name not in self._lowered:
            place = inputs.index(node.inputs[0].name)
            return lambda arrays: arrays[place]
        work = node.operator.multiply_adds(tuple([value.type for value in node.inputs]), node.output.type)
        model, named = self._cut(node, any_size)
        engine = onnx_runtime(model, True, named, threads=0 if work > MOST_ALONE else 1, once=True)
        return lambda arrays: engine.run(list(map(np.ascontiguousarray, arrays)))[0]

    def _cut(self, node: Node, any_size: bool) -> tuple[bytes, Mapping[str, np.ndarray]]:
        """The model of a node, and the large weights that it only names."""
        import onnx

        nodes = self._between(node)
        wanted = dict.fromkeys(name for onnx_node in nodes for name in onnx_node.input if name in self._stored)
        initializers, named = named_or_stored({name: self._read(name) for name in wanted if name in self._derived})
        graph = onnx.GraphProto(name="node", node=nodes, initializer=initializers)
        graph.initializer.extend(self._stored[name] for name in wanted if name not in self._derived)
        given = dict.fromkeys(self.inputs(node))
        graph.input.extend(value_info(self.tensor(value.name), value.type, any_size=any_size) for value in given)
        graph.output.append(value_info(self.tensor(node.output.name), node.output.type, any_size=any_size))
        cast_ends(graph, self._types)
        version, opsets = self._model.ir_version, self._model.opset_import
        return onnx.ModelProto(ir_version=version, graph=graph, opset_import=opsets).SerializeToString(), named

    @cached_property
    def _types(self) -> Mapping[str, int]:
        return element_types(self._model)

    def _between(self, node: Node) -> list[onnx.NodeProto]:
        """What the file does between a node's inputs and its output, whichever ONNX nodes that takes."""
        tensors = self._emitted.tensors
        inputs = {tensors[value.name] for value in self.inputs(node)}
        pending, found = [tensors[node.output.name]], set()
        if pending[0] in self._stored:
            return []
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

    def _read(self, name: str) -> np.ndarray:
        """The values of a tensor of the file, or what the weights give for it."""
        from onnx import numpy_helper

        if self._weights is None or name not in self._derived:
            return numpy_helper.to_array(self._stored[name])
        return self._derived[name].values(self._weights)

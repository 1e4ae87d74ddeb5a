"""Collects the nodes and initializers of an ONNX graph as plain records; knows ONNX's names, not archc's operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archc.diagnostics import ExportError
from archc.ir.dtype import ELEMENTS, FLOAT32, DType
from archc.ir.emitter import NoLowering, OnnxTensor
from archc.ir.graph import Node, Parameter
from archc.ir.types import Dim, TensorType
from archc.weights import resolve

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from archc.weights import Weights


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node to be: `name` is the module path (`/layer1/0/conv1/Conv`), `types` are its outputs'.

    `value` is the (first) value of archc's graph that the node helps to compute.
    """

    op_type: str
    name: str
    value: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    types: tuple[TensorType, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OnnxInitializer:
    """A tensor of the file; `values` computes it from the network's weights when its turn to be written comes.

    `constant` tells that it depends on none of them; `value` is the value of archc's graph that it helps to compute.
    """

    name: str
    shape: tuple[int, ...]
    dtype: DType
    values: Callable[[Weights], np.ndarray]
    constant: bool = False
    value: str = ""


class OnnxBuilder:
    """An ONNX graph under construction: the `Emitter` that operators write with, one node of the graph at a time."""

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[OnnxNode] = []
        self.initializers: list[OnnxInitializer] = []
        self.tensors: dict[str, str] = {}  # by the value of archc's graph
        self._names: Counter[str] = Counter()
        self._own: dict[tuple[str, str], OnnxTensor] = {}  # by key and arrangement: a shared one is used again
        self._node: Node | None = None
        self._path = ""
        self._value = ""

    def lower(self, node: Node) -> None:
        """Write what computes a node, and note which tensors hold its outputs. Raises ExportError: it cannot be."""
        self._node = node
        self._enter(node.path, node.outputs[0].name)
        try:
            result = node.operator.onnx(self, *[OnnxTensor(self.tensors[x.name], x.type) for x in node.inputs])
        except NoLowering as error:
            message = f"{node.path} cannot be written as ONNX: {error}"
            raise ExportError(message, code="not-exportable", span=node.span) from None
        tensors = (result,) if isinstance(result, OnnxTensor) else result
        for value, tensor in zip(node.outputs, tensors, strict=True):
            self.tensors[value.name] = tensor.name

    def name_output(self, name: str, value: str, type: TensorType, taken: Mapping[str, str]) -> str:
        """The tensor that becomes the output of this name; an Identity's if the value has one already."""
        tensor = self.tensors[value]
        if tensor not in taken:
            return tensor
        self._enter(f":{name}", name)
        return self.emit("Identity", [OnnxTensor(taken[tensor], type)], type).name

    def _enter(self, path: str, value: str) -> None:
        """Name what follows after this module path; it computes this value of archc's graph."""
        self._value = value
        self._path = "/" + path.replace(":", ".").replace(".", "/").strip("/")

    @property
    def output(self) -> TensorType:
        """The type of the node's output."""
        assert self._node is not None, "a node is being lowered"
        return self._node.output.type

    def emit(self, op_type: str, inputs: Sequence[OnnxTensor], type: TensorType, **attributes: Any) -> OnnxTensor:
        """Append a node with one output of this type. Attributes that are None are left out."""
        return self.emit_several(op_type, inputs, [type], **attributes)[0]

    def emit_several(
        self, op_type: str, inputs: Sequence[OnnxTensor], types: Sequence[TensorType], **attributes: Any
    ) -> tuple[OnnxTensor, ...]:
        """Append a node with an output of each of these types."""
        name = self._unique(f"{self._path.rstrip('/')}/{op_type}")
        given = {key: value for key, value in attributes.items() if value is not None}
        outputs = tuple([f"{name}_output_{index}" for index in range(len(types))])
        names = tuple([tensor.name for tensor in inputs])
        self.nodes.append(OnnxNode(op_type, name, self._value, names, outputs, tuple(types), given))
        return tuple([OnnxTensor(*output) for output in zip(outputs, types, strict=True)])

    def constant(self, label: str, values: Any, dtype: DType = FLOAT32) -> OnnxTensor:
        """A tensor that depends on no weights, such as the axes of a reduction."""
        import numpy as np

        array = np.asarray(values, dtype)
        name = self._unique(f"{self._path.rstrip('/')}/{label}")
        return self._add(OnnxInitializer(name, array.shape, dtype, lambda weights: array, constant=True))

    def ones(self, shape: OnnxTensor, size: Dim) -> OnnxTensor:
        """A vector of ones that takes no room in the file; the tensor `shape` holds its size."""
        from onnx import TensorProto, helper

        value = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
        return self.emit("ConstantOfShape", [shape], TensorType((size,)), value=value)

    def own(self, *names: str) -> list[OnnxTensor]:
        """Those of the node's own tensors with these names that it has."""
        assert self._node is not None, "a node is being lowered"
        found = [parameter for name in names if (parameter := self._node.parameter(name))]
        return [self._parameter(p, p.shape, lambda array: array, "") for p in found]

    def per_channel(self, name: str) -> OnnxTensor:
        """The node's own vector as [C, 1, …]; with as many ones as its output has axes after the channels."""
        parameter = self._required(name)
        shape = (*parameter.shape, *[1] * (self.output.ndim - 2))
        return self._parameter(parameter, shape, lambda array: array.reshape(shape), f"of {len(shape)} axes")

    def transposed(self, name: str) -> OnnxTensor:
        """The node's own matrix, transposed."""
        import numpy as np

        parameter = self._required(name)
        turned = parameter.shape[::-1]
        return self._parameter(parameter, turned, lambda array: np.ascontiguousarray(array.T), "transposed")

    def _required(self, name: str) -> Parameter:
        assert self._node is not None, "a node is being lowered"
        parameter = self._node.parameter(name)
        assert parameter is not None, f"the node has no tensor {name}"
        return parameter

    def _parameter(
        self, parameter: Parameter, shape: tuple[int, ...], arranged: Callable[[np.ndarray], np.ndarray], how: str
    ) -> OnnxTensor:
        key = parameter.path, how
        if key not in self._own:
            taken = any(path == parameter.path for path, _ in self._own)
            name = f"{parameter.path} {how}".rstrip() if taken else parameter.path
            tensor = OnnxInitializer(
                name, shape, parameter.dtype, lambda weights: arranged(resolve(parameter, weights))
            )
            self._own[key] = self._add(tensor)
        return self._own[key]

    def _add(self, initializer: OnnxInitializer) -> OnnxTensor:
        self.initializers.append(replace(initializer, value=self._value))
        return OnnxTensor(initializer.name, TensorType(initializer.shape, initializer.dtype))

    def rename(self, names: Mapping[str, str]) -> None:
        """Give tensors other names, wherever they occur."""
        self.nodes = [
            replace(
                node,
                inputs=tuple(names.get(name, name) for name in node.inputs),
                outputs=tuple(names.get(name, name) for name in node.outputs),
            )
            if names.keys() & {*node.outputs, *node.inputs}
            else node
            for node in self.nodes
        ]
        self.tensors = {value: names.get(tensor, tensor) for value, tensor in self.tensors.items()}

    def model(
        self, name: str, inputs: Sequence[tuple[str, TensorType]], outputs: Sequence[tuple[str, TensorType]]
    ) -> onnx.ModelProto:
        """The message without the initializers' data, which the writer adds piece by piece."""
        import onnx

        declared = {output for output, _ in outputs}
        graph = onnx.GraphProto(name=name)
        graph.node.extend(_node(node) for node in self.nodes)
        graph.input.extend(value_info(*input) for input in inputs)
        graph.output.extend(value_info(*output) for output in outputs)
        graph.value_info.extend(
            value_info(name, type)
            for node in self.nodes
            for name, type in zip(node.outputs, node.types, strict=True)
            if name not in declared
        )
        opset = onnx.OperatorSetIdProto(domain="", version=self.opset)
        return onnx.ModelProto(
            ir_version=ir_version(self.opset), producer_name="archc", graph=graph, opset_import=[opset]
        )

    def _unique(self, name: str) -> str:
        self._names[name] += 1
        count = self._names[name] - 1
        return self._unique(f"{name}_{count}") if count else name


def ir_version(opset: int) -> int:
    """The IR version of a file: 8, so that old runtimes load it, or the least that the opset needs."""
    from onnx import OperatorSetIdProto
    from onnx.helper import find_min_ir_version_for

    return max(8, find_min_ir_version_for([OperatorSetIdProto(domain="", version=opset)]))


def _node(node: OnnxNode) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node(node.op_type, node.inputs, node.outputs, node.name, **node.attributes)


def value_info(name: str, type: TensorType, *, any_size: bool = False) -> onnx.ValueInfoProto:
    """A tensor's name, element type and shape as ONNX declares them; symbolic sizes by their names.

    With `any_size` those of the axes from 2 on are left open.
    """
    from onnx import TensorProto, helper

    element = TensorProto.DataType.Value(ELEMENTS[type.dtype].onnx)
    shape = [d if isinstance(d, int) else str(d) for d in type.shape]
    declared = [None if any_size and axis > 1 else size for axis, size in enumerate(shape)]
    return helper.make_tensor_value_info(name, element, declared)

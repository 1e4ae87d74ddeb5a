"""Collects the nodes and initializers of an ONNX graph as plain records; knows ONNX's names, not archc's operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from archc.ir.types import Dim, DType, TensorType

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from archc.weights import Weights


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node to be: `name` is the module path (`/layer1/0/conv1/Conv`), `type` the one output's.

    `value` is the value of archc's graph that the node helps to compute.
    """

    op_type: str
    name: str
    value: str
    inputs: tuple[str, ...]
    output: str
    type: TensorType
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
    """An ONNX graph under construction.

    Lowerings call `emit` and `constant`; both return the name of a tensor, which further nodes take as input.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.nodes: list[OnnxNode] = []
        self.initializers: list[OnnxInitializer] = []
        self.tensors: dict[str, str] = {}  # by the value of archc's graph
        self._names: Counter[str] = Counter()
        self._path = ""
        self._value = ""

    def enter(self, path: str, value: str) -> None:
        """Name what follows after this module path; it computes this value of archc's graph."""
        self._value = value
        self._path = "/" + path.replace(":", ".").replace(".", "/").strip("/")

    def emit(self, op_type: str, inputs: Sequence[str], type: TensorType, **attributes: Any) -> str:
        """Append a node and return the name of its output. Attributes that are None are left out."""
        name = self._unique(f"{self._path.rstrip('/')}/{op_type}")
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(OnnxNode(op_type, name, self._value, tuple(inputs), f"{name}_output_0", type, given))
        return f"{name}_output_0"

    def constant(self, label: str, values: Any, dtype: DType = "float32") -> str:
        """A tensor that depends on no weights, such as the axes of a reduction; returns its name."""
        import numpy as np

        array = np.asarray(values, dtype)
        name = self._unique(f"{self._path.rstrip('/')}/{label}")
        return self.initializer(OnnxInitializer(name, array.shape, dtype, lambda weights: array, constant=True))

    def ones(self, shape: str, size: Dim) -> str:
        """A vector of ones that takes no room in the file, of the shape that a value holds; returns its name."""
        from onnx import TensorProto, helper

        value = helper.make_tensor("value", TensorProto.FLOAT, [1], [1.0])
        return self.emit("ConstantOfShape", [shape], TensorType((size,)), value=value)

    def initializer(self, initializer: OnnxInitializer) -> str:
        """Add a tensor that depends on the weights; returns its name."""
        self.initializers.append(replace(initializer, value=self._value))
        return initializer.name

    def rename(self, names: Mapping[str, str]) -> None:
        """Give tensors other names, wherever they occur."""
        self.nodes = [
            replace(
                node,
                inputs=tuple(names.get(name, name) for name in node.inputs),
                output=names.get(node.output, node.output),
            )
            if names.keys() & {node.output, *node.inputs}
            else node
            for node in self.nodes
        ]
        self.tensors = {value: names.get(tensor, tensor) for value, tensor in self.tensors.items()}

    def model(
        self, name: str, input: tuple[str, TensorType], outputs: Sequence[tuple[str, TensorType]]
    ) -> onnx.ModelProto:
        """The message without the initializers' data, which the writer adds piece by piece."""
        import onnx

        declared = {output for output, _ in outputs}
        graph = onnx.GraphProto(name=name)
        graph.node.extend(_node(node) for node in self.nodes)
        graph.input.append(value_info(*input))
        graph.output.extend(value_info(*output) for output in outputs)
        graph.value_info.extend(
            value_info(node.output, node.type) for node in self.nodes if node.output not in declared
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

    return helper.make_node(node.op_type, node.inputs, [node.output], node.name, **node.attributes)


def value_info(name: str, type: TensorType) -> onnx.ValueInfoProto:
    """A tensor's name, element type and shape as ONNX declares them; symbolic sizes by their names."""
    from onnx import TensorProto, helper

    element = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}[type.dtype]
    return helper.make_tensor_value_info(name, element, [d if isinstance(d, int) else str(d) for d in type.shape])

"""Rewrites a float32 model so that it computes in float64 between a cast at its input and one at each output.

Every tensor keeps its name. ONNX Runtime has no float64 kernels for some operators: these stand between casts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SINGLE = {
    "AveragePool", "Conv", "Elu", "Erf", "Gelu", "GlobalAveragePool", "HardSigmoid", "HardSwish", "LRN", "LeakyRelu",
    "PRelu", "Selu", "Softplus",
}  # fmt: skip
"""Operators whose inputs are all floats, and which ONNX Runtime 1.32 computes in float32 alone on a CPU."""


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in float64. Raises ValueError: it has functions or graphs in nodes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    if copy.functions or any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        raise ValueError("the model has functions, or graphs in nodes")
    for tensor in graph.initializer:
        _widen(tensor)
    nodes = [new for node in graph.node for new in _in_float64(node)]
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if value.name not in stored]
    outputs = [value.name for value in graph.output]
    names = {name: f"{name}/float64" for name in (*inputs, *outputs)}
    for node in nodes:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
    casts = [_cast(name, names[name], TensorProto.DOUBLE) for name in inputs]
    back = [_cast(names[name], name, TensorProto.FLOAT) for name in outputs]
    del graph.node[:]
    graph.node.extend([*casts, *nodes, *back])
    del graph.value_info[:]
    return copy


def _in_float64(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """A node with its constants in float64, between casts where it has to compute in float32."""
    for attribute in node.attribute:
        if attribute.HasField("t"):
            _widen(attribute.t)
        elif attribute.name == "value_float":
            attribute.CopyFrom(
                helper.make_attribute("value", numpy_helper.from_array(np.array(attribute.f, np.float64)))
            )
        elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
    if node.op_type not in SINGLE:
        yield node
        return
    given, made = list(node.input), node.output[0]
    singles = {name: f"{made}/float32/{index}" for index, name in enumerate(given) if name}
    yield from (_cast(name, single, TensorProto.FLOAT) for name, single in singles.items())
    node.input[:] = [singles.get(name, "") for name in given]
    node.output[0] = f"{made}/float32"
    yield node
    yield _cast(node.output[0], made, TensorProto.DOUBLE)


def _cast(name: str, out: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [out], f"{out}/Cast", to=to)


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

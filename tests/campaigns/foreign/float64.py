"""Rewrites a float32 model so that it computes in float64 between a cast at its input and one at each output.

Every tensor keeps its name. A node that ONNX Runtime does not take in float64 stays as it is, between casts: it has no
kernel, or ONNX fixes the type of an input.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

element_types = import_module("archc.exporters.onnx.element_types").element_types
Types = Mapping[str, int]
"""Tensor → type of its elements in the float32 model."""


def in_float64(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in float64. Raises ValueError: it has functions or graphs in nodes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    if copy.functions or any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        raise ValueError("the model has functions, or graphs in nodes")
    types = element_types(copy)
    for tensor in graph.initializer:
        _widen(tensor)
    nodes = [new for node in graph.node for new in _in_float64(node, types, copy)]
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


def _in_float64(node: onnx.NodeProto, types: Types, model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """A node in float64, or as it is between casts."""
    wide = _widened(node)
    floats = [name for name in node.input if types.get(name) == TensorProto.FLOAT]
    if not floats or _taken(_alone(wide, types, model)):
        yield wide
        return
    singles = {name: f"{node.output[0]}/float32/{index}" for index, name in enumerate(dict.fromkeys(floats))}
    yield from (_cast(name, single, TensorProto.FLOAT) for name, single in singles.items())
    made = {name: f"{name}/float32" for name in node.output if types.get(name) == TensorProto.FLOAT}
    node.input[:] = [singles.get(name, name) for name in node.input]
    node.output[:] = [made.get(name, name) for name in node.output]
    yield node
    yield from (_cast(single, name, TensorProto.DOUBLE) for name, single in made.items())


def _alone(node: onnx.NodeProto, types: Types, model: onnx.ModelProto) -> bytes:
    """A model of one node, with numbers in place of names, whose inputs are float64 where they were float32."""
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    alone.name = ""
    alone.input[:] = [str(list(node.input).index(name)) if name else "" for name in node.input]
    alone.output[:] = [f"out{index}" if name else "" for index, name in enumerate(node.output)]
    elements = {number: types[name] for number, name in zip(alone.input, node.input, strict=True) if name}
    inputs = [
        helper.make_tensor_value_info(number, TensorProto.DOUBLE if type == TensorProto.FLOAT else type, None)
        for number, type in elements.items()
    ]
    graph = onnx.GraphProto(name="node", node=[alone], input=inputs, output=[onnx.ValueInfoProto(name="out0")])
    return onnx.ModelProto(
        ir_version=model.ir_version, opset_import=model.opset_import, graph=graph
    ).SerializeToString(deterministic=True)  # fmt: skip


@cache
def _taken(model: bytes) -> bool:
    """True if ONNX Runtime takes a model on the CPU."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception:  # it has many, without a common class of their own
        return False
    return True


def _widened(node: onnx.NodeProto) -> onnx.NodeProto:
    """A copy of a node with its constants, and what it casts to, in float64."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    for attribute in copy.attribute:
        if attribute.HasField("t"):
            _widen(attribute.t)
        elif attribute.name == "value_float":
            attribute.CopyFrom(
                helper.make_attribute("value", numpy_helper.from_array(np.array(attribute.f, np.float64)))
            )
        elif copy.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
    return copy


def _cast(name: str, out: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [out], f"{name} to {out}", to=to)


def _widen(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

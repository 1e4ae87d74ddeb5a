"""Types of an ONNX file's tensors, which may be others than the network's: some files compute in float64 inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def element_types(model: onnx.ModelProto) -> Mapping[str, int]:
    """Tensor → type of its elements, as it follows from the inputs and from the initializers, whose values are unread.

    A tensor whose type does not follow is absent; in a graph that contradicts itself, all are.
    """
    import onnx
    from onnx import helper, shape_inference

    graph = onnx.GraphProto(name="types", node=model.graph.node, input=model.graph.input)
    stored = model.graph.initializer
    graph.input.extend(helper.make_tensor_value_info(each.name, each.data_type, each.dims) for each in stored)
    bare = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, graph=graph)
    try:
        inferred = shape_inference.infer_shapes(bare).graph
    except shape_inference.InferenceError:
        return {}
    types = {value.name: value.type.tensor_type.elem_type for value in (*inferred.input, *inferred.value_info)}
    return {name: type for name, type in types.items() if type}


def cast_ends(graph: onnx.GraphProto, types: Mapping[str, int]) -> None:
    """Put a cast at each input and output that a file has in another type than the graph declares."""
    from onnx import helper

    ends = [(end, True) for end in graph.input] + [(end, False) for end in graph.output]
    for end, is_input in ends:
        name, declared = end.name, end.type.tensor_type.elem_type
        inside = types.get(name, declared)
        if inside == declared:
            continue
        end.name = f"{name}/declared"
        if is_input:
            graph.node.insert(0, helper.make_node("Cast", [end.name], [name], to=inside))
        else:
            graph.node.append(helper.make_node("Cast", [name], [end.name], to=declared))

"""What TensorRT's ONNX parser documents as supported, for the operators that an image network may need.

Source: onnx-tensorrt, docs/operators.md, as of TensorRT 10.15. Element types are listed as far as archc
writes them: the reduced and quantised precisions of the document are left out. Of one axis of space the document says
nothing; the parser (onnxOpImporters.cpp, `needToExpandDims`) makes an image of width 1 of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

TENSORRT_VERSION = "10.15"
OPSETS = range(9, 25)

Attributes = Mapping[str, Any]


@dataclass(frozen=True)
class Support:
    """Element types of the first input, the number of outputs that are taken, and what else must hold.

    `constant_inputs` are the positions that an initializer must feed; `restriction` says whether a node's
    attributes are supported.
    """

    dtypes: frozenset[str]
    outputs: int = 1
    constant_inputs: tuple[int, ...] = ()
    restriction: Callable[[Attributes], bool] = lambda attributes: True


def _pooling(attributes: Attributes) -> bool:
    """Up to three spatial axes, no dilation."""
    return len(attributes["kernel_shape"]) <= 3 and set(attributes.get("dilations", [1])) == {1}


def _resizing(attributes: Attributes) -> bool:
    """Without antialias."""
    return not attributes.get("antialias", 0)


_FLOAT = Support(frozenset({"float32"}))
_NUMBER = Support(frozenset({"float32", "int32", "int64"}))
_ANY = Support(frozenset({"float32", "int32", "int64", "bool"}))
_REDUCTION = Support(_NUMBER.dtypes, constant_inputs=(1,))
_RESHAPING = Support(_ANY.dtypes, constant_inputs=(1,))
_POOLING = Support(_FLOAT.dtypes, restriction=_pooling)

SUPPORTED: dict[str, Support] = {
    "Abs": _NUMBER,
    "Add": _NUMBER,
    "AveragePool": _POOLING,
    "BatchNormalization": _FLOAT,
    "Clip": _FLOAT,
    "Concat": _ANY,
    "ConstantOfShape": Support(frozenset({"int64"})),
    "Conv": _FLOAT,
    "ConvTranspose": Support(_FLOAT.dtypes, constant_inputs=(1,)),
    "DepthToSpace": _NUMBER,
    "Div": _NUMBER,
    "Elu": _FLOAT,
    "Erf": _FLOAT,
    "Exp": _FLOAT,
    "Expand": _ANY,
    "Flatten": _ANY,
    "Gather": _ANY,
    "Gelu": _NUMBER,
    "Gemm": _FLOAT,
    "GlobalAveragePool": _FLOAT,
    "GlobalMaxPool": _FLOAT,
    "GroupNormalization": _FLOAT,
    "HardSigmoid": _FLOAT,
    "HardSwish": _FLOAT,
    "Identity": _ANY,
    "InstanceNormalization": _FLOAT,
    "LRN": _FLOAT,
    "LayerNormalization": _FLOAT,
    "LeakyRelu": _FLOAT,
    "Log": _FLOAT,
    "LogSoftmax": _FLOAT,
    "MatMul": _FLOAT,
    "Max": _NUMBER,
    "MaxPool": _POOLING,
    "Min": _NUMBER,
    "Mish": _FLOAT,
    "Mul": _NUMBER,
    "Neg": _NUMBER,
    "PRelu": _FLOAT,
    "Pad": _NUMBER,
    "Pow": _NUMBER,
    "RMSNormalization": _FLOAT,
    "ReduceL1": _REDUCTION,
    "ReduceL2": _REDUCTION,
    "ReduceMax": _REDUCTION,
    "ReduceMean": _REDUCTION,
    "ReduceMin": _REDUCTION,
    "ReduceSum": _REDUCTION,
    "Relu": _NUMBER,
    "Reshape": _ANY,
    "Resize": Support(_FLOAT.dtypes, restriction=_resizing),
    "Selu": _FLOAT,
    "Sigmoid": _FLOAT,
    "Slice": _ANY,
    "Softmax": _FLOAT,
    "Softplus": _FLOAT,
    "SpaceToDepth": _NUMBER,
    "Sqrt": _FLOAT,
    "Squeeze": _RESHAPING,
    "Sub": _NUMBER,
    "Sum": _NUMBER,
    "Tanh": _FLOAT,
    "Tile": _ANY,
    "Transpose": _ANY,
    "Unsqueeze": _RESHAPING,
    "Where": _ANY,
}


def unsupported(model: onnx.ModelProto) -> list[str]:
    """What in a model is not documented as supported, a line each; every value needs `value_info`."""
    import onnx

    graph = model.graph
    constants = {tensor.name for tensor in graph.initializer}
    dtypes = {tensor.name: tensor.data_type for tensor in graph.initializer}
    dtypes |= {v.name: v.type.tensor_type.elem_type for v in (*graph.input, *graph.value_info, *graph.output)}
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    problems = [] if opset in OPSETS else [f"opset {opset}"]
    for node in graph.node:
        support = SUPPORTED.get(node.op_type)
        if support is None or node.domain:
            problems.append(f"{node.name}: operator {node.domain}{node.op_type}")
            continue
        dtype = onnx.helper.tensor_dtype_to_np_dtype(dtypes[node.input[0]]).name
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if dtype not in support.dtypes:
            problems.append(f"{node.name}: {node.op_type} of {dtype}")
        if len(node.output) > support.outputs:
            problems.append(f"{node.name}: {node.op_type} with {len(node.output)} outputs")
        if not support.restriction(attributes):
            problems.append(f"{node.name}: {node.op_type} with {attributes}")
        problems += [
            f"{node.name}: {node.op_type} with a computed input {position}"
            for position in support.constant_inputs
            if position < len(node.input) and node.input[position] not in constants
        ]
    return problems

"""How each operator is computed in ONNX.

Every function takes the builder, the node, its operator and the names of its inputs, and returns the name of its
output. The operators used exist since opset 17 with the same meaning, unless the function looks at `b.opset`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

from archc.ir.graph import Node, Parameter
from archc.ir.types import Dim, TensorType
from archc.weights import resolve

from .builder import OnnxBuilder, OnnxInitializer
from .means import mean
from .pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from .reshaping import product, reshape, reshape_like

if TYPE_CHECKING:  # a model of an operator is made when a spec uses it
    import numpy as np

    from archc.operators.activation import Elu, Gelu, Hardtanh, LeakyRelu, LogSoftmax, Mul, Prelu, Softmax, Softplus
    from archc.operators.arrangement import ChannelShuffle, Flatten, Narrow, Pad, Permute, Select
    from archc.operators.convolution import Conv2d
    from archc.operators.linear import Linear
    from archc.operators.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm
    from archc.operators.pooling import Mean

Lowering = Callable[[OnnxBuilder, Node, Any, list[str]], str]


def _parameter(b: OnnxBuilder, parameter: Parameter) -> str:
    return b.initializer(
        OnnxInitializer(parameter.path, parameter.shape, parameter.dtype, lambda weights: resolve(parameter, weights))
    )


def _own(b: OnnxBuilder, node: Node, name: str) -> str | None:
    parameter = node.parameter(name)
    return _parameter(b, parameter) if parameter else None


def _present(*names: str | None) -> list[str]:
    return [name for name in names if name is not None]


def _conv2d(b: OnnxBuilder, node: Node, op: Conv2d, x: list[str]) -> str:
    inputs = [*x, *_present(_own(b, node, "weight"), _own(b, node, "bias"))]
    return b.emit(
        "Conv",
        inputs,
        node.output.type,
        kernel_shape=op.kernel_size,
        strides=op.stride,
        pads=(*op.pads, *op.pads),
        dilations=op.dilation,
        group=op.groups,
    )


def _linear(b: OnnxBuilder, node: Node, op: Linear, x: list[str]) -> str:
    if node.output.type.ndim == 2:
        weights = _present(_own(b, node, "weight"), _own(b, node, "bias"))
        return b.emit("Gemm", [*x, *weights], node.output.type, transB=1)
    weight = node.parameter("weight")
    assert weight is not None, "a linear layer has a weight"
    transposed = b.initializer(
        OnnxInitializer(weight.path, weight.shape[::-1], "float32", lambda weights: _transposed(weight, weights))
    )
    y = b.emit("MatMul", [*x, transposed], node.output.type)
    bias = _own(b, node, "bias")
    return b.emit("Add", [y, bias], node.output.type) if bias else y


def _transposed(weight: Parameter, weights: Any) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(resolve(weight, weights).T)


def _batch_norm(b: OnnxBuilder, node: Node, op: BatchNorm, x: list[str]) -> str:
    channels = node.output.type.shape[1]
    scale = _own(b, node, "weight") or b.constant("scale", [1.0] * int(str(channels)))
    shift = _own(b, node, "bias") or b.constant("shift", [0.0] * int(str(channels)))
    statistics = _present(_own(b, node, "running_mean"), _own(b, node, "running_var"))
    return b.emit("BatchNormalization", [*x, scale, shift, *statistics], node.output.type, epsilon=op.eps)


def _group_norm(b: OnnxBuilder, node: Node, op: GroupNorm, x: list[str]) -> str:
    """Normalises each group as one row of a layer norm, then scales the channels.

    Not as a channel of an instance norm, whose sums ONNX Runtime makes in float32, one value after the other: where the
    mean outweighs the deviation, as after a softmax, its error is thirty times PyTorch's.
    """
    y_type = node.output.type
    grouped = y_type.with_shape(y_type.shape[0], op.num_groups, _group_size(y_type, op.num_groups))
    y = reshape(b, x[0], grouped, "grouped")
    y = b.emit("LayerNormalization", [y, _ones(b, y, grouped)], grouped, axis=-1, epsilon=op.eps)
    y = reshape_like(b, y, x[0], y_type)
    if not op.affine:
        return y
    for operation, name in (("Mul", "weight"), ("Add", "bias")):
        parameter = node.parameter(name)
        assert parameter is not None, "an affine norm has a weight and a bias"
        y = b.emit(operation, [y, _per_channel(b, parameter, y_type)], y_type)
    return y


def _group_size(type: TensorType, groups: int) -> Dim:
    channels, *space = type.shape[1:]
    assert isinstance(channels, int), "channels are never dynamic"
    return product([channels // groups, *space])


def _ones(b: OnnxBuilder, x: str, type: TensorType) -> str:
    """A vector of ones, as many as the last axis has."""
    size = type.shape[-1]
    if isinstance(size, int):
        return b.ones(b.constant("scale", [size], "int64"), size)
    return b.ones(b.emit("Shape", [x], TensorType((1,), "int64"), start=type.ndim - 1), size)


def _per_channel(b: OnnxBuilder, parameter: Parameter, type: TensorType) -> str:
    """A vector as [C, 1, 1], which broadcasts along height and width; with as many ones as the type has axes."""
    shape = (*parameter.shape, *[1] * (type.ndim - 2))
    return b.initializer(
        OnnxInitializer(parameter.path, shape, "float32", lambda weights: resolve(parameter, weights).reshape(shape))
    )


def _layer_norm(b: OnnxBuilder, node: Node, op: LayerNorm, x: list[str]) -> str:
    scale = _own(b, node, "weight") or b.constant("scale", [1.0] * int(str(node.output.type.shape[-1])))
    inputs = [*x, *_present(scale, _own(b, node, "bias"))]
    return b.emit("LayerNormalization", inputs, node.output.type, axis=-1, epsilon=op.eps)


def _local_response_norm(b: OnnxBuilder, node: Node, op: LocalResponseNorm, x: list[str]) -> str:
    """LRN where the window is odd; ONNX centres an even one on the other side than PyTorch, so that is spelled out.

    A fractional k is taken out of the brackets, because OpenVINO rounds it down:
    (k + a) ** -beta = k ** -beta * (1 + a / k) ** -beta.
    """
    y_type = node.output.type
    if op.size % 2 and op.k > 0 and op.k % 1:
        y = b.emit("LRN", x, y_type, size=op.size, alpha=op.alpha / op.k, beta=op.beta, bias=1.0)
        return b.emit("Mul", [y, b.constant("factor", op.k**-op.beta)], y_type)
    if op.size % 2:
        return b.emit("LRN", x, y_type, size=op.size, alpha=op.alpha, beta=op.beta, bias=op.k)
    column = y_type.with_shape(y_type.shape[0], 1, y_type.shape[1], product(y_type.shape[2:]))
    squares = reshape(b, b.emit("Mul", [*x, *x], y_type), column, "column")
    means = b.emit(
        "AveragePool", [squares], column,
        kernel_shape=(op.size, 1), pads=(op.size // 2, 0, (op.size - 1) // 2, 0), count_include_pad=1,
    )  # fmt: skip
    means = reshape_like(b, means, x[0], y_type)
    scaled = b.emit("Mul", [means, b.constant("alpha", op.alpha)], y_type)
    shifted = b.emit("Add", [scaled, b.constant("k", op.k)], y_type)
    return b.emit("Div", [*x, b.emit("Pow", [shifted, b.constant("beta", op.beta)], y_type)], y_type)


def _mean(b: OnnxBuilder, node: Node, op: Mean, x: list[str]) -> str:
    x_type = node.inputs[0].type
    return mean(b, x[0], x_type, op.axes(x_type), op.keepdim)


def _flatten(b: OnnxBuilder, node: Node, op: Flatten, x: list[str]) -> str:
    x_type, y_type = node.inputs[0].type, node.output.type
    if x_type.shape == y_type.shape:
        return x[0]
    if y_type.ndim == 2:
        return b.emit("Flatten", x, y_type, axis=1)
    return reshape(b, x[0], y_type, kept=op.axes(x_type)[0])


def _channel_shuffle(b: OnnxBuilder, node: Node, op: ChannelShuffle, x: list[str]) -> str:
    """Groups and channels of a group as two axes, swapped; the pixels are one axis meanwhile."""
    y_type = node.output.type
    size, pixels = _group_size(y_type.with_shape(*y_type.shape[:2]), op.groups), product(y_type.shape[2:])
    y = reshape(b, x[0], y_type.with_shape(y_type.shape[0], op.groups, size, pixels), "split")
    y = b.emit("Transpose", [y], y_type.with_shape(y_type.shape[0], size, op.groups, pixels), perm=(0, 2, 1, 3))
    return reshape_like(b, y, x[0], y_type)


def _narrow(b: OnnxBuilder, node: Node, op: Narrow, x: list[str]) -> str:
    return _slice(b, x, op.dim, op.start, op.start + op.length, node.output.type)


def _slice(b: OnnxBuilder, x: list[str], axis: int, start: int, end: int, y_type: TensorType) -> str:
    bounds = [b.constant(label, [value], "int64") for label, value in (("start", start), ("end", end), ("axis", axis))]
    return b.emit("Slice", [*x, *bounds], y_type)


def _select(b: OnnxBuilder, node: Node, op: Select, x: list[str]) -> str:
    x_type = node.inputs[0].type
    one = x_type.with_shape(*x_type.shape[: op.dim], 1, *x_type.shape[op.dim + 1 :])
    y = _slice(b, x, op.dim, op.index, op.index + 1, one)
    return b.emit("Squeeze", [y, b.constant("axes", [op.dim], "int64")], node.output.type)


def _pad(b: OnnxBuilder, node: Node, op: Pad, x: list[str]) -> str:
    before, after = op.per_axis(node.inputs[0].type)
    pads = b.constant("pads", [*before, *after], "int64")
    return b.emit("Pad", [*x, pads, b.constant("value", op.value)], node.output.type, mode="constant")


def _mul(b: OnnxBuilder, node: Node, op: Mul, x: list[str]) -> str:
    return b.emit("Mul", [*x, b.constant("other", op.other)], node.output.type)


def _permute(b: OnnxBuilder, node: Node, op: Permute, x: list[str]) -> str:
    return b.emit("Transpose", x, node.output.type, perm=op.dims)


def _identity(b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    return x[0]


def _gelu(b: OnnxBuilder, node: Node, op: Gelu, x: list[str]) -> str:
    """x * Phi(x), by erf or tanh; the Gelu operator came with opset 20."""
    y_type = node.output.type
    if b.opset >= 20:
        return b.emit("Gelu", x, y_type, approximate=op.approximate)
    if op.approximate == "none":
        inner = b.emit("Erf", [b.emit("Mul", [*x, b.constant("scale", 1 / sqrt(2))], y_type)], y_type)
    else:
        cube = b.emit("Mul", [b.emit("Mul", [*x, *x], y_type), *x], y_type)
        cubic = b.emit("Add", [*x, b.emit("Mul", [cube, b.constant("cubic", 0.044715)], y_type)], y_type)
        inner = b.emit("Tanh", [b.emit("Mul", [cubic, b.constant("scale", sqrt(2 / pi))], y_type)], y_type)
    gate = b.emit("Add", [inner, b.constant("one", 1.0)], y_type)
    return b.emit("Mul", [b.emit("Mul", [*x, gate], y_type), b.constant("half", 0.5)], y_type)


def _silu(b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    return b.emit("Mul", [*x, b.emit("Sigmoid", x, node.output.type)], node.output.type)


def _mish(b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    gate = b.emit("Tanh", [b.emit("Softplus", x, node.output.type)], node.output.type)
    return b.emit("Mul", [*x, gate], node.output.type)


def _relu6(b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    return _clip(b, node, 0.0, 6.0, x)


def _hardtanh(b: OnnxBuilder, node: Node, op: Hardtanh, x: list[str]) -> str:
    return _clip(b, node, op.min_val, op.max_val, x)


def _clip(b: OnnxBuilder, node: Node, low: float, high: float, x: list[str]) -> str:
    return b.emit("Clip", [*x, b.constant("min", low), b.constant("max", high)], node.output.type)


def _elu(b: OnnxBuilder, node: Node, op: Elu, x: list[str]) -> str:
    return b.emit("Elu", x, node.output.type, alpha=op.alpha)


def _leaky_relu(b: OnnxBuilder, node: Node, op: LeakyRelu, x: list[str]) -> str:
    return b.emit("LeakyRelu", x, node.output.type, alpha=op.negative_slope)


def _prelu(b: OnnxBuilder, node: Node, op: Prelu, x: list[str]) -> str:
    slopes = node.parameter("weight")
    assert slopes is not None, "its slopes are what makes it a prelu"
    return b.emit("PRelu", [*x, _per_channel(b, slopes, node.output.type)], node.output.type)


def _softplus(b: OnnxBuilder, node: Node, op: Softplus, x: list[str]) -> str:
    """ONNX's has no beta; and no threshold, from which on the logarithm is its argument in float32."""
    y_type = node.output.type
    if op.beta == 1:
        return b.emit("Softplus", x, y_type)
    beta = b.constant("beta", op.beta)
    y = b.emit("Softplus", [b.emit("Mul", [*x, beta], y_type)], y_type)
    return b.emit("Div", [y, beta], y_type)


def _hardsigmoid(b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    return b.emit("HardSigmoid", x, node.output.type, alpha=1 / 6, beta=0.5)


def _softmax(b: OnnxBuilder, node: Node, op: Softmax, x: list[str]) -> str:
    return b.emit("Softmax", x, node.output.type, axis=op.dim)


def _log_softmax(b: OnnxBuilder, node: Node, op: LogSoftmax, x: list[str]) -> str:
    return b.emit("LogSoftmax", x, node.output.type, axis=op.dim)


def _concat(b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    return b.emit("Concat", x, node.output.type, axis=1)


def _plain(op_type: str, b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    return b.emit(op_type, x, node.output.type)


def _pairwise(op_type: str, b: OnnxBuilder, node: Node, op: Any, x: list[str]) -> str:
    """From left to right, as PyTorch adds, so that the rounding is the same."""
    result = x[0]
    for other in x[1:]:
        result = b.emit(op_type, [result, other], node.output.type)
    return result


LOWERINGS: dict[str, Lowering] = {
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "avg_pool2d": avg_pool2d,
    "batch_norm": _batch_norm,
    "channel_shuffle": _channel_shuffle,
    "concat": _concat,
    "conv2d": _conv2d,
    "dropout": _identity,
    "dropout2d": _identity,
    "elu": _elu,
    "flatten": _flatten,
    "gelu": _gelu,
    "group_norm": _group_norm,
    "hardsigmoid": _hardsigmoid,
    "hardswish": partial(_plain, "HardSwish"),
    "hardtanh": _hardtanh,
    "identity": _identity,
    "layer_norm": _layer_norm,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "local_response_norm": _local_response_norm,
    "log_softmax": _log_softmax,
    "max_pool2d": max_pool2d,
    "mean": _mean,
    "mish": _mish,
    "mul": _mul,
    "narrow": _narrow,
    "pad": _pad,
    "permute": _permute,
    "prelu": _prelu,
    "product": partial(_pairwise, "Mul"),
    "relu": partial(_plain, "Relu"),
    "relu6": _relu6,
    "select": _select,
    "selu": partial(_plain, "Selu"),
    "sigmoid": partial(_plain, "Sigmoid"),
    "silu": _silu,
    "softmax": _softmax,
    "softplus": _softplus,
    "stochastic_depth": _identity,
    "sum": partial(_pairwise, "Add"),
    "tanh": partial(_plain, "Tanh"),
}
"""Operators by word; a test demands one for each."""

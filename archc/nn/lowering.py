"""How each operator is computed in PyTorch: as a module of torch.nn, or as an expression where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from archc.ir.graph import Node
from archc.nn import layers
from archc.operators.activation import Elu, Gelu, Hardtanh, LeakyRelu, LogSoftmax, Mul, Prelu, Softmax, Softplus
from archc.operators.arrangement import ChannelShuffle, Flatten, Narrow, Pad, Permute, Select
from archc.operators.convolution import Conv2d
from archc.operators.linear import Linear
from archc.operators.normalization import BatchNorm, GroupNorm, LayerNorm, LocalResponseNorm
from archc.operators.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d, Mean
from archc.operators.regularization import Dropout, Dropout2d, StochasticDepth

# Parameters get their values from archc's own initialisers or from a file, so modules are made without memory.
META = "meta"


def _conv2d(op: Conv2d, node: Node) -> nn.Module:
    return nn.Conv2d(
        _size(node, 1), op.out_channels, op.kernel_size, op.stride, op.pads, op.dilation, op.groups, op.bias,
        device=META,
    )  # fmt: skip


def _linear(op: Linear, node: Node) -> nn.Module:
    return nn.Linear(_size(node, -1), op.out_features, op.bias, device=META)


def _batch_norm(op: BatchNorm, node: Node) -> nn.Module:
    module = nn.BatchNorm2d if node.inputs[0].type.ndim == 4 else nn.BatchNorm1d
    return module(_size(node, 1), op.eps, op.momentum, op.affine, device=META)


def _group_norm(op: GroupNorm, node: Node) -> nn.Module:
    return layers.GroupNorm(op.num_groups, _size(node, 1), op.eps, op.affine, device=META)


def _layer_norm(op: LayerNorm, node: Node) -> nn.Module:
    return nn.LayerNorm(_size(node, -1), op.eps, op.elementwise_affine, op.bias, device=META)


def _local_response_norm(op: LocalResponseNorm, node: Node) -> nn.Module:
    return layers.LocalResponseNorm(op.size, op.alpha, op.beta, op.k)


def _max_pool2d(op: MaxPool2d, node: Node) -> nn.Module:
    return nn.MaxPool2d(op.kernel_size, op.stride, op.padding, op.dilation, ceil_mode=op.ceil_mode)


def _avg_pool2d(op: AvgPool2d, node: Node) -> nn.Module:
    return nn.AvgPool2d(op.kernel_size, op.stride, op.padding, op.ceil_mode, op.count_include_pad, op.divisor_override)


def _adaptive_avg_pool2d(op: AdaptiveAvgPool2d, node: Node) -> nn.Module:
    return nn.AdaptiveAvgPool2d(op.output_size)


def _channel_shuffle(op: ChannelShuffle, node: Node) -> nn.Module:
    return nn.ChannelShuffle(op.groups)


def _flatten(op: Flatten, node: Node) -> nn.Module:
    return nn.Flatten(op.start_dim, op.end_dim)


def _leaky_relu(op: LeakyRelu, node: Node) -> nn.Module:
    return nn.LeakyReLU(op.negative_slope)


def _prelu(op: Prelu, node: Node) -> nn.Module:
    return nn.PReLU(op.num_parameters, device=META)


def _softplus(op: Softplus, node: Node) -> nn.Module:
    return nn.Softplus(op.beta, op.threshold)


def _elu(op: Elu, node: Node) -> nn.Module:
    return nn.ELU(op.alpha)


def _gelu(op: Gelu, node: Node) -> nn.Module:
    return nn.GELU(op.approximate)


def _hardtanh(op: Hardtanh, node: Node) -> nn.Module:
    return nn.Hardtanh(op.min_val, op.max_val)


def _softmax(op: Softmax, node: Node) -> nn.Module:
    return nn.Softmax(op.dim)


def _log_softmax(op: LogSoftmax, node: Node) -> nn.Module:
    return nn.LogSoftmax(op.dim)


def _dropout(op: Dropout, node: Node) -> nn.Module:
    return nn.Dropout(op.p)


def _dropout2d(op: Dropout2d, node: Node) -> nn.Module:
    return nn.Dropout2d(op.p)


def _stochastic_depth(op: StochasticDepth, node: Node) -> nn.Module:
    return layers.StochasticDepth(op.p, op.mode)


def _plain(module: Callable[[], nn.Module]) -> Callable[[Any, Node], nn.Module]:
    return lambda op, node: module()


MODULES: dict[str, Callable[[Any, Node], nn.Module]] = {
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "avg_pool2d": _avg_pool2d,
    "batch_norm": _batch_norm,
    "channel_shuffle": _channel_shuffle,
    "conv2d": _conv2d,
    "dropout": _dropout,
    "dropout2d": _dropout2d,
    "elu": _elu,
    "flatten": _flatten,
    "gelu": _gelu,
    "group_norm": _group_norm,
    "hardsigmoid": _plain(nn.Hardsigmoid),
    "hardswish": _plain(nn.Hardswish),
    "hardtanh": _hardtanh,
    "identity": _plain(nn.Identity),
    "layer_norm": _layer_norm,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "local_response_norm": _local_response_norm,
    "log_softmax": _log_softmax,
    "max_pool2d": _max_pool2d,
    "mish": _plain(nn.Mish),
    "prelu": _prelu,
    "relu": _plain(nn.ReLU),
    "relu6": _plain(nn.ReLU6),
    "selu": _plain(nn.SELU),
    "sigmoid": _plain(nn.Sigmoid),
    "silu": _plain(nn.SiLU),
    "softmax": _softmax,
    "softplus": _softplus,
    "stochastic_depth": _stochastic_depth,
    "tanh": _plain(nn.Tanh),
}
"""Operators that are modules, by word: (operator, node) -> module, its parameters on the meta device."""


def _mean(op: Mean, x: str) -> str:
    return f"{x}.mean(dim={op.dim}, keepdim={op.keepdim})"


def _mul(op: Mul, x: str) -> str:
    return f"{x} * {op.other!r}"


def _narrow(op: Narrow, x: str) -> str:
    return f"{x}.narrow({op.dim}, {op.start}, {op.length})"


def _pad(op: Pad, x: str) -> str:
    return f"torch.nn.functional.pad({x}, {op.pad}, value={op.value})"


def _permute(op: Permute, x: str) -> str:
    return f"{x}.permute({', '.join(map(str, op.dims))})"


def _select(op: Select, x: str) -> str:
    return f"{x}.select({op.dim}, {op.index})"


EXPRESSIONS: dict[str, Callable[..., str]] = {
    "concat": lambda op, *xs: f"torch.cat([{', '.join(xs)}], 1)",
    "mean": _mean,
    "mul": _mul,
    "narrow": _narrow,
    "pad": _pad,
    "permute": _permute,
    "product": lambda op, *xs: " * ".join(xs),
    "select": _select,
    "sum": lambda op, *xs: " + ".join(xs),
}
"""Operators that are expressions, by word: (operator, *input variables) -> Python source."""


def _size(node: Node, axis: int) -> int:
    size = node.inputs[0].type.shape[axis]
    assert isinstance(size, int), "only the batch, height and width can be symbolic"
    return size

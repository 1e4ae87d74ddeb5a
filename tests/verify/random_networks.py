"""Small random networks of convolutions, norms, activations, pools, sums and concatenations."""

from __future__ import annotations

from typing import Any

import numpy as np

from archc.ir.builder import GraphBuilder
from archc.ir.graph import Graph, Value
from archc.ir.operators import operator_model
from archc.ir.types import BATCH, TensorType
from archc.network import Network
from archc.weights import InitializedWeights
from tests.exporters.onnx_cases import with_random_weights

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "silu", "gelu", "hardswish", "tanh", "sigmoid", "softplus", "mish")


def random_network(rng: np.random.Generator, *, fresh: bool) -> Network:
    """A network with initialised or with random weights."""
    graph = _random_graph(rng)
    if fresh:
        return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    return with_random_weights(graph)


def _random_graph(rng: np.random.Generator) -> Graph:
    b = GraphBuilder("random", TensorType((BATCH, int(rng.integers(1, 5)), *rng.integers(12, 21, 2).tolist())))
    x = b.input
    for _ in range(rng.integers(2, 7)):
        x = _PIECES[rng.integers(len(_PIECES))](b, x, rng)
    if rng.random() < 0.7:
        x = _add(b, "adaptive_avg_pool2d", x, output_size=[int(rng.integers(1, 4)), int(rng.integers(1, 4))])
        x = _add(b, "linear", _add(b, "flatten", x), out_features=int(rng.integers(2, 12)))
    b.output("output", x)
    return b.finish()


def _add(b: GraphBuilder, word: str, *inputs: Value, **fields: Any) -> Value:
    return b.add(operator_model(word).model_validate(fields), *inputs)


def _convolution(b: GraphBuilder, x: Value, rng: np.random.Generator) -> Value:
    groups = int(rng.choice([g for g in (1, 2, 4) if int(str(x.type.shape[1])) % g == 0]))
    kernel = int(rng.choice([1, 3, 5]))
    y = _add(
        b, "conv2d", x, out_channels=4 * int(rng.integers(1, 4)), kernel_size=kernel, padding=kernel // 2,
        groups=groups, bias=bool(rng.random() < 0.5),
    )  # fmt: skip
    norm = rng.choice(["batch_norm", "group_norm", "none"])
    if norm == "batch_norm":
        y = _add(b, "batch_norm", y)
    elif norm == "group_norm":
        y = _add(b, "group_norm", y, num_groups=2)
    return _add(b, str(rng.choice(ACTIVATIONS)), y)


def _pooling(b: GraphBuilder, x: Value, rng: np.random.Generator) -> Value:
    height, width = (int(str(size)) for size in x.type.shape[2:])
    if min(height, width) < 4:
        return _convolution(b, x, rng)
    word = str(rng.choice(["max_pool2d", "avg_pool2d"]))
    return _add(b, word, x, kernel_size=3, stride=2, padding=int(rng.integers(2)), ceil_mode=bool(rng.random() < 0.5))


def _residual(b: GraphBuilder, x: Value, rng: np.random.Generator) -> Value:
    channels = int(str(x.type.shape[1]))
    y = _add(b, "conv2d", x, out_channels=channels, kernel_size=3, padding=1, bias=False)
    return _add(b, "relu", _add(b, "sum", _add(b, "batch_norm", y), x))


def _branches(b: GraphBuilder, x: Value, rng: np.random.Generator) -> Value:
    return _add(b, "concat", _convolution(b, x, rng), _convolution(b, x, rng))


_PIECES = (_convolution, _pooling, _residual, _branches)

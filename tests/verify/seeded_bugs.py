"""Bugs that an ONNX exporter could have, each as a change of what it emits, with shapes and names left right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.exporters.small_networks import RESIDUAL, VARIED

Weights = Mapping[str, np.ndarray]
Change = Callable[[Any], None]  # changes an OnnxBuilder in place


@dataclass(frozen=True)
class Bug:
    """A bug in the export of a spec; `node` is the one that does it, with its line."""

    name: str
    spec: str
    node: str
    change: Change
    fold: bool = True

    def __str__(self) -> str:
        return self.name


def _attributes(node: str, **changed: Any) -> Change:
    def change(b: Any) -> None:
        found = _one(b, node)
        b.nodes[found] = replace(b.nodes[found], attributes={**b.nodes[found].attributes, **changed})

    return change


def _inputs(node: str, reorder: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Change:
    def change(b: Any) -> None:
        found = _one(b, node)
        b.nodes[found] = replace(b.nodes[found], inputs=reorder(b.nodes[found].inputs))

    return change


def _operator(node: str, op_type: str) -> Change:
    def change(b: Any) -> None:
        found = _one(b, node)
        b.nodes[found] = replace(b.nodes[found], op_type=op_type, attributes={})

    return change


def _bypassed(node: str) -> Change:
    """Who used the node's output uses its first input."""

    def change(b: Any) -> None:
        gone = b.nodes.pop(_one(b, node))
        b.rename({gone.output: gone.inputs[0]})

    return change


def _tensor(name: str, values: Callable[[np.ndarray, Weights], np.ndarray]) -> Change:
    def change(b: Any) -> None:
        (found,) = (i for i, initializer in enumerate(b.initializers) if initializer.name == name)
        right = b.initializers[found].values
        wrong = replace(b.initializers[found], values=lambda weights: values(right(weights), weights))
        b.initializers[found] = wrong

    return change


def _one(b: Any, name: str) -> int:
    (found,) = (i for i, node in enumerate(b.nodes) if node.name == name)
    return int(found)


def _swapped(inputs: tuple[str, ...]) -> tuple[str, ...]:
    return inputs[1], inputs[0], *inputs[2:]


def _affine_swapped(inputs: tuple[str, ...]) -> tuple[str, ...]:
    x, scale, shift, *statistics = inputs
    return x, shift, scale, *statistics


def _halves_swapped(array: np.ndarray, weights: Weights) -> np.ndarray:
    return np.roll(array, len(array) // 2, axis=0)


BUGS = (
    Bug(
        "a-wrong-epsilon",
        RESIDUAL,
        "batch_norm layer2.0.bn1 (net.yaml:14)",
        _attributes("/layer2/0/bn1/BatchNormalization", epsilon=1e-3),
        fold=False,
    ),
    Bug("a-missing-relu", RESIDUAL, "relu layer2.1.relu (net.yaml:14)", _bypassed("/layer2/1/relu/Relu")),
    Bug("a-dropped-shortcut", RESIDUAL, "sum layer1.0:sum (net.yaml:13)", _bypassed("/layer1/0/sum/Add")),
    Bug(
        "a-shortcut-from-the-wrong-place",
        RESIDUAL,
        "sum layer2.1:sum (net.yaml:14)",
        _inputs("/layer2/1/sum/Add", lambda inputs: (inputs[0], "/layer2/0/sum/Add_output_0")),
    ),
    Bug("a-sum-that-multiplies", RESIDUAL, "sum layer2.0:sum (net.yaml:14)", _operator("/layer2/0/sum/Add", "Mul")),
    Bug(
        "a-pooling-of-the-wrong-kind",
        RESIDUAL,
        "adaptive_avg_pool2d avgpool (net.yaml:17)",
        _operator("/avgpool/GlobalAveragePool", "GlobalMaxPool"),
    ),
    Bug(
        "padding-off-by-one",
        RESIDUAL,
        "conv2d layer1.0.conv1 (net.yaml:13)",
        _attributes("/layer1/0/conv1/Conv", pads=(0, 0, 2, 2)),
    ),
    Bug(
        "pooling-padding-off-by-one",
        RESIDUAL,
        "max_pool2d maxpool (net.yaml:10)",
        _attributes("/maxpool/MaxPool", pads=(0, 0, 1, 1)),
    ),
    Bug(
        "a-batch-norm-not-folded-into-the-bias",
        RESIDUAL,
        "conv2d conv1 (net.yaml:7)",
        _tensor("conv1.bias", lambda b, w: w["bn1.bias"]),
    ),
    Bug(
        "a-batch-norm-not-folded-into-the-weight",
        RESIDUAL,
        "conv2d conv1 (net.yaml:7)",
        _tensor("conv1.weight", lambda b, w: w["conv1.weight"]),
    ),
    Bug(
        "a-folding-that-forgets-the-root",
        RESIDUAL,
        "conv2d layer1.0.conv2 (net.yaml:13)",
        _tensor("layer1.0.conv2.weight", lambda a, w: a / np.sqrt(w["layer1.0.bn2.running_var"])[:, None, None, None]),
    ),
    Bug(
        "gamma-and-beta-swapped",
        RESIDUAL,
        "batch_norm bn1 (net.yaml:8)",
        _inputs("/bn1/BatchNormalization", _affine_swapped),
        fold=False,
    ),
    Bug("a-missing-bias", RESIDUAL, "linear fc (net.yaml:19)", _inputs("/fc/Gemm", lambda inputs: inputs[:2])),
    Bug("a-transposed-square-weight", VARIED, "linear out (net.yaml:18)", _attributes("/out/Gemm", transB=0)),
    Bug(
        "a-transposed-kernel",
        VARIED,
        "conv2d square (net.yaml:4)",
        _tensor("square.weight", lambda a, w: np.ascontiguousarray(a.swapaxes(2, 3))),
    ),
    Bug(
        "a-mirrored-kernel",
        VARIED,
        "conv2d square (net.yaml:4)",
        _tensor("square.weight", lambda a, w: np.ascontiguousarray(a[:, :, ::-1, ::-1])),
    ),
    Bug(
        "input-and-output-channels-swapped",
        VARIED,
        "conv2d square (net.yaml:4)",
        _tensor("square.weight", lambda a, w: a.swapaxes(0, 1).copy()),
    ),
    Bug("swapped-groups", VARIED, "conv2d grouped (net.yaml:7)", _tensor("grouped.weight", _halves_swapped)),
    Bug("swapped-branches", VARIED, "concat :concat (net.yaml:10)", _inputs("/concat/Concat", _swapped)),
    Bug(
        "a-lost-count-include-pad",
        VARIED,
        "avg_pool2d counted (net.yaml:14)",
        _attributes("/counted/AveragePool", count_include_pad=0),
    ),
    Bug(
        "a-lost-negative-slope",
        VARIED,
        "leaky_relu leaky_relu (net.yaml:5)",
        _attributes("/leaky_relu/LeakyRelu", alpha=0.01),
    ),
    Bug(
        "an-alpha-divided-by-the-size-twice",
        VARIED,
        "local_response_norm local_response_norm (net.yaml:13)",
        _attributes("/local_response_norm/LRN", alpha=0.5 / 3),
    ),
    Bug("a-sigmoid-for-a-tanh", VARIED, "tanh tanh (net.yaml:17)", _operator("/tanh/Tanh", "Sigmoid")),
)

"""One-operator networks for the ONNX tests: every operator with several field settings, and how to run them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from zlib import crc32

import numpy as np
import onnx
import onnxruntime
import torch
from onnx.reference import ReferenceEvaluator

from archc.exporting import exporters
from archc.ir.builder import GraphBuilder
from archc.ir.graph import Graph, Value
from archc.ir.types import BATCH, Dim, TensorType
from archc.operators import operator_model
from archc.weights.network import Network

reference_operators = import_module("archc.exporters.onnx.reference_operators")

IMAGE: tuple[Dim, ...] = (BATCH, 6, 9, 11)
TOKENS: tuple[Dim, ...] = (BATCH, 5, 8)
VECTOR: tuple[Dim, ...] = (BATCH, 12)

# Outside training these do nothing, so that a network of one alone would be an Identity from input to output.
PASSING = ("identity", "dropout", "dropout2d", "stochastic_depth", "flatten")


@dataclass(frozen=True)
class Case:
    """An operator with fields, applied to an input of this shape; joins get branches made of the input."""

    word: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[Dim, ...] = IMAGE

    def __str__(self) -> str:
        fields = "-".join(f"{name}={str(value).replace(' ', '')}" for name, value in self.fields.items())
        rank = "" if self.shape == IMAGE else f"-{'x'.join(map(str, self.shape[1:]))}"
        return f"{self.word}{'-' if fields else ''}{fields}{rank}"

    def graph(self, *, followed: bool = False) -> Graph:
        """The network: the operator, and a tanh after one that may do nothing, or whatever it is if `followed`."""
        b = GraphBuilder("one", TensorType(self.shape))
        operator = operator_model(self.word).model_validate(dict(self.fields))
        y = b.add(operator, *(_branches(b, self.word) if operator.arity is None else [b.input]))
        if followed or self.word in PASSING:
            y = b.add(operator_model("tanh")(), y)
        b.output("output", y)
        return b.finish()

    def network(self, *, followed: bool = False) -> Network:
        """The network, with random weights."""
        return with_random_weights(self.graph(followed=followed))


def _branches(b: GraphBuilder, word: str) -> list[Value]:
    x = b.input
    if word == "sum":
        return [x, b.add(operator_model("tanh")(), x), b.add(operator_model("relu")(), x)]
    if word == "product":
        return [x, b.add(operator_model("adaptive_avg_pool2d").model_validate({"output_size": 1}), x)]
    part = operator_model("narrow").model_validate({"dim": 1, "start": 1, "length": 2})
    return [b.add(part, x), x, b.add(part, x)]


def _cases(word: str, *settings: Mapping[str, Any], shape: tuple[Dim, ...] = IMAGE) -> Iterator[Case]:
    yield from (Case(word, setting, shape) for setting in settings)


CASES: tuple[Case, ...] = (
    *(Case(word) for word in ("relu", "relu6", "selu", "sigmoid", "tanh", "silu", "mish")),
    *(Case(word) for word in ("hardsigmoid", "hardswish", "identity", "dropout", "dropout2d", "sum", "product")),
    *_cases("mul", {"other": 0.25}, {"other": -3.0}),
    *_cases("leaky_relu", {}, {"negative_slope": 0.3}),
    *_cases("prelu", {}, {"num_parameters": 6}),
    *_cases("prelu", {"num_parameters": 5}, shape=TOKENS),
    *_cases("prelu", {"num_parameters": 12}, shape=VECTOR),
    *_cases("elu", {}, {"alpha": 0.4}),
    *_cases("softplus", {}, {"beta": 0.5}, {"beta": 2.0}, {"beta": 3.0, "threshold": 25.0}),
    *_cases("gelu", {}, {"approximate": "tanh"}),
    *_cases("hardtanh", {}, {"min_val": -0.3, "max_val": 0.7}),
    *_cases("softmax", {}, {"dim": -1}, {"dim": 2}),
    *_cases("softmax", {}, {"dim": -1}, shape=TOKENS),
    *_cases("log_softmax", {}, {"dim": 3}),
    *_cases("log_softmax", {}, shape=VECTOR),
    *_cases("stochastic_depth", {"p": 0.2}, {"p": 0.2, "mode": "batch"}),
    Case("concat"),
    *_cases("flatten", {}, {"start_dim": 2}, {"start_dim": 1, "end_dim": 2}, {"start_dim": 3}),
    *_cases("flatten", {}, shape=VECTOR),
    *_cases("permute", {"dims": [0, 2, 3, 1]}, {"dims": [0, 1, 3, 2]}),
    *_cases("permute", {"dims": [0, 2, 1]}, shape=TOKENS),
    *_cases("narrow", {"dim": 1, "start": 2, "length": 3}, {"dim": 3, "start": 0, "length": 11}),
    *_cases("select", {"dim": 1, "index": 0}, {"dim": 2, "index": 8}),
    *_cases("select", {"dim": 1, "index": 4}, shape=TOKENS),
    *_cases("pad", {"pad": [1, 2]}, {"pad": [0, 1, 2, 3], "value": -1.5}, {"pad": [1, 0, 0, 2, 3, 1]}),
    *_cases("channel_shuffle", {"groups": 1}, {"groups": 2}, {"groups": 3}),
    *_cases(
        "conv2d",
        {"out_channels": 4, "kernel_size": 3},
        {"out_channels": 4, "kernel_size": [1, 5], "stride": [2, 1], "padding": [0, 2]},
        {"out_channels": 12, "kernel_size": 3, "groups": 3, "padding": 1, "bias": False},
        {"out_channels": 6, "kernel_size": 3, "groups": 6, "dilation": [2, 3], "padding": [1, 3]},
        {"out_channels": 4, "kernel_size": [3, 2], "dilation": [1, 2], "padding": "same"},
    ),
    *_cases("linear", {"out_features": 5}, {"out_features": 5, "bias": False}, shape=VECTOR),
    *_cases("linear", {"out_features": 12}, shape=VECTOR),
    *_cases("linear", {"out_features": 5}, {"out_features": 8, "bias": False}, shape=TOKENS),
    *_cases("linear", {"out_features": 7}),
    *_cases("batch_norm", {}, {"eps": 0.1}, {"affine": False, "momentum": None}),
    *_cases("batch_norm", {}, {"affine": False}, shape=VECTOR),
    *_cases("group_norm", {"num_groups": 1}, {"num_groups": 3, "eps": 0.1}, {"num_groups": 6, "affine": False}),
    *_cases("layer_norm", {}, {"eps": 0.1, "bias": False}, {"elementwise_affine": False}, shape=TOKENS),
    *_cases("layer_norm", {}),
    *_cases("layer_norm", {}, shape=VECTOR),
    *_cases(
        "local_response_norm",
        {"size": 5, "alpha": 0.5},
        {"size": 4, "alpha": 0.5},
        {"size": 6, "alpha": 0.5},
        {"size": 1, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 2, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 2.5},
        {"size": 9, "alpha": 1.0},
    ),
    *_cases("max_pool2d", {"kernel_size": 3, "stride": 2, "padding": 1}, {"kernel_size": [2, 3], "ceil_mode": True}),
    *_cases("avg_pool2d", {"kernel_size": 3, "padding": 1}, {"kernel_size": 2, "divisor_override": 3}),
    *_cases("avg_pool2d", {"kernel_size": [2, 3], "divisor_override": 5}),
    *_cases("avg_pool2d", {"kernel_size": 4, "stride": 3, "padding": 1, "ceil_mode": True}),
    *_cases("adaptive_avg_pool2d", {"output_size": 1}, {"output_size": [3, 11]}, {"output_size": [4, 7]}),
    *_cases("adaptive_avg_pool2d", {"output_size": [10, 13]}),
    *_cases("mean", {"dim": [2, 3]}, {"dim": -1, "keepdim": True}, {"dim": [1, 3], "keepdim": True}),
    *_cases("mean", {"dim": 1}, shape=TOKENS),
)
"""Every operator, with the fields that change how it is lowered."""


def with_random_weights(graph: Graph) -> Network:
    """A network in which every tensor matters: no zeros, no ones, variances away from 0."""
    return Network(graph, {p.path: _random(p.path, p.shape, p.dtype) for p in graph.parameters()}, fresh=False)


def _random(path: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    generator = np.random.default_rng(crc32(path.encode()))
    if dtype == "int64":
        return np.array(7)
    if path.endswith("running_var"):
        return generator.uniform(0.5, 1.5, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    return generator.normal(0, float(fan_in) ** -0.5, shape).astype(np.float32)


def images(shape: tuple[Dim, ...], batch: int, **sizes: int) -> np.ndarray:
    """Standard normal input of this shape; `sizes` are those of dynamic axes."""
    given = {BATCH.symbol: batch, **sizes}
    numbers = [dim if isinstance(dim, int) else dim.at(given[dim.symbol]) for dim in shape]
    return np.random.default_rng(7).standard_normal(numbers).astype(np.float32)


def written(network: Network, **options: Any) -> bytes:
    """The ONNX file."""
    file = io.BytesIO()
    exporter = exporters()["onnx"]
    exporter.write(network, file, exporter.asked(**options))
    return file.getvalue()


def exact(network: Network, x: np.ndarray) -> np.ndarray:
    """The PyTorch module's output in float64."""
    with torch.no_grad():
        result: torch.Tensor = network.inference_module().double()(torch.from_numpy(x.astype(np.float64)))
    array: np.ndarray = result.numpy()
    return array


def session(data: bytes, *, optimised: bool) -> onnxruntime.InferenceSession:
    """ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def evaluator(model: onnx.ModelProto) -> ReferenceEvaluator:
    """onnx's reference evaluator, without its mistakes that are known."""
    return ReferenceEvaluator(model, new_ops=reference_operators.corrected_operators())


def run_everywhere(data: bytes, x: np.ndarray) -> dict[str, np.ndarray]:
    """The first output by ONNX Runtime with its optimisations off and on, and by onnx's reference evaluator."""
    model = onnx.load_from_string(data)
    name = model.graph.input[0].name
    return {
        "not optimised": np.asarray(session(data, optimised=False).run(None, {name: x})[0]),
        "optimised": np.asarray(session(data, optimised=True).run(None, {name: x})[0]),
        "reference": np.asarray(next(iter(evaluator(model).run(None, {name: x})))),
    }

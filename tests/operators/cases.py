"""One-operator networks: every operator with the examples of its record, and how to run them."""

from __future__ import annotations

import io
from collections.abc import Mapping
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
from archc.ir.graph import Graph, Node, Parameter
from archc.ir.operator import IMAGE, Operator
from archc.ir.types import BATCH, Dim, TensorType
from archc.operators import OPERATORS, operator_model
from archc.weights.initialize import computed
from archc.weights.network import Network

reference_operators = import_module("archc.exporters.onnx.reference_operators")

# Outside training these do nothing, so that a network of one alone would be an Identity from input to output.
PASSING = (*(word for word in OPERATORS if not operator_model(word).inference), "flatten", "rearrange")

INDEX = operator_model("relative_position_index").model_validate({"height": 2, "width": 2})
"""What an operator picks by: 9 rows."""


@dataclass(frozen=True)
class Case:
    """An operator with fields, applied to inputs of these shapes (without the batch)."""

    word: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[Dim, ...], ...] = (IMAGE,)

    def __str__(self) -> str:
        fields = "-".join(f"{name}={str(value).replace(' ', '')}" for name, value in self.fields.items())
        ranks = "" if self.shapes == (IMAGE,) else "".join(f"-{'x'.join(map(str, shape))}" for shape in self.shapes)
        return f"{self.word}{'-' if fields else ''}{fields}{ranks}"

    @property
    def operator(self) -> Operator:
        """The operator with its fields."""
        return operator_model(self.word).model_validate(dict(self.fields))

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of its inputs; a source has none."""
        given = () if self.operator.arity == 0 else self.given
        return (*given, INDEX.infer()) if "index" in self.operator.branches else given

    @property
    def given(self) -> tuple[TensorType, ...]:
        """The types of the network's inputs: of what a source is added to, or of what an index picks from."""
        shapes = self.shapes
        if self.operator.arity == 0:
            type = self.operator.infer()  # refuses values that are too many, before they are computed
            computed = self.operator.computed()
            indexes = computed is not None and type.dtype == "int64"
            shapes = ((int(max(computed.values)) + 1,) if computed and indexes else type.shape,)
        return tuple(TensorType((BATCH, *shape)) for shape in shapes)

    def node(self) -> Node:
        """The operator's node. Raises ShapeError."""
        operator = self.operator
        return next(node for node in self.graph(followed=False).nodes if node.operator == operator)

    def graph(self, *, followed: bool | None = None) -> Graph:
        """The network: the operator, and a tanh after one that may do nothing, or after any if `followed`.

        A source is added to the input, or picks from it.
        """
        operator = self.operator
        names = ["input", *(f"input{index}" for index in range(1, max(1, len(self.shapes))))]
        b = GraphBuilder("one", dict(zip(names, self.given, strict=True)))
        if operator.arity == 0:
            source = b.add(operator)
            pick = operator_model("gather").model_validate({"dim": 1})
            y = b.add(pick if source.type.dtype == "int64" else operator_model("sum")(), b.input, source)
        else:
            y = b.add(operator, *b.inputs, *([b.add(INDEX)] if "index" in operator.branches else []))
        if self.word in PASSING if followed is None else followed:
            y = b.add(operator_model("tanh")(), y)
        b.output("output", y)
        return b.finish()

    def network(self, *, followed: bool | None = None) -> Network:
        """The network, with random weights."""
        return with_random_weights(self.graph(followed=followed))

    def inputs(self, batch: int = 3) -> list[np.ndarray]:
        """Standard normal inputs."""
        return [images(type.shape, batch, seed=7 + index) for index, type in enumerate(self.given)]


CASES: tuple[Case, ...] = tuple(
    Case(word, example.fields, example.shapes) for word in OPERATORS for example in operator_model(word).examples
)
"""Every operator with its own examples: the fields that change how it is computed."""


def with_random_weights(graph: Graph) -> Network:
    """A network in which every tensor matters: no zeros, no ones, variances away from 0."""
    return Network(graph, {parameter.path: _random(parameter) for parameter in graph.parameters()}, fresh=False)


def _random(parameter: Parameter) -> np.ndarray:
    if (values := computed(parameter)) is not None:
        return values
    path, shape = parameter.path, parameter.shape
    if parameter.dtype == "int64":
        return np.array(7)
    generator = np.random.default_rng(crc32(path.encode()))
    if path.endswith("running_var"):
        return generator.uniform(0.5, 1.5, shape).astype(np.float32)
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    return generator.normal(0, float(fan_in) ** -0.5, shape).astype(np.float32)


def images(shape: tuple[Dim, ...], batch: int, *, seed: int = 7, **sizes: int) -> np.ndarray:
    """Standard normal input of this shape; `sizes` are those of dynamic axes."""
    given = {BATCH.symbol: batch, **sizes}
    numbers = [dim if isinstance(dim, int) else dim.at(given[dim.symbol]) for dim in shape]
    return np.random.default_rng(seed).standard_normal(numbers).astype(np.float32)


def written(network: Network, **options: Any) -> bytes:
    """The ONNX file."""
    file = io.BytesIO()
    exporter = exporters()["onnx"]
    exporter.write(network, file, exporter.asked(**options))
    return file.getvalue()


def exact(network: Network, *inputs: np.ndarray) -> np.ndarray:
    """The PyTorch module's output in float64."""
    with torch.no_grad():
        result: torch.Tensor = network.inference_module().double()(*(torch.from_numpy(x).double() for x in inputs))
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


def run_everywhere(data: bytes, *inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The first output by ONNX Runtime with its optimisations off and on, and by onnx's reference evaluator."""
    model = onnx.load_from_string(data)
    feeds = dict(zip([entry.name for entry in model.graph.input], inputs, strict=True))
    with np.errstate(invalid="ignore"):  # a logarithm of what is negative
        reference = np.asarray(next(iter(evaluator(model).run(None, dict(feeds)))))
    return {
        "not optimised": np.asarray(session(data, optimised=False).run(None, feeds)[0]),
        "optimised": np.asarray(session(data, optimised=True).run(None, feeds)[0]),
        "reference": reference,
    }

"""Computes at export what depends on no input: a bias table is gathered once, and not at each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archc.ir.types import SymbolicDim

from .builder import OnnxBuilder, OnnxInitializer, OnnxNode

if TYPE_CHECKING:
    import numpy as np

    from archc.weights import Weights

KEPT = ("ConstantOfShape",)  # what would take room in the file


def fold_constants(b: OnnxBuilder) -> None:
    """Replace each node whose inputs are tensors of the file by a tensor, which is computed when it is written."""
    known = {each.name: each for each in b.initializers}
    folded = {node.name: tensor for node in b.nodes for tensor in _folded(node, known, b.opset)}
    if not folded:
        return
    consumed = {name for node in b.nodes if node.name in folded for name in node.inputs}
    b.nodes = [node for node in b.nodes if node.name not in folded]
    used = {name for node in b.nodes for name in node.inputs}
    kept = [each for each in b.initializers if each.name in used or each.name not in consumed]
    b.initializers = kept + [each for each in folded.values() if each.name in used]


def _folded(node: OnnxNode, known: dict[str, OnnxInitializer], opset: int) -> Iterator[OnnxInitializer]:
    """The tensor that a node gives, if it is one. Side effect: it is `known` from then on."""
    given = [name for name in node.inputs if name]
    inputs = [known[name] for name in given if name in known]
    shape = node.types[0].shape
    fixed = tuple([size for size in shape if not isinstance(size, SymbolicDim)])
    if not inputs or len(inputs) < len(given) or len(fixed) < len(shape) or node.op_type in KEPT:
        return
    name, constant = node.outputs[0], all(each.constant for each in inputs)
    values = _Computation(node, tuple(inputs), opset)
    known[name] = OnnxInitializer(name, fixed, node.types[0].dtype, values, constant, node.value)
    yield known[name]


@dataclass(frozen=True)
class _Computation:
    """What a node gives for the tensors of some weights, computed by onnx's reference implementation."""

    node: OnnxNode
    inputs: Sequence[OnnxInitializer]
    opset: int

    def __call__(self, weights: Weights) -> np.ndarray:
        import numpy as np
        from onnx import ModelProto, OperatorSetIdProto, helper
        from onnx.reference import ReferenceEvaluator

        arrays = [each.values(weights) for each in self.inputs]
        named = dict(zip(filter(None, self.node.inputs), arrays, strict=True))
        single = helper.make_node(self.node.op_type, self.node.inputs, self.node.outputs, **self.node.attributes)
        inputs = [helper.make_empty_tensor_value_info(name) for name in named]
        outputs = [helper.make_empty_tensor_value_info(name) for name in self.node.outputs]
        graph = helper.make_graph([single], "constant", inputs, outputs)
        model = ModelProto(graph=graph, opset_import=[OperatorSetIdProto(version=self.opset)], ir_version=8)
        found: Any = ReferenceEvaluator(model).run(None, named)
        return np.asarray(found[0], self.node.types[0].dtype)

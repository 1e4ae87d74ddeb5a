"""Files whose outputs are of another type or a fixed batch, or of which one group of values is off."""

from __future__ import annotations

import numpy as np
import onnx

from archc.verification.report import Report
from tests.campaigns.bugs.catalogue import WrongNumbers, register
from tests.campaigns.bugs.draft import Draft, require
from tests.campaigns.bugs.inputs import word

Node = onnx.NodeProto
BOX = 4  # numbers that tell where a box is


def output_as_float64(draft: Draft, node: Node) -> None:
    name = _output(draft, node)
    draft.insert_after(node, "Cast", to=onnx.TensorProto.DOUBLE)
    (value,) = (each for each in draft.model.graph.output if each.name == name)
    value.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


def fixed_batch_of_one(draft: Draft, node: Node) -> None:
    _output(draft, node)
    graph = draft.model.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        for dim in value.type.tensor_type.shape.dim[:1]:
            if dim.dim_param:
                dim.dim_value = 1


def scores_beside_boxes_off(draft: Draft, node: Node) -> None:
    """Every score between 0 and 1 is larger by 0.01, where boxes in pixels stand beside it."""
    name = _output(draft, node)
    joins = (each for each in draft.model.graph.node if each.op_type == "Concat")
    joined = [[parent and parent.op_type for parent in map(draft.producer, join.input)] for join in joins]
    require(joined == [["Mul", "Sigmoid"]], "no boxes beside scores")
    shape = [1] * len(draft.shape(name))
    axis = 1 if len(shape) == 4 else -1
    shape[axis] = draft.shape(name)[axis]
    shift = np.where(np.arange(shape[axis]) < BOX, 0, 0.01).reshape(shape)
    draft.insert_after(node, "Add", draft.store("seeded/shift", shift))


def _output(draft: Draft, node: Node) -> str:
    """The network's output that a node gives. Raises DoesNotApply: it gives none."""
    require(draft.is_output(node.output[0]), "not the network's output")
    return node.output[0]


def claims_one_batch(report: Report) -> bool:
    """True if the report claims nothing about other batches than 1."""
    return {row.batches for row in report.comparisons} == {(1,)}


register(WrongNumbers("output_as_float64", (), output_as_float64, named=word("float64|double")))
register(WrongNumbers("fixed_batch_of_one", (), fixed_batch_of_one, named=word("batch"), harmless=claims_one_batch))
register(WrongNumbers("scores_beside_boxes_off", (), scores_beside_boxes_off, named=word("channel|column|group")))

"""Bugs in attention, in what splits and reorders axes, and in tensors of the network's own."""

from __future__ import annotations

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto


def _only(draft: Draft, tensor: str, op_type: str) -> Node:
    """The node of this operator that reads a tensor."""
    found = [node for node in draft.consumers(tensor) if node.op_type == op_type]
    require(len(found) == 1, f"no {op_type} follows")
    return found[0]


def _scores(draft: Draft, node: Node) -> tuple[Node, Node]:
    """What scales the query and what turns the key, in front of a product of both."""
    scaled, turned = (draft.producer(name) for name in node.input)
    require(scaled is not None and scaled.op_type == "Mul", "the query is not scaled")
    require(turned is not None and turned.op_type == "Transpose", "the key is not turned")
    assert scaled is not None
    assert turned is not None
    return scaled, turned


@seeded("MatMul")
def attention_scale_missing(draft: Draft, node: Node) -> None:
    scaled, _ = _scores(draft, node)
    draft.store(scaled.input[1], np.float32(1))


@seeded("MatMul")
def attention_scaled_without_the_root(draft: Draft, node: Node) -> None:
    scaled, _ = _scores(draft, node)
    draft.store(scaled.input[1], draft.array(scaled.input[1]) ** 2)


@seeded("MatMul")
def attention_scaled_by_all_heads(draft: Draft, node: Node) -> None:
    """The root of the features of two heads."""
    scaled, _ = _scores(draft, node)
    draft.store(scaled.input[1], draft.array(scaled.input[1]) / np.sqrt(2))


@seeded("MatMul")
def query_and_key_swapped(draft: Draft, node: Node) -> None:
    scaled, turned = _scores(draft, node)
    require(draft.shape(scaled.input[0]) == draft.shape(turned.input[0]), "there are not as many keys as queries")
    scaled.input[0], turned.input[0] = turned.input[0], scaled.input[0]


@seeded("MatMul")
def key_for_value(draft: Draft, node: Node) -> None:
    weights = draft.producer(node.input[0])
    require(weights is not None and weights.op_type == "Softmax", "no values are weighed")
    turned = next((each for each in draft.before(node) if each.op_type == "Transpose"), node)
    require(draft.shape(turned.input[0]) == draft.shape(node.input[1]), "keys are no values")
    node.input[1] = turned.input[0]


@seeded("Softmax")
def softmax_over_the_queries(draft: Draft, node: Node) -> None:
    shape = draft.shape(node.input[0])
    require(len(shape) > 2 and attribute(node, "axis") in (-1, len(shape) - 1), "no scores of attention")
    set_attribute(node, "axis", len(shape) - 2)


def _added(draft: Draft, node: Node) -> str:
    """The path of what gives the tensor that is added: it was computed when the file was written."""
    return draft.origin(node).inputs[-1].name


def _bias(draft: Draft, node: Node) -> str:
    """The tensor that is added to the scores of attention."""
    require(bool(draft.consumers(node.output[0])) and draft.is_initializer(node.input[1]), "no tensor is added")
    require(draft.consumers(node.output[0])[0].op_type == "Softmax", "no softmax follows")
    require(len(draft.shape(node.input[1])) > 2, "no bias of attention")
    return str(node.input[1])


@seeded("Add")
def bias_of_attention_transposed(draft: Draft, node: Node) -> str:
    name = _bias(draft, node)
    draft.store(name, draft.array(name).swapaxes(-1, -2))
    return _added(draft, node)


@seeded("Add")
def bias_of_attention_of_the_next_head(draft: Draft, node: Node) -> str:
    name = _bias(draft, node)
    draft.store(name, np.roll(draft.array(name), 1, axis=-3))
    return _added(draft, node)


@seeded("Add")
def mask_shifted_by_one(draft: Draft, node: Node) -> str:
    """The part of a bias that keeps pixels apart, one key further."""
    values = draft.array(_bias(draft, node))
    mask = np.where(values < -50, -100.0, 0.0)
    require(bool(mask.any()), "nothing is masked")
    draft.store(node.input[1], values - mask + np.roll(mask, 1, axis=-1))
    return _added(draft, node)


@seeded("Add")
def mask_of_the_next_window(draft: Draft, node: Node) -> str:
    values = draft.array(_bias(draft, node))
    mask = np.where(values < -50, -100.0, 0.0)
    require(bool(mask.any()), "nothing is masked")
    draft.store(node.input[1], values - mask + np.roll(mask, 1, axis=0))
    return _added(draft, node)


@seeded("Transpose")
def two_axes_swapped(draft: Draft, node: Node) -> None:
    """Two axes of one length in each other's place."""
    order, shape = attribute(node, "perm"), draft.shape(node.input[0])
    pairs = [(i, j) for j in range(len(order)) for i in range(j) if shape[order[i]] == shape[order[j]] > 1]
    require(bool(pairs), "no two axes have one length")
    i, j = pairs[0]
    order[i], order[j] = order[j], order[i]
    set_attribute(node, "perm", order)


@seeded("Reshape", resizes=True)
def two_sizes_swapped(draft: Draft, node: Node) -> None:
    """An axis is split into sizes in the other order."""
    require(draft.is_initializer(node.input[1]), "the sizes are asked for")
    wanted = draft.array(node.input[1]).tolist()
    pairs = [i for i in range(1, len(wanted) - 1) if wanted[i] != wanted[i + 1] and min(wanted[i : i + 2]) > 1]
    require(len(wanted) > len(draft.shape(node.input[0])) and bool(pairs), "nothing is split into two sizes")
    first = pairs[0]
    wanted[first], wanted[first + 1] = wanted[first + 1], wanted[first]
    draft.store(node.input[1], np.array(wanted, np.int64))


@seeded("Pad")
def class_token_at_the_end(draft: Draft, node: Node) -> Node:
    add = _only(draft, node.output[0], "Add")
    require(draft.is_initializer(add.input[1]), "no tensor fills the room")
    amounts = draft.array(node.input[1])
    (axis,) = np.flatnonzero(amounts)
    rank, room = len(amounts) // 2, int(amounts[axis])
    moved = np.zeros_like(amounts)
    moved[(axis + rank) % (2 * rank)] = room
    draft.store(node.input[1], moved)
    draft.store(add.input[1], np.roll(draft.array(add.input[1]), -room if axis < rank else room, axis=axis % rank))
    return add


@seeded("Pad")
def class_token_missing(draft: Draft, node: Node) -> Node:
    add = _only(draft, node.output[0], "Add")
    require(draft.is_initializer(add.input[1]), "no tensor fills the room")
    draft.bypass(add, add.input[0])
    return add


@seeded("Mul")
def layer_scale_missing(draft: Draft, node: Node) -> Node:
    require(draft.is_initializer(node.input[1]) and len(draft.shape(node.input[1])) > 0, "nothing is scaled")
    draft.bypass(node, node.input[0])
    return node


def _positions(draft: Draft, node: Node) -> str:
    """A tensor of positions that is added: [1, tokens, features]."""
    require(draft.is_initializer(node.input[1]), "no tensor is added")
    shape = draft.shape(node.input[1])
    require(len(shape) == 3 and shape[0] == 1 and min(shape[1:]) > 1, "no positions are added")
    producer = draft.producer(node.input[0])
    require(producer is not None and producer.op_type != "Pad", "it is a class token")
    return str(node.input[1])


@seeded("Add")
def positions_rolled_by_one(draft: Draft, node: Node) -> str:
    name = _positions(draft, node)
    draft.store(name, np.roll(draft.array(name), 1, axis=1))
    return _added(draft, node)


@seeded("Add")
def positions_missing(draft: Draft, node: Node) -> Node:
    _positions(draft, node)
    draft.bypass(node, node.input[0])
    return node


@seeded("Gather")
def token_of_another_place(draft: Draft, node: Node) -> None:
    """The second element in place of the first."""
    require(draft.is_initializer(node.input[1]) and draft.shape(node.input[1]) == (), "no single element is taken")
    require(int(draft.array(node.input[1])) == 0, "it is not the first")
    draft.store(node.input[1], np.array(1, np.int64))

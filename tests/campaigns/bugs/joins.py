"""Bugs where branches join: shortcuts, concatenations, gates."""

from __future__ import annotations

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require

Node = onnx.NodeProto


def _shortcut(draft: Draft, node: Node) -> tuple[int, int]:
    """Index of the input that comes from a layer, and of the other."""
    require(not any(draft.is_initializer(name) for name in node.input), "not a join")
    producers = [draft.producer(name) for name in node.input]
    branch = next((i for i, p in enumerate(producers) if p is not None and p.op_type in ("Conv", "Gemm")), 0)
    return branch, 1 - branch


@seeded("Add")
def shortcut_dropped(draft: Draft, node: Node) -> Node:
    branch, _ = _shortcut(draft, node)
    draft.bypass(node, node.input[branch])
    return node


@seeded("Add")
def branch_dropped(draft: Draft, node: Node) -> Node:
    _, shortcut = _shortcut(draft, node)
    draft.bypass(node, node.input[shortcut])
    return node


@seeded("Add")
def shortcut_from_an_earlier_value(draft: Draft, node: Node) -> None:
    _, shortcut = _shortcut(draft, node)
    shape = draft.shape(node.input[shortcut])
    earlier = [
        other.output[0]
        for other in draft.before(node)
        if other.output[0] not in node.input and draft.shape(other.output[0]) == shape
    ]
    require(bool(earlier), "no other value has this shape")
    node.input[shortcut] = earlier[0]


@seeded("Add")
def branch_twice(draft: Draft, node: Node) -> None:
    branch, shortcut = _shortcut(draft, node)
    node.input[shortcut] = node.input[branch]


@seeded("Add")
def product_for_sum(draft: Draft, node: Node) -> None:
    _shortcut(draft, node)
    draft.become(node, "Mul")


@seeded("Add")
def difference_for_sum(draft: Draft, node: Node) -> None:
    _shortcut(draft, node)
    draft.become(node, "Sub")


@seeded("Add")
def mean_for_sum(draft: Draft, node: Node) -> None:
    _shortcut(draft, node)
    draft.become(node, "Mean")


@seeded("Conv")
def projection_replaced_by_identity(draft: Draft, node: Node) -> None:
    """A projection shortcut that only subsamples and pads with zero channels."""
    readers = draft.consumers(node.output[0])
    weight = draft.array(node.input[1])
    require(len(readers) == 1 and readers[0].op_type == "Add", "no sum follows")
    require(weight.shape[2:] == (1, 1) and attribute(node, "group") == 1, "not a projection")
    others = [draft.producer(name) for name in readers[0].input if name != node.output[0]]
    require(all(other is not None and other.op_type == "Conv" for other in others), "the other branch is the shortcut")
    draft.store(node.input[1], np.eye(*weight.shape[:2]).reshape(weight.shape))


@seeded("Concat")
def branches_swapped(draft: Draft, node: Node) -> None:
    node.input[0], node.input[1] = node.input[1], node.input[0]


@seeded("Concat")
def branches_reversed(draft: Draft, node: Node) -> None:
    require(len(node.input) > 2, "two branches: that is swapping them")
    node.input[:] = list(node.input)[::-1]


@seeded("Concat")
def one_branch_twice(draft: Draft, node: Node) -> None:
    shapes = [draft.shape(name) for name in node.input]
    twins = [(i, j) for i in range(len(shapes)) for j in range(i) if shapes[i] == shapes[j]]
    require(bool(twins), "no two branches have the same shape")
    first, second = twins[0]
    node.input[first] = node.input[second]


@seeded("Mul")
def gate_dropped(draft: Draft, node: Node) -> Node:
    wide = _gated(draft, node)
    draft.bypass(node, node.input[wide])
    return node


@seeded("Mul")
def gate_added(draft: Draft, node: Node) -> None:
    _gated(draft, node)
    draft.become(node, "Add")


@seeded("Mul")
def gate_along_the_width(draft: Draft, node: Node) -> None:
    """[N, C, 1, 1] read as [N, 1, 1, C]: it broadcasts where there are as many columns as channels."""
    wide = _gated(draft, node)
    _, channels, _, width = draft.shape(node.input[wide])
    require(channels == width, "the columns are not as many as the channels")
    node.input[:] = [node.input[1 - wide], node.input[wide]]
    draft.insert_before(node, "Transpose", perm=[0, 2, 3, 1])


def _gated(draft: Draft, node: Node) -> int:
    """Index of the input that is gated by the other, of one pixel."""
    require(not any(draft.is_initializer(name) for name in node.input), "not a gate")
    shapes = [draft.shape(name) for name in node.input]
    gates = [index for index, shape in enumerate(shapes) if shape[2:] == (1, 1)]
    require(len(gates) == 1, "not a gate")
    return 1 - gates[0]

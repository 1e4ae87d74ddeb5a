"""Bugs in linear layers, flattening, and at the network's end."""

from __future__ import annotations

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto


@seeded("Gemm")
def trans_b_lost(draft: Draft, node: Node) -> None:
    rows, columns = draft.shape(node.input[1])
    require(rows == columns, "the weight is not square")
    set_attribute(node, "transB", 0)


@seeded("Gemm")
def gemm_alpha_left_in(draft: Draft, node: Node) -> None:
    set_attribute(node, "alpha", 0.5)


@seeded("Gemm")
def gemm_beta_left_in(draft: Draft, node: Node) -> None:
    require(len(node.input) > 2, "no bias")
    set_attribute(node, "beta", 0.5)


@seeded("Gemm")
def weights_transposed_and_reshaped(draft: Draft, node: Node) -> None:
    """Stored column by column, read row by row."""
    weight = draft.array(node.input[1])
    draft.store(node.input[1], weight.T.reshape(weight.shape))


@seeded("Gemm")
def dropout_scaling_left_in(draft: Draft, node: Node) -> None:
    """The input is scaled by 1 / (1 - p) with p = 0.5, as dropout does in training."""
    draft.insert_before(node, "Mul", draft.store(f"{node.name}/scaling", np.float32(2)))


@seeded("Gemm")
def softmax_added(draft: Draft, node: Node) -> None:
    require(not draft.consumers(node.output[0]), "not the last layer")
    draft.insert_after(node, "Softmax", axis=1)


@seeded("Gemm")
def batch_normalised_away(draft: Draft, node: Node) -> None:
    """The batch is taken for a feature axis: what comes out for an image depends on the others."""
    require(not draft.consumers(node.output[0]), "not the last layer")
    draft.insert_after(node, "Softmax", axis=0)


@seeded("Flatten")
def flatten_with_channels_last(draft: Draft, node: Node) -> None:
    _, channels, height, width = draft.shape(node.input[0])
    require(channels > 1 and height * width > 1, "channels first and last are the same order of values")
    draft.insert_before(node, "Transpose", perm=[0, 2, 3, 1])


@seeded("Flatten")
def flatten_with_height_and_width_swapped(draft: Draft, node: Node) -> None:
    _, _, height, width = draft.shape(node.input[0])
    require(height > 1 and width > 1, "a row or a column: swapped or not, the order is the same")
    draft.insert_before(node, "Transpose", perm=[0, 1, 3, 2])


@seeded("Transpose")
def shuffle_without_transposition(draft: Draft, node: Node) -> None:
    groups, channels = draft.shape(node.input[0])[1:3]
    perm = attribute(node, "perm")
    require(perm == [0, 2, 1, 3] and groups > 1 and channels > 1, "not a channel shuffle")
    set_attribute(node, "perm", [0, 1, 2, 3])


@seeded("Slice")
def slice_of_the_other_half(draft: Draft, node: Node) -> None:
    """A slice of half of the channels takes the other half."""
    start, end, channels = int(draft.array(node.input[1])[0]), int(draft.array(node.input[2])[0]), 0
    channels = draft.shape(node.input[0])[1]
    require(2 * (end - start) == channels, "not a half")
    other = channels // 2 - start
    draft.store(node.input[1], np.array([other], np.int64))
    draft.store(node.input[2], np.array([other + channels // 2], np.int64))

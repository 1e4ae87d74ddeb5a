"""Bugs in convolutions: their weights, layout, padding, stride, dilation and groups."""

from __future__ import annotations

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto
NO_BIAS = "the convolution has no bias"
ONE_BY_ONE = "the kernel is 1x1"


def _weight(draft: Draft, node: Node) -> np.ndarray:
    return draft.array(node.input[1])


def _square_kernel(draft: Draft, node: Node) -> np.ndarray:
    weight = _weight(draft, node)
    require(weight.shape[2] == weight.shape[3] > 1, ONE_BY_ONE)
    return weight


@seeded("Conv", "Gemm")
def weights_rounded_to_bfloat16(draft: Draft, node: Node) -> None:
    bits = _weight(draft, node).view(np.uint32) + np.uint32(0x8000)
    draft.store(node.input[1], (bits & np.uint32(0xFFFF0000)).view(np.float32))


@seeded("Conv", "Gemm")
def weights_rounded_to_float16(draft: Draft, node: Node) -> None:
    draft.store(node.input[1], _weight(draft, node).astype(np.float16))


@seeded("Conv", "Gemm")
def weights_quantised_to_8_bits(draft: Draft, node: Node) -> None:
    weight = _weight(draft, node)
    step = np.abs(weight).max() / 127
    draft.store(node.input[1], np.round(weight / step) * step)


@seeded("Conv", "Gemm")
def bias_lost(draft: Draft, node: Node) -> None:
    require(len(node.input) > 2, NO_BIAS)
    del node.input[2]


@seeded("Conv", "Gemm")
def bias_negated(draft: Draft, node: Node) -> None:
    require(len(node.input) > 2, NO_BIAS)
    draft.store(node.input[2], -draft.array(node.input[2]))


@seeded("Conv", "Gemm")
def bias_of_the_next_channel(draft: Draft, node: Node) -> None:
    require(len(node.input) > 2, NO_BIAS)
    draft.store(node.input[2], np.roll(draft.array(node.input[2]), 1))


@seeded("Conv")
def kernel_rotated_by_180_degrees(draft: Draft, node: Node) -> None:
    """Convolution in the mathematical sense instead of correlation."""
    draft.store(node.input[1], _square_kernel(draft, node)[:, :, ::-1, ::-1])


@seeded("Conv")
def kernel_mirrored(draft: Draft, node: Node) -> None:
    draft.store(node.input[1], _square_kernel(draft, node)[:, :, :, ::-1])


@seeded("Conv")
def kernel_rotated_by_90_degrees(draft: Draft, node: Node) -> None:
    draft.store(node.input[1], np.rot90(_square_kernel(draft, node), axes=(2, 3)))


@seeded("Conv")
def kernel_transposed(draft: Draft, node: Node) -> None:
    draft.store(node.input[1], _square_kernel(draft, node).swapaxes(2, 3))


@seeded("Conv")
def kernel_shifted_by_one_pixel(draft: Draft, node: Node) -> None:
    draft.store(node.input[1], np.roll(_square_kernel(draft, node), 1, axis=3))


@seeded("Conv")
def kernel_stored_with_channels_last(draft: Draft, node: Node) -> None:
    weight = _weight(draft, node)
    require(weight.shape[1] > 1 and weight[0, 0].size > 1, "channels first and last are the same order of values")
    draft.store(node.input[1], weight.transpose(0, 2, 3, 1).reshape(weight.shape))


@seeded("Conv", "Gemm")
def input_and_output_channels_swapped(draft: Draft, node: Node) -> None:
    weight = _weight(draft, node)
    require(weight.shape[0] == weight.shape[1] > 1, "the weight is not square")
    draft.store(node.input[1], weight.swapaxes(0, 1))


@seeded("Conv", "Gemm")
def two_output_channels_swapped(draft: Draft, node: Node) -> None:
    order = np.arange(len(_weight(draft, node)))
    require(len(order) > 1, "one output channel")
    order[:2] = 1, 0
    for name in node.input[1:]:
        draft.store(name, draft.array(name)[order])


@seeded("Conv")
def input_channels_reversed(draft: Draft, node: Node) -> None:
    """Blue, green, red for red, green, blue, in the first layer."""
    weight = _weight(draft, node)
    require(weight.shape[1] > 1, "one input channel to a group")
    draft.store(node.input[1], weight[:, ::-1])


@seeded("Conv", "Gemm")
def one_output_channel_zero(draft: Draft, node: Node) -> None:
    weight = _weight(draft, node)
    weight[len(weight) // 2] = 0
    draft.store(node.input[1], weight)


@seeded("Conv", "Gemm")
def weights_of_another_layer(draft: Draft, node: Node) -> Node:
    """The weights of two layers of equal shape are swapped; the earlier of the two is the first that is wrong."""
    shape = draft.shape(node.input[1])
    rivals = [
        other
        for other in draft.before(node)
        if other.op_type == node.op_type
        and draft.shape(other.input[1]) == shape
        and len(other.input) == len(node.input)
    ]
    require(bool(rivals), "no layer before it has weights of this shape")
    other = rivals[0]
    for mine, theirs in zip(list(node.input[1:]), list(other.input[1:]), strict=True):
        mine_array, their_array = draft.array(mine), draft.array(theirs)
        draft.store(mine, their_array)
        draft.store(theirs, mine_array)
    return other


@seeded("Conv", resizes=True)
def padding_one_less(draft: Draft, node: Node) -> None:
    pads = attribute(node, "pads")
    require(max(pads) > 0, "no padding")
    set_attribute(node, "pads", [max(pad - 1, 0) for pad in pads])


@seeded("Conv", resizes=True)
def padding_one_more(draft: Draft, node: Node) -> None:
    set_attribute(node, "pads", [pad + 1 for pad in attribute(node, "pads")])


@seeded("Conv")
def padding_shifted_by_one(draft: Draft, node: Node) -> None:
    top, left, bottom, right = attribute(node, "pads")
    require(min(bottom, right) > 0, "no padding")
    set_attribute(node, "pads", [top + 1, left + 1, bottom - 1, right - 1])


@seeded("Conv", resizes=True)
def stride_1_for_2(draft: Draft, node: Node) -> None:
    require(attribute(node, "strides") == [2, 2], "the stride is not 2")
    set_attribute(node, "strides", [1, 1])


@seeded("Conv", resizes=True)
def stride_2_for_1(draft: Draft, node: Node) -> None:
    require(attribute(node, "strides") == [1, 1], "the stride is not 1")
    require(max(draft.shape(node.output[0])[2:]) > 1, "there is one position only")
    set_attribute(node, "strides", [2, 2])


@seeded("Conv", resizes=True)
def stride_of_one_axis_lost(draft: Draft, node: Node) -> None:
    require(max(attribute(node, "strides")) > 1, "the stride is 1")
    set_attribute(node, "strides", [attribute(node, "strides")[0], 1])


@seeded("Conv")
def dilation_2_for_1(draft: Draft, node: Node) -> None:
    """With the padding that keeps the size."""
    kernel, pads = attribute(node, "kernel_shape"), attribute(node, "pads")
    require(kernel[0] == kernel[1] and kernel[0] % 2 == 1 and kernel[0] > 1, "the kernel is not odd and square")
    require(attribute(node, "dilations") == [1, 1], "it is dilated already")
    set_attribute(node, "dilations", [2, 2])
    set_attribute(node, "pads", [pad + kernel[0] // 2 for pad in pads])


@seeded("Conv")
def groups_lost(draft: Draft, node: Node) -> None:
    """One group, whose weights are those of the groups side by side: every channel sees all others."""
    groups = attribute(node, "group")
    require(groups > 1, "one group")
    draft.store(node.input[1], np.tile(_weight(draft, node), (1, groups, 1, 1)))
    set_attribute(node, "group", 1)


@seeded("Conv")
def two_groups_for_one(draft: Draft, node: Node) -> None:
    weight = _weight(draft, node)
    require(attribute(node, "group") == 1, "it is grouped already")
    require(weight.shape[0] % 2 == 0 and weight.shape[1] % 2 == 0, "the channels cannot be halved")
    draft.store(node.input[1], weight[:, : weight.shape[1] // 2])
    set_attribute(node, "group", 2)


@seeded("Conv")
def groups_in_another_order(draft: Draft, node: Node) -> None:
    groups, weight = attribute(node, "group"), _weight(draft, node)
    require(groups > 1, "one group")
    draft.store(node.input[1], np.roll(weight, len(weight) // groups, axis=0))

"""Bugs in pooling."""

from __future__ import annotations

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto
ONE_PIXEL = "it pools one pixel"


def _size(draft: Draft, node: Node) -> tuple[int, int]:
    height, width = draft.shape(node.input[0])[2:]
    require(height * width > 1, ONE_PIXEL)
    return height, width


@seeded("MaxPool")
def average_for_max_pool(draft: Draft, node: Node) -> None:
    given = {name: attribute(node, name) for name in ("kernel_shape", "strides", "pads")}
    draft.become(node, "AveragePool", **given)


@seeded("AveragePool")
def max_for_average_pool(draft: Draft, node: Node) -> None:
    given = {name: attribute(node, name) for name in ("kernel_shape", "strides", "pads")}
    draft.become(node, "MaxPool", **given)


@seeded("GlobalAveragePool")
def max_for_global_average_pool(draft: Draft, node: Node) -> None:
    _size(draft, node)
    draft.become(node, "GlobalMaxPool")


@seeded("GlobalAveragePool")
def sum_for_global_average_pool(draft: Draft, node: Node) -> None:
    _size(draft, node)
    axes = draft.store(f"{node.name}/axes", np.array([2, 3], np.int64))
    draft.become(node, "ReduceSum", node.input[0], axes, keepdims=1)


@seeded("GlobalAveragePool")
def global_pool_over_one_axis(draft: Draft, node: Node) -> None:
    """The mean of the first column alone."""
    height, width = _size(draft, node)
    require(width > 1, "there is one column")
    draft.become(node, "AveragePool", kernel_shape=[height, 1], strides=[1, width])


@seeded("GlobalAveragePool")
def global_pool_with_a_fixed_window(draft: Draft, node: Node) -> None:
    """A window one pixel too small, where the size was taken from another input."""
    height, width = _size(draft, node)
    require(min(height, width) > 1, "no smaller window")
    draft.become(node, "AveragePool", kernel_shape=[height - 1, width - 1], strides=[height, width])


@seeded("MaxPool", "AveragePool", resizes=True)
def pool_padding_lost(draft: Draft, node: Node) -> None:
    require(max(attribute(node, "pads")) > 0, "no padding")
    set_attribute(node, "pads", [0, 0, 0, 0])


@seeded("MaxPool", "AveragePool")
def pool_padding_shifted(draft: Draft, node: Node) -> None:
    top, left, bottom, right = attribute(node, "pads")
    require(min(bottom, right) > 0, "no padding at the end")
    set_attribute(node, "pads", [top + 1, left + 1, bottom - 1, right - 1])


@seeded("MaxPool", "AveragePool")
def pool_window_one_less(draft: Draft, node: Node) -> None:
    """With one pixel less of padding at the beginning, where there is some, or the last pixel of a window left out."""
    kernel, strides, pads = (attribute(node, name) for name in ("kernel_shape", "strides", "pads"))
    require(min(kernel) > 1, "the window is one pixel")
    size, count = draft.shape(node.input[0])[2:], draft.shape(node.output[0])[2:]
    ends = [(count[axis] - 1) * strides[axis] + kernel[axis] - 1 - pads[axis] - size[axis] for axis in (0, 1)]
    require(min(ends) > -max(strides), "the sizes would differ")
    set_attribute(node, "kernel_shape", [side - 1 for side in kernel])
    set_attribute(node, "pads", [*pads[:2], *(max(end, 0) for end in ends)])


@seeded("MaxPool", resizes=True)
def pool_stride_1_for_2(draft: Draft, node: Node) -> None:
    require(attribute(node, "strides") == [2, 2], "the stride is not 2")
    set_attribute(node, "strides", [1, 1])


@seeded("MaxPool", resizes=True)
def pool_stride_3_for_2(draft: Draft, node: Node) -> None:
    require(attribute(node, "strides") == [2, 2], "the stride is not 2")
    require(max(draft.shape(node.output[0])[2:]) > 1, "there is one window only")
    set_attribute(node, "strides", [3, 3])


@seeded("MaxPool", "AveragePool", resizes=True)
def ceil_mode_lost(draft: Draft, node: Node) -> None:
    """The overhang of the last window is not padded."""
    top, left, bottom, right = attribute(node, "pads")
    require((bottom, right) != (top, left), "no window hangs over")
    set_attribute(node, "pads", [top, left, top, left])


@seeded("MaxPool", resizes=True)
def ceil_mode_added(draft: Draft, node: Node) -> None:
    kernel, strides, pads = (attribute(node, name) for name in ("kernel_shape", "strides", "pads"))
    size = draft.shape(node.input[0])[2:]
    rests = [(size[a] + pads[a] + pads[a + 2] - kernel[a]) % strides[a] for a in (0, 1)]
    require(max(rests) > 0, "the windows end with the image, so rounding up changes nothing")
    set_attribute(node, "ceil_mode", 1)


@seeded("AveragePool")
def count_include_pad_lost(draft: Draft, node: Node) -> None:
    require(attribute(node, "count_include_pad") == 1, "padding does not count")
    set_attribute(node, "count_include_pad", 0)


@seeded("AveragePool")
def count_include_pad_added(draft: Draft, node: Node) -> None:
    require(attribute(node, "count_include_pad") == 0, "padding counts")
    require(max(attribute(node, "pads")) > 0, "no padding that could count")
    set_attribute(node, "count_include_pad", 1)

"""Bugs in what resizes and moves pixels."""

from __future__ import annotations

import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto


def _is(node: Node, name: str, value: str) -> bool:
    return bool(attribute(node, name) == value.encode())


@seeded("Resize")
def align_corners_lost(draft: Draft, node: Node) -> None:
    require(_is(node, "coordinate_transformation_mode", "align_corners"), "no corners are aligned")
    set_attribute(node, "coordinate_transformation_mode", "half_pixel")


@seeded("Resize")
def corners_aligned(draft: Draft, node: Node) -> None:
    require(_is(node, "coordinate_transformation_mode", "half_pixel"), "corners are aligned, or count nothing")
    set_attribute(node, "coordinate_transformation_mode", "align_corners")


@seeded("Resize")
def pixels_without_their_middle(draft: Draft, node: Node) -> None:
    require(_is(node, "coordinate_transformation_mode", "half_pixel"), "no middles are counted from")
    set_attribute(node, "coordinate_transformation_mode", "asymmetric")


@seeded("Resize")
def nearest_pixel_rounded_up(draft: Draft, node: Node) -> None:
    require(_is(node, "mode", "nearest"), "it mixes pixels")
    set_attribute(node, "nearest_mode", "ceil")


@seeded("Resize")
def linear_for_cubic(draft: Draft, node: Node) -> None:
    require(_is(node, "mode", "cubic"), "it is not cubic")
    set_attribute(node, "mode", "linear")


@seeded("Resize")
def cubic_of_another_framework(draft: Draft, node: Node) -> None:
    require(_is(node, "mode", "cubic"), "it is not cubic")
    set_attribute(node, "cubic_coeff_a", -0.5)


@seeded("Concat")
def roll_missing(draft: Draft, node: Node) -> None:
    """The two parts in the order in which they were."""
    producers = [draft.producer(name) for name in node.input]
    require(len(producers) == 2 and all(p is not None and p.op_type == "Slice" for p in producers), "nothing is rolled")
    first, second = node.input
    node.input[:] = [second, first]


@seeded("DepthToSpace")
def channels_in_the_order_of_another_framework(draft: Draft, node: Node) -> None:
    set_attribute(node, "mode", "DCR")


@seeded("ReduceMax")
def least_for_largest(draft: Draft, node: Node) -> None:
    draft.become(node, "ReduceMin", *node.input, keepdims=attribute(node, "keepdims"))

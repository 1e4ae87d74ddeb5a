"""Bugs in what resizes and moves pixels."""

from __future__ import annotations

import numpy as np
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


def _order(draft: Draft, node: Node) -> list[int]:
    """The order in which a Gather takes all elements of an axis."""
    require(draft.is_initializer(node.input[1]), "it takes no constant order")
    order = draft.array(node.input[1]).tolist()
    require(isinstance(order, list) and sorted(order) == list(range(len(order))), "nothing is rolled")
    return list(order)


@seeded("Gather")
def roll_missing(draft: Draft, node: Node) -> None:
    """The elements in the order in which they were."""
    draft.store(node.input[1], np.array(sorted(_order(draft, node))))


@seeded("Gather")
def roll_the_other_way(draft: Draft, node: Node) -> None:
    """The shift with the other sign."""
    order = _order(draft, node)
    shift = order[0]
    turned = [(place - shift) % len(order) for place in range(len(order))]
    require(turned != order, "both ways are one")
    draft.store(node.input[1], np.array(turned))


@seeded("DepthToSpace")
def channels_in_the_order_of_another_framework(draft: Draft, node: Node) -> None:
    set_attribute(node, "mode", "DCR")


@seeded("ReduceMax")
def least_for_largest(draft: Draft, node: Node) -> None:
    draft.become(node, "ReduceMin", *node.input, keepdims=attribute(node, "keepdims"))

"""Bugs in activations and local response norms."""

from __future__ import annotations

import numpy as np
import onnx

from tests.campaigns.bugs.catalogue import seeded
from tests.campaigns.bugs.draft import Draft, attribute, require, set_attribute

Node = onnx.NodeProto


@seeded("Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid")
def activation_missing(draft: Draft, node: Node) -> Node:
    """Readers see the value before it. The node itself is gone, and its value with it."""
    draft.bypass(node, node.input[0])
    return node


@seeded("Conv", "Gemm", "Add")
def activation_where_none_was(draft: Draft, node: Node) -> None:
    readers = draft.consumers(node.output[0])
    require(all(reader.op_type not in ("Relu", "Clip") for reader in readers), "its values are cut at zero anyway")
    draft.insert_after(node, "Relu")


@seeded("Relu")
def leaky_relu_for_relu(draft: Draft, node: Node) -> None:
    draft.become(node, "LeakyRelu", alpha=0.01)


@seeded("Relu")
def elu_for_relu(draft: Draft, node: Node) -> None:
    draft.become(node, "Elu", alpha=1.0)


@seeded("Relu")
def absolute_value_for_relu(draft: Draft, node: Node) -> None:
    draft.become(node, "Abs")


@seeded("Relu")
def relu6_for_relu(draft: Draft, node: Node) -> None:
    """Cut at 1 to be sure that it matters: how far values reach is the weights' affair."""
    low, high = draft.store(f"{node.name}/low", np.float32(0)), draft.store(f"{node.name}/high", np.float32(1))
    draft.become(node, "Clip", node.input[0], low, high)


@seeded("Clip")
def clip_without_upper_bound(draft: Draft, node: Node) -> None:
    del node.input[2]


@seeded("Clip")
def clip_without_lower_bound(draft: Draft, node: Node) -> None:
    node.input[1] = ""


@seeded("Clip")
def clip_at_another_bound(draft: Draft, node: Node) -> None:
    node.input[2] = draft.store(f"{node.name}/bound", np.float32(5))


@seeded("Sigmoid")
def hard_sigmoid_for_sigmoid(draft: Draft, node: Node) -> None:
    draft.become(node, "HardSigmoid", alpha=1 / 6, beta=0.5)


@seeded("HardSigmoid")
def hard_sigmoid_with_the_default_slope(draft: Draft, node: Node) -> None:
    """ONNX's default slope is 0.2, PyTorch's is a sixth."""
    require(abs(attribute(node, "alpha") - 0.2) > 1e-3, "the slope is ONNX's default")
    set_attribute(node, "alpha", 0.2)


@seeded("HardSigmoid")
def sigmoid_for_hard_sigmoid(draft: Draft, node: Node) -> None:
    draft.become(node, "Sigmoid")


@seeded("HardSwish")
def hard_sigmoid_for_hard_swish(draft: Draft, node: Node) -> None:
    draft.become(node, "HardSigmoid", alpha=1 / 6, beta=0.5)


@seeded("HardSwish")
def relu_for_hard_swish(draft: Draft, node: Node) -> None:
    draft.become(node, "Relu")


@seeded("LRN")
def lrn_alpha_multiplied_by_the_size(draft: Draft, node: Node) -> None:
    set_attribute(node, "alpha", attribute(node, "alpha") * attribute(node, "size"))


@seeded("LRN")
def lrn_alpha_divided_by_the_size(draft: Draft, node: Node) -> None:
    set_attribute(node, "alpha", attribute(node, "alpha") / attribute(node, "size"))


@seeded("LRN")
def lrn_over_too_few_channels(draft: Draft, node: Node) -> None:
    size = attribute(node, "size")
    require(size > 2, "the window is as small as can be")
    set_attribute(node, "size", size - 2)


@seeded("LRN")
def lrn_with_another_exponent(draft: Draft, node: Node) -> None:
    set_attribute(node, "beta", 0.5)


@seeded("LRN")
def lrn_with_the_default_constant(draft: Draft, node: Node) -> None:
    require(attribute(node, "bias") != 1.0, "the constant is the default")
    set_attribute(node, "bias", 1.0)

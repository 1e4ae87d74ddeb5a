"""Branches, conditions, outputs and auxiliary heads."""

import pytest

from archc.ir.printer import print_graph
from tests.elaborate.specs import compiled, layers, paths


def test_branches_share_their_input_and_are_joined_from_left_to_right() -> None:
    graph = layers("""\
        - tanh
        - concat:
            - relu
            - identity
            - [relu: {name: a}, sigmoid: {name: b}]
            - none
        - product: [none, relu]
        - sum: [identity, identity]
        """)
    assert (
        print_graph(graph)
        == """\
graph net
  input: float32[batch, 3, 32, 32]
  tanh    = tanh(input)           : float32[batch, 3, 32, 32]
  relu    = relu(tanh)            : float32[batch, 3, 32, 32]
  a       = relu(tanh)            : float32[batch, 3, 32, 32]
  b       = sigmoid(a)            : float32[batch, 3, 32, 32]
  :concat = concat(relu, tanh, b) : float32[batch, 9, 32, 32]
  relu_1  = relu(:concat)         : float32[batch, 9, 32, 32]
  :sum    = sum(relu_1, relu_1)   : float32[batch, 9, 32, 32]
  return output = :sum
"""
    )


SHORTCUT = """\
- conv2d: {out_channels: $width, kernel_size: 1}
- residual: {stride: $stride}
"""
RESIDUAL = """\
parameters: {width: int = 4, stride: int = 1}
blocks:
  residual:
    parameters: {stride: int}
    layers:
      - sum:
          - max_pool2d: {kernel_size: 1, stride: $stride}
          - when: $stride == 1 and $in_channels > 2
            then: identity
            else: none
      - when: not ($stride == 1 or $in_channels == 4)
        then: [sigmoid, tanh]
"""


@pytest.mark.parametrize(
    ("width", "stride", "body"),
    [
        ("4", "1", ["residual.max_pool2d", "residual:sum"]),
        ("4", "2", ["residual.max_pool2d"]),
        ("2", "1", ["residual.max_pool2d"]),
        ("2", "2", ["residual.max_pool2d", "residual.sigmoid", "residual.tanh"]),
    ],
)
def test_a_condition_chooses_items_and_branches(width: str, stride: str, body: list[str]) -> None:
    assert paths(layers(SHORTCUT, RESIDUAL, width=width, stride=stride))[1:] == body


def test_the_last_value_is_the_first_output_and_others_follow_in_order() -> None:
    graph = layers("- relu\n- output: low\n- tanh\n- output: middle\n- sigmoid")
    assert [(o.name, o.value.name) for o in graph.outputs] == [
        ("output", "sigmoid"),
        ("low", "relu"),
        ("middle", "tanh"),
    ]


def test_an_output_at_the_end_renames_the_first() -> None:
    graph = layers("- relu\n- output: low\n- tanh\n- output: logits\n")
    assert [(o.name, o.value.name) for o in graph.outputs] == [("logits", "tanh"), ("low", "relu")]


def test_an_auxiliary_head_is_an_output_in_training_only_and_does_not_change_the_main_path() -> None:
    graph = layers("""\
        - relu
        - aux: {side: [flatten, linear: 2]}
        - tanh
        - aux: {conv2d: {name: mask, out_channels: 1, kernel_size: 1}}
        - sigmoid
        """)
    assert [(o.name, o.value.name, o.training_only) for o in graph.outputs] == [
        ("output", "sigmoid", False), ("side", "side.1", True), ("mask", "mask", True),
    ]  # fmt: skip
    assert [value.name for node in graph.nodes if node.path == "tanh" for value in node.inputs] == ["relu"]


DYNAMIC = """\
name: net
input: {channels: 3, height: {min: 16, opt: 32, max: 64}, width: 32, batch: {min: 2, opt: 4, max: 16}}
layers:
  - conv2d: {out_channels: 4, kernel_size: 3, stride: 2}
  - mean: {dim: [2, 3]}
  - linear: 2
"""


def test_a_dynamic_size_flows_through_the_network() -> None:
    graph = compiled(DYNAMIC)
    batch, _, height, _ = graph.input.type.shape
    assert not isinstance(batch, int)
    assert not isinstance(height, int)
    assert (batch.minimum, batch.optimum, batch.maximum) == (2, 4, 16)
    assert (height.minimum, height.optimum, height.maximum) == (16, 32, 64)
    assert [str(node.output.type) for node in graph.nodes] == [
        "float32[batch, 4, (height - 1)//2, 15]", "float32[batch, 4]", "float32[batch, 2]",
    ]  # fmt: skip

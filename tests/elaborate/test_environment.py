"""The sizes of the value where an item stands, as names in expressions."""

import pytest

from archc.ir.graph import Graph
from archc.operators.linear import Linear
from archc.operators.normalization import GroupNorm
from tests.elaborate.specs import compiled, layers


def widths(graph: Graph) -> list[int]:
    """The outputs of the linear layers."""
    return [node.operator.out_features for node in graph.nodes if isinstance(node.operator, Linear)]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("[linear: $channels + $features]", [35]),
        ("[max_pool2d: {kernel_size: [2, 4]}, linear: 100 * $height + $width]", [1608]),
        (
            "[flatten: {start_dim: 2}, linear: $tokens, linear: $features * 10 + $channels, linear: $length]",
            [3, 33, 33],
        ),
        ("[flatten, linear: $channels, linear: $features]", [3072, 3072]),
    ],
)
def test_sizes_are_those_of_the_axes(items: str, expected: list[int]) -> None:
    assert widths(layers(items)) == expected


def test_each_item_and_each_copy_sees_its_own_input() -> None:
    graph = layers("[linear: 4 * $features, linear: $features // 4, linear: {count: 3, out_features: 2 * $features}]")
    assert widths(graph) == [128, 32, 64, 128, 256]


def test_conditions_counts_and_names_see_the_value_too() -> None:
    graph = layers("""\
        - linear: 2
        - when: $features == 2
          then: {linear: {count: $features, out_features: 3, name: to-$features-$n}}
        - sum:
            - {when: $features == 3, then: {linear: 5}, else: none}
            - {when: $features == 5, then: {linear: 5}, else: {linear: 5}}
    """)
    assert widths(graph) == [2, 3, 3, 5, 5]
    assert [node.path for node in graph.nodes][1:3] == ["to-2-1", "to-3-2"]


def test_a_block_has_its_input_under_let_and_its_items_their_own() -> None:
    head = """\
        blocks:
          mlp:
            let: {hidden: 2 * $features}
            layers: [linear: $hidden, linear: $features + $in_features, linear: $in_features]
    """
    assert widths(layers("[mlp]", head)) == [64, 96, 32]


def test_what_a_block_or_network_defines_goes_before_a_size() -> None:
    head = """\
        parameters: {height: int = 7}
        blocks:
          given: {parameters: {features: int}, layers: [linear: $features, linear: $features + $width]}
          derived: {let: {width: 5}, layers: [linear: $width]}
    """
    assert widths(layers("[linear: $height, given: 9, derived]", head)) == [7, 9, 18, 5]


def test_a_layer_that_is_given_sees_the_value_that_it_is_applied_to() -> None:
    head = "defaults: {group_norm: {num_groups: $channels // 4}}"
    given = "norm: {group_norm: {num_groups: $channels // 8}}"
    graph = layers(
        f"[conv_norm_act: {{out_channels: 64, {given}}}, group_norm, basic: {{width: 8, norm: group_norm}}]", head
    )
    groups = [node.operator.num_groups for node in graph.nodes if isinstance(node.operator, GroupNorm)]
    assert groups == [8, 16, 2, 2, 2]


def test_a_dynamic_size_is_no_obstacle_where_it_is_not_used() -> None:
    graph = compiled("""\
        name: net
        input: {channels: 3, height: {min: 8, opt: 16, max: 32}, width: 16}
        blocks: {mine: {let: {n: $channels}, layers: [linear: $n + $width]}}
        layers:
          - mine
          - linear: 2 if $width > 1 else $height
    """)
    assert widths(graph) == [19, 2]

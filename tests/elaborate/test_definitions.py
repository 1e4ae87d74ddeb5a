"""Blocks defined in YAML: bodies, signatures, what they see, and ramps."""

from pathlib import Path

import pytest

from archc.operators.convolution import Conv2d
from archc.operators.regularization import Dropout, StochasticDepth
from tests.elaborate.specs import HEAD, compiled, keys, layers, paths

BODIES = """\
blocks:
  tower: {layers: [{conv2d: {out_channels: 4, kernel_size: 1}}, relu]}
  chain: {sequence: [{conv2d: {out_channels: 4, kernel_size: 1}}, relu]}
  pieces: {inline: [{conv2d: {out_channels: 4, kernel_size: 1}}, relu]}
"""


def test_a_body_is_a_module_with_attributes_a_numbered_one_or_none() -> None:
    graph = layers("[tower, chain, pieces, {features: [pieces, tanh]}]", BODIES)
    assert paths(graph) == [
        "tower.conv2d", "tower.relu", "chain.0", "chain.1", "conv2d", "relu",
        "features.0", "features.1", "features.2",
    ]  # fmt: skip
    assert [(scope.path, scope.class_name) for scope in graph.scopes] == [
        ("", "Net"), ("tower", "Tower"), ("chain", "Chain"), ("features", "Sequential"),
    ]  # fmt: skip


def test_a_block_sees_its_parameters_its_derived_values_and_its_input() -> None:
    graph = layers(
        """\
        - conv2d: {out_channels: 6, kernel_size: 1}
        - mix: {kernel: [3, 5], expand: 2}
        - flatten
        - narrow_to: 4
        """,
        """\
        blocks:
          mix:
            parameters: {expand: int, kernel: size = 3, bias: bool = false}
            let: {hidden: $in_channels * $expand, padding: $kernel // 2}
            layers:
              - conv2d: {out_channels: $hidden, kernel_size: $kernel, padding: $padding, bias: $bias}
          narrow_to:
            parameters: {divisor: int}
            layers:
              - linear: $in_features // $divisor
        """,
    )
    mix = graph.nodes[1].operator
    assert mix == Conv2d(out_channels=12, kernel_size=(3, 5), padding=(1, 2), bias=False)
    assert graph.nodes[-1].output.type.shape[1:] == (12 * 32 * 32 // 4,)


def test_a_layer_parameter_carries_its_fields_and_sees_the_caller_s_values() -> None:
    graph = layers(
        "- outer: {slope: 0.25}",
        """\
        blocks:
          outer:
            parameters: {slope: float}
            layers:
              - inner: {activation: {leaky_relu: {negative_slope: $slope}}}
              - inner: {activation: none}
              - inner
          inner: {parameters: {activation: layer = tanh}, layers: [sigmoid, $activation]}
        """,
    )
    assert paths(graph) == [
        "outer.inner.sigmoid", "outer.inner.leaky_relu", "outer.inner_1.sigmoid",
        "outer.inner_2.sigmoid", "outer.inner_2.tanh",
    ]  # fmt: skip
    assert graph.nodes[1].operator.attributes() == {"negative_slope": 0.25}


def test_a_spec_s_own_block_comes_before_a_built_in_one_of_that_name() -> None:
    assert paths(layers("- basic", "blocks: {basic: {layers: [tanh]}}")) == ["basic.tanh"]


def test_shared_blocks_are_found_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "shared.yaml").write_text("blocks: {twice: {parameters: {n: int = 2}, layers: [{relu: {count: $n}}]}}")
    text = f"{HEAD}use: [shared.yaml]\nlayers: [twice]\n"
    assert paths(compiled(text, tmp_path)) == ["twice.relu", "twice.relu_1"]


RAMPS = """\
ramps:
  rise: {blocks: [a, b], start: 0.0, stop: 0.5}
  open: {blocks: [a], start: 0.1, stop: 0.4, endpoint: false}
blocks:
  a: {layers: [{dropout: $rise}, {stochastic_depth: $open}]}
  b: {layers: [{dropout: $rise}]}
"""


def test_a_ramp_is_spaced_evenly_over_all_uses_of_its_blocks() -> None:
    graph = layers("[a, {b: {count: 2}}, {deep: [{a: {count: 2}}]}, b]", RAMPS)
    rise = [node.operator.p for node in graph.nodes if isinstance(node.operator, Dropout)]
    opened = [node.operator.p for node in graph.nodes if isinstance(node.operator, StochasticDepth)]
    assert rise == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert opened == pytest.approx([0.1, 0.2, 0.3])


def test_a_ramp_over_one_use_starts() -> None:
    (node, _) = layers("- a", RAMPS).nodes
    assert node.operator == Dropout(p=0.0)


def test_the_blocks_of_a_spec_give_the_keys_of_a_hand_written_module() -> None:
    graph = layers(
        "- residual: {name: stage, count: 1, width: 4}",
        """\
        blocks:
          residual:
            parameters: {width: int}
            layers:
              - sum:
                  - left:
                      - conv2d: {out_channels: $width, kernel_size: 3, padding: 1}
                      - batch_norm
                  - right: [{conv2d: {out_channels: $width, kernel_size: 1, bias: false}}]
        """,
    )
    assert [key for key in keys(graph) if key.endswith("weight")] == [
        "stage.0.left.0.weight", "stage.0.left.1.weight", "stage.0.right.0.weight",
    ]  # fmt: skip


def test_a_ramp_may_decide_about_what_changes_neither_its_uses_nor_a_shape() -> None:
    graph = layers(
        "- outer: {count: 3}",
        """\
        ramps: {rate: {blocks: [outer], start: 0.0, stop: 0.4}}
        blocks:
          outer: {layers: [dropout: $rate, {when: $rate > 0.1, then: {relu: {name: act}}}]}
        """,
    )
    assert paths(graph) == ["outer.dropout", "outer_1.dropout", "outer_1.act", "outer_2.dropout", "outer_2.act"]

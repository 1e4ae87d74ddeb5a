"""How items get the names that become `state_dict` keys (LANGUAGE: "Names")."""

from pathlib import Path

import pytest

from archc.ir.printer import print_graph
from archc.spec.loading import resolved_text
from tests.elaborate.specs import HEAD, compiled, keys, layers, paths


def test_an_unnamed_item_has_its_callee_s_word_and_its_siblings_are_counted() -> None:
    assert paths(layers("[relu, tanh, relu, {relu: {name: relu_2}}, relu, {sigmoid: {name: tanh_1}}, tanh]")) == [
        "relu", "tanh", "relu_1", "relu_2", "relu_3", "tanh_1", "tanh_2",
    ]  # fmt: skip


def test_in_a_sequence_every_item_takes_a_position_named_or_not() -> None:
    graph = layers("""\
        - features:
            - relu
            - tanh: {name: middle}
            - sequence: [relu, tanh]
            - relu: {count: 2}
            - identity
            - sum: [sigmoid, identity]
            - when: true
              then: [silu, identity, mish]
            - when: false
              then: relu6
            - relu
        - sequence: [elu]
        """)
    assert paths(graph) == [
        "features.0", "features.middle", "features.2.0", "features.2.1", "features.3", "features.4",
        "features.5", "features:sum", "features.6", "features.7", "features.8", "sequence.0",
    ]  # fmt: skip


def test_names_in_a_branch_belong_to_the_scope_around_it() -> None:
    graph = layers("""\
        - concat:
            - conv2d: {name: left, out_channels: 2, kernel_size: 1}
            - [relu, right: [tanh]]
            - sum:
                - relu
                - identity
        """)
    assert paths(graph) == ["left", "relu", "right.0", "relu_1", ":sum", ":concat"]


def test_copies_are_numbered_below_a_plain_name() -> None:
    graph = layers("""\
        - relu: {name: a, count: 2}
        - basic: {name: layer1, count: 1, width: 3}
        - basic: {name: alone, width: 3}
        """)
    assert paths(graph)[:3] == ["a.0", "a.1", "layer1.0.conv1"]
    assert [scope.path for scope in graph.scopes] == ["", "a", "layer1", "layer1.0", "alone"]


def test_a_template_names_each_copy() -> None:
    graph = layers("- relu: {name: a-$i, count: 2}\n- relu: {name: b$n, count: 2}\n- relu: {name: c.$i.act, count: 2}")
    assert paths(graph) == ["a-0", "a-1", "b1", "b2", "c.0.act", "c.1.act"]


def test_the_stride_goes_to_the_first_copy_of_a_block_and_to_every_copy_of_an_operator() -> None:
    graph = layers("""\
        - basic: {name: layer1, count: 2, width: 4, stride: 2}
        - max_pool2d: {name: pool, count: 2, kernel_size: 2, stride: 2}
        """)
    sizes = {node.path: node.output.type.shape[2] for node in graph.nodes}
    assert [sizes[path] for path in ("layer1.0.conv1", "layer1.1.conv1", "pool.0", "pool.1")] == [
        16,
        16,
        8,
        4,
    ]


def test_the_counters_of_a_call_are_not_seen_by_the_calls_inside_it() -> None:
    blocks = """\
        blocks:
          outer: {layers: [{relu: {name: r$i}}, inner]}
          inner: {layers: [{relu: {name: q$n}}]}
        """
    assert paths(layers("- outer: {name: x$n, count: 2}", blocks)) == [
        "x1.r0",
        "x1.inner.q1",
        "x2.r1",
        "x2.inner.q1",
    ]


def test_the_pieces_of_a_network_share_their_names() -> None:
    from tests.elaborate.specs import HEAD, compiled

    assert paths(compiled(f"{HEAD}stem: [relu]\nstages: [relu]\nhead: [relu]\n")) == [
        "relu",
        "relu_1",
        "relu_2",
    ]


def test_keys_are_paths_with_the_tensor_s_name() -> None:
    graph = layers("""\
        - features:
            - conv2d: {out_channels: 4, kernel_size: 3, bias: false}
            - batch_norm: {name: norm.inner}
        """)
    assert keys(graph) == [
        "features.0.weight", "features.norm.inner.weight", "features.norm.inner.bias",
        "features.norm.inner.running_mean", "features.norm.inner.running_var",
        "features.norm.inner.num_batches_tracked",
    ]  # fmt: skip


def test_the_network_s_input_leaves_its_name_to_sequences_and_to_what_they_hold() -> None:
    assert paths(layers("- input: [relu]\n- deep: [relu: {name: input}]")) == ["input.0", "deep.input"]


def test_an_identity_with_a_name_is_a_module_and_counts() -> None:
    graph = layers("- features: [relu, {identity: {name: here}}, {identity: {}}, tanh]\n- identity\n- identity: {}")
    assert paths(graph) == ["features.0", "features.here", "features.2", "features.3", "identity"]


STRIDED = """\
blocks:
  asks: {parameters: {stride: int}, inline: [max_pool2d: {kernel_size: 1, stride: $stride}]}
  halves: {parameters: {stride: int = 2}, inline: [max_pool2d: {kernel_size: 1, stride: $stride}]}
  once: {parameters: {stride: size = 1}, inline: [max_pool2d: {kernel_size: 1, stride: $stride}]}
  named: {parameters: {stride: layer = relu}, inline: [$stride]}
defaults: {once: {stride: 2}, basic: {stride: 2}}
"""


@pytest.mark.parametrize("item", ["asks: {count: 3, stride: 2}", "halves: {count: 3}", "once: {count: 3}"])
def test_every_copy_of_a_block_but_the_first_has_stride_1_wherever_the_stride_comes_from(item: str) -> None:
    assert [node.output.type.shape[2] for node in layers(f"- {item}", STRIDED).nodes] == [16, 16, 16]


def test_a_default_stride_of_a_built_in_block_goes_to_the_first_copy_only() -> None:
    assert layers("- basic: {count: 2, width: 4}", STRIDED).nodes[-1].output.type.shape[2] == 16


def test_a_parameter_called_stride_that_is_no_number_goes_to_every_copy() -> None:
    assert paths(layers("- named: {count: 2, stride: tanh}", STRIDED)) == ["tanh", "tanh_1"]


def test_a_name_is_what_was_written_and_stays_it_when_the_spec_is_resolved(tmp_path: Path) -> None:
    text = f"{HEAD}layers:\n  - sequence: [relu: {{name: 010}}, tanh: {{name: False}}, relu: {{name: 0x1F}}]\n"
    text = text.replace("name: net", "name: True")
    (tmp_path / "net.yaml").write_text(text)
    graph, again = compiled(text), compiled(resolved_text(tmp_path / "net.yaml", {}))
    assert paths(graph) == ["sequence.010", "sequence.False", "sequence.0x1F"]
    assert (graph.name, print_graph(again)) == ("True", print_graph(graph))


def test_a_scope_has_its_items_as_attributes_wherever_it_stands() -> None:
    graph = layers("""\
        - stem: {layers: [linear: {name: fc, out_features: 3}, relu]}
        - stages: [relu, stem: {layers: [linear: 2]}]
        - sum: [{left.arm: {layers: [linear: 2]}}, {down: {layers: [{inner: {layers: [linear: 2]}}]}}]
        - aux: {head: {layers: [flatten, linear: {name: fc, out_features: 5}]}}
    """)
    assert keys(graph)[::2] == [
        "stem.fc.weight", "stages.stem.linear.weight", "left.arm.linear.weight", "down.inner.linear.weight",
        "head.fc.weight",
    ]  # fmt: skip
    scopes = {scope.path: (scope.class_name, scope.sequence) for scope in graph.scopes if scope.path}
    assert scopes == {
        "stem": ("Stem", False), "stages": ("Sequential", True), "stages.stem": ("Stem", False),
        "left.arm": ("LeftArm", False), "down": ("Down", False), "down.inner": ("Inner", False),
        "head": ("Head", False),
    }  # fmt: skip
    assert [output.name for output in graph.outputs] == ["output", "head"]


def test_a_layer_that_is_given_has_the_name_that_the_item_says() -> None:
    head = """\
        blocks:
          unit:
            parameters: {norm: layer = batch_norm}
            layers: [$norm: {name: bn$n}, $norm, $norm: {name: down.bn}]
    """
    assert paths(layers("- unit: {count: 2}", head))[::2] == ["unit.bn1", "unit.down.bn", "unit_1.batch_norm"]
    assert keys(layers("- unit: {norm: {conv_norm_act: {out_channels: 2}}}", head))[0] == "unit.bn1.0.weight"
    assert paths(layers("[unit: {norm: none}, tanh]", head)) == ["tanh"]


def test_a_head_may_be_a_layer_that_is_given() -> None:
    graph = layers("[relu, aux: {$head: {name: side}}, tanh]", "parameters: {head: layer = flatten}")
    assert [output.name for output in graph.outputs] == ["output", "side"]

"""Fields of calls: short forms, defaults, parameters, initializers, and what is refused, as whole text."""

import pytest

from archc.diagnostics import SpecError, UsageError
from archc.ir.initializers import Constant, KaimingNormal, KaimingUniform, Normal, Ones, Zeros
from archc.operators.activation import LeakyRelu
from archc.operators.convolution import Conv2d
from archc.operators.normalization import BatchNorm, GroupNorm
from tests.elaborate.specs import layers, paths, refusal


def test_the_scalar_of_a_call_is_its_first_field() -> None:
    graph = layers("[{leaky_relu: 0.2}, {conv2d: {out_channels: 2, kernel_size: [1, 3]}}, flatten, {linear: 5}]")
    assert graph.nodes[0].operator == LeakyRelu(negative_slope=0.2)
    assert graph.nodes[1].operator == Conv2d(out_channels=2, kernel_size=(1, 3))
    assert graph.nodes[3].output.type.shape[1:] == (5,)


def test_what_is_inferred_may_be_declared() -> None:
    declared = "- conv2d: {out_channels: 2, kernel_size: 1, in_channels: 3}\n- batch_norm: {num_features: 2}"
    assert paths(layers(declared)) == ["conv2d", "batch_norm"]


def test_an_unknown_block() -> None:
    assert (
        refusal("- basik: {width: 64}")
        == """\
net.yaml:4:5: error[unknown-block]: there is no operator or block 'basik'
  |
4 |   - basik: {width: 64}
  |     ^^^^^
  = help: did you mean 'basic'?
"""
    )


def test_an_unknown_field() -> None:
    assert (
        refusal("- conv2d: {out_channels: 8, kernal_size: 5}")
        == """\
net.yaml:4:31: error[unknown-field]: conv2d has no field 'kernal_size'
  |
4 |   - conv2d: {out_channels: 8, kernal_size: 5}
  |                               ^^^^^^^^^^^
  = help: did you mean 'kernel_size'?
"""
    )


def test_a_wrong_type() -> None:
    assert (
        refusal("- basic: {width: wide}")
        == """\
net.yaml:4:20: error[invalid-value]: basic.width must be an integer, not 'wide'
  |
4 |   - basic: {width: wide}
  |                    ^^^^
"""
    )


def test_a_shape_that_does_not_fit() -> None:
    assert (
        refusal("""\
        - conv2d: {out_channels: 8, kernel_size: 3}
        - flatten
        - linear: {in_features: 100, out_features: 10}
        """)
        == """\
net.yaml:6:27: error[shape-mismatch]: linear declares in_features=100, but receives 7200
  |
6 |   - linear: {in_features: 100, out_features: 10}
  |                           ^^^
  = note: net.yaml:5:5: flatten produces float32[batch, 7200] here
  |
5 |   - flatten
  |     ^^^^^^^
"""
    )


def test_branches_that_cannot_be_added_are_both_shown() -> None:
    assert (
        refusal("""\
        - conv2d: {name: stem, out_channels: 8, kernel_size: 3}
        - sum:
            - conv2d: {out_channels: 8, kernel_size: 3}
            - identity
        """)
        == """\
net.yaml:5:5: error[shape-mismatch]: sum cannot add float32[batch, 8, 28, 28] and float32[batch, 8, 30, 30]
  |
5 |   - sum:
  |     ^^^
  = note: net.yaml:6:9: conv2d produces float32[batch, 8, 28, 28] here
  |
6 |       - conv2d: {out_channels: 8, kernel_size: 3}
  |         ^^^^^^
  = note: net.yaml:4:5: conv2d produces float32[batch, 8, 30, 30] here
  |
4 |   - conv2d: {name: stem, out_channels: 8, kernel_size: 3}
  |     ^^^^^^
"""
    )


def test_a_misfit_inside_a_block_stands_where_the_block_is_used() -> None:
    assert (
        refusal("- basic: {name: a, width: 16, norm: {group_norm: {num_groups: 5}}}")
        == """\
net.yaml:4:65: error[shape-mismatch]: group_norm a.bn1 channels (=16) must be divisible by num_groups (=5)
  |
4 |   - basic: {name: a, width: 16, norm: {group_norm: {num_groups: 5}}}
  |                                                                 ^
  = note: net.yaml:4:5: conv2d produces float32[batch, 16, 32, 32] here
  |
4 |   - basic: {name: a, width: 16, norm: {group_norm: {num_groups: 5}}}
  |     ^^^^^
"""
    )


def test_every_mistake_is_told_in_one_run_and_nothing_that_only_follows_from_another() -> None:
    text = refusal("""\
        - conv2d: {out_channels: 8, kernel_size: three}
        - batch_norm: {eps: true}
        - linear: {in_features: 3}
        - max_pool2d: {kernel_size: [1, 2, 3]}
        - relu: {slope: 1, count: 0}
        - relu: {slope: 1}
        - leaky_relu: {negative_slope: [1, 2]}
        - silu: 3
        - gelu: exact
        - dropout: 1.5
        """)
    assert [line for line in text.splitlines() if "error[" in line] == [
        "net.yaml:4:44: error[invalid-value]: conv2d.kernel_size must be an integer or a list of them, not 'three'",
        "net.yaml:5:23: error[invalid-value]: batch_norm.eps must be a number, not true",
        "net.yaml:6:5: error[missing-field]: linear needs the field 'out_features'",
        "net.yaml:7:31: error[invalid-value]: max_pool2d.kernel_size must have at most 2 entries, not [1, 2, 3]",
        "net.yaml:8:12: error[unknown-field]: relu has no field 'slope'",
        "net.yaml:8:29: error[invalid-value]: count must be an integer of at least 1, not 0",
        "net.yaml:9:12: error[unknown-field]: relu has no field 'slope'",
        "net.yaml:10:34: error[invalid-value]: leaky_relu.negative_slope must be a number, not [1, 2]",
        "net.yaml:11:11: error[unknown-field]: silu takes no value",
        "net.yaml:12:11: error[invalid-value]: gelu.approximate must be 'none' or 'tanh', not 'exact'",
        "net.yaml:13:14: error[invalid-value]: dropout.p must be at most 1.0, not 1.5",
    ]


def test_defaults_replace_what_is_not_written_inside_blocks_too() -> None:
    graph = layers(
        "- batch_norm\n- batch_norm: {eps: 1e-2}\n- basic: {width: 3}",
        "defaults: {batch_norm: {eps: 1e-3}, basic: {activation: tanh}, conv2d: {bias: true}}",
    )
    norms = [node.operator.eps for node in graph.nodes if isinstance(node.operator, BatchNorm)]
    assert norms == [1e-3, 1e-2, 1e-3, 1e-3]
    assert paths(graph)[4] == "basic.tanh"
    biases = [node.operator.bias for node in graph.nodes if isinstance(node.operator, Conv2d)]
    assert biases == [False, False]  # the block writes its own


def test_a_default_s_mistake_is_told_once_where_it_stands() -> None:
    assert (
        refusal("- batch_norm\n- batch_norm", "defaults: {batch_norm: {epsilon: 1e-3}}")
        == """\
net.yaml:3:25: error[unknown-field]: batch_norm has no field 'epsilon'
  |
3 | defaults: {batch_norm: {epsilon: 1e-3}}
  |                         ^^^^^^^
  = help: did you mean 'eps'?
"""
    )


def test_defaults_of_a_word_that_is_none_are_refused() -> None:
    assert (
        refusal("- relu", "defaults: {batch_nrm: {eps: 1e-3}}")
        == """\
net.yaml:3:12: error[unknown-block]: there is no operator or block 'batch_nrm'
  |
3 | defaults: {batch_nrm: {eps: 1e-3}}
  |            ^^^^^^^^^
  = help: did you mean 'batch_norm'?
"""
    )


PARAMETERS = """\
parameters:
  channels: int = 8
  kernel: size = [3, 5]
  slope: float = 1
  bias: bool = false
  norm: layer = batch_norm
  activation: layer = relu
"""
CALLS = """\
- conv2d: {out_channels: $channels * 2, kernel_size: $kernel, bias: $bias}
- $norm
- leaky_relu: $slope
- $activation
- basic: {width: $channels, norm: $norm, activation: $activation}
"""


def test_parameters_have_defaults_and_are_set_by_texts() -> None:
    graph = layers(CALLS, PARAMETERS)
    assert graph.nodes[0].operator == Conv2d(out_channels=16, kernel_size=(3, 5), bias=False)
    assert paths(graph)[1:4] == ["batch_norm", "leaky_relu", "relu"]
    changed = layers(CALLS, PARAMETERS, channels="4", kernel="3", bias="true", norm="none", activation="tanh")
    assert changed.nodes[0].operator == Conv2d(out_channels=8, kernel_size=(3, 3))
    assert paths(changed) == [
        "conv2d", "leaky_relu", "tanh", "basic.conv1", "basic.tanh", "basic.conv2", "basic.downsample.0",
        "basic:sum", "basic.tanh_1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chanels": "4"}, "error[unknown-parameter]: net has no parameter 'chanels'"),
        ({"channels": "4.5"}, "error[invalid-value]: the parameter 'channels' must be an integer, not '4.5'"),
        (
            {"channels": "true"},
            "error[invalid-value]: the parameter 'channels' must be an integer, not 'true'",
        ),
        ({"bias": "1"}, "error[invalid-value]: the parameter 'bias' must be true or false, not '1'"),
        (
            {"kernel": "[1, 2, 3]"},
            "error[invalid-value]: the parameter 'kernel' must be an integer or a pair of them, not '[1, 2, 3]'",
        ),
        (
            {"activation": "3"},
            "error[invalid-value]: the parameter 'activation' must be an operator or block, or none, not '3'",
        ),
    ],
)
def test_a_setting_that_does_not_fit_its_parameter_is_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        layers(CALLS, PARAMETERS, **settings)
    assert str(caught.value).splitlines()[0] == message


def test_a_parameter_without_a_value_is_pointed_at() -> None:
    assert refusal("- linear: $classes", "parameters: {classes: int}").splitlines()[0] == (
        "net.yaml:3:23: error[missing-parameter]: the parameter 'classes' has no value"
    )


def test_a_layer_given_from_outside_that_is_unknown_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        layers("- $activation", "parameters: {activation: layer = relu}", activation="rleu")
    assert (
        f"{caught.value}\n"
        == """\
net.yaml:3:26: error[unknown-block]: there is no operator or block 'rleu'
  |
3 | parameters: {activation: layer = relu}
  |                          ^^^^^^^^^^^^
  = help: did you mean 'relu'?
"""
    )


INIT = """\
init:
  conv2d: {weight: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, bias: zeros}
  batch_norm: {weight: {constant: 0.5}}
"""


def test_init_replaces_tensor_by_tensor_and_an_item_s_own_comes_first() -> None:
    graph = layers(
        """\
        - conv2d: {out_channels: 4, kernel_size: 1}
        - conv2d: {out_channels: 4, kernel_size: 1, init: {weight: {normal: {std: 0.01}}}}
        - basic: {width: 4}
        - group_norm: {num_groups: 2}
        """,
        INIT,
    )
    initial = {parameter.path: parameter.initializer for parameter in graph.parameters()}
    he = KaimingNormal(mode="fan_out", nonlinearity="relu")
    assert [initial[f"conv2d.{name}"] for name in ("weight", "bias")] == [he, Zeros()]
    assert [initial[f"conv2d_1.{name}"] for name in ("weight", "bias")] == [Normal(std=0.01), Zeros()]
    assert [initial[f"basic.{name}"] for name in ("conv1.weight", "bn1.weight", "bn1.bias")] == [
        he, Constant(val=0.5), Zeros(),
    ]  # fmt: skip
    assert initial["group_norm.weight"] == Ones()
    assert isinstance(graph.nodes[-1].operator, GroupNorm)


def test_without_init_the_weights_start_as_pytorch_s() -> None:
    (weight, bias) = layers("- conv2d: {out_channels: 4, kernel_size: 5}").parameters()
    assert weight.initializer == KaimingUniform(a=5**0.5)
    assert bias.initializer.model_dump() == {"a": -(75**-0.5), "b": 75**-0.5}


def test_mistakes_in_init_are_told_where_they_stand() -> None:
    text = refusal(
        "- conv2d: {out_channels: 8, kernel_size: 3, init: {weigth: zeros, bias: {kaiming_normal: {}}}}\n"
        "- basic: {width: 3, init: {weight: zeros}}",
        """\
        init:
          conv: {weight: zeros}
          linear: {weight: zero, bias: 3}
          batch_norm: {weight: {normal: {std: -1}}, bias: {normal: {sd: 1}}}
        """,
    )
    assert [line for line in text.splitlines() if "error[" in line] == [
        "net.yaml:4:3: error[unknown-operator]: there is no operator 'conv'",
        "net.yaml:5:20: error[unknown-initializer]: there is no initializer 'zero'",
        "net.yaml:5:32: error[wrong-kind]: expected an initializer, such as zeros or {normal: {std: 0.01}}",
        "net.yaml:6:39: error[invalid-value]: normal.std must be at least 0.0, not -1",
        "net.yaml:6:61: error[unknown-field]: normal has no field 'sd'",
        "net.yaml:8:54: error[unknown-field]: conv2d has no tensor 'weigth'",
        "net.yaml:8:75: error[invalid-value]: "
        "kaiming_normal needs a tensor of two or more dimensions, and 'bias' has one",
        "net.yaml:9:29: error[wrong-kind]: init goes with an operator, and basic is a block",
    ]


def test_the_layer_of_a_field_may_be_an_identity_and_may_have_initializers_of_its_own() -> None:
    graph = layers(
        "- basic: {width: 3, activation: identity, norm: {batch_norm: {init: {weight: zeros}}}}\n- $act",
        "parameters: {act: layer = identity}",
    )
    assert paths(graph) == [
        "basic.conv1", "basic.bn1", "basic.identity", "basic.conv2", "basic.bn2", "basic:sum", "basic.identity_1",
        "identity",
    ]  # fmt: skip
    weights = {p.path: p.initializer for p in graph.parameters() if p.path.endswith(("bn1.weight", "bn2.weight"))}
    assert weights == {"basic.bn1.weight": Zeros(), "basic.bn2.weight": Zeros()}


def test_a_value_that_a_field_refuses_is_told_with_what_the_caller_set() -> None:
    assert (
        refusal("- linear: $classes - 1", "parameters: {classes: int = 10}", classes="-3")
        == """\
net.yaml:5:13: error[invalid-value]: linear.out_features must be greater than 0, not -4
  |
5 |   - linear: $classes - 1
  |             ^^^^^^^^^^^^
  = note: net.yaml:3:23: $classes is -3
  |
3 | parameters: {classes: int = 10}
  |                       ^^^^^^^^
"""
    )


def test_same_padding_keeps_the_size_also_where_it_is_dynamic() -> None:
    from tests.elaborate.specs import compiled

    text = "name: net\ninput: {channels: 3, height: {min: 8, opt: 16, max: 32}, width: 9}\n"
    graph = compiled(
        f"{text}layers: [conv2d: {{out_channels: 4, kernel_size: [5, 2], dilation: [1, 2], padding: same}}]"
    )
    assert str(graph.nodes[0].output.type) == "float32[batch, 4, height, 9]"

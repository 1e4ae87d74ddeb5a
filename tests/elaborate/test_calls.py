"""Fields of calls: short forms, defaults, parameters and initializers."""

from archc.ir.initializers import Constant, KaimingNormal, KaimingUniform, Normal, Ones, Zeros
from archc.operators.activation import LeakyRelu
from archc.operators.arrangement import Permute
from archc.operators.convolution import Conv2d
from archc.operators.normalization import BatchNorm, GroupNorm
from archc.operators.padding import Pad
from archc.operators.reduction import Mean
from tests.elaborate.specs import layers, paths


def test_the_scalar_of_a_call_is_its_first_field() -> None:
    graph = layers("[{leaky_relu: 0.2}, {conv2d: {out_channels: 2, kernel_size: [1, 3]}}, flatten, {linear: 5}]")
    assert graph.nodes[0].operator == LeakyRelu(negative_slope=0.2)
    assert graph.nodes[1].operator == Conv2d(out_channels=2, kernel_size=(1, 3))
    assert graph.nodes[3].output.type.shape[1:] == (5,)


def test_a_list_is_the_first_field_where_that_is_one() -> None:
    head = """\
        parameters: {p: int = 1, act: layer = relu}
        blocks: {mine: {parameters: {sizes: list, k: size = 1}, inline: [linear: '$sizes[1]']}}
    """
    items = "[permute: [0, 2, 3, 1], pad: [$p, 2 * $p], mean: [1], mine: [7, 8], features: [$act, $act]]"
    graph = layers(items, head)
    assert graph.nodes[0].operator == Permute(dims=(0, 2, 3, 1))
    assert graph.nodes[1].operator == Pad(pad=(1, 2))
    assert graph.nodes[2].operator == Mean(dim=(1,))
    assert graph.nodes[3].output.type.shape[1:] == (32, 8)
    assert paths(graph)[4:] == ["features.0", "features.1"]


def test_what_is_inferred_may_be_declared() -> None:
    declared = "- conv2d: {out_channels: 2, kernel_size: 1, in_channels: 3}\n- batch_norm: {num_features: 2}"
    assert paths(layers(declared)) == ["conv2d", "batch_norm"]


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


def test_same_padding_keeps_the_size_also_where_it_is_dynamic() -> None:
    from tests.elaborate.specs import compiled

    text = "name: net\ninput: {channels: 3, height: {min: 8, opt: 16, max: 32}, width: 9}\n"
    graph = compiled(
        f"{text}layers: [conv2d: {{out_channels: 4, kernel_size: [5, 2], dilation: [1, 2], padding: same}}]"
    )
    assert str(graph.nodes[0].output.type) == "float32[batch, 4, height, 9]"

"""What `compare` says of two networks, as whole texts."""

from collections.abc import Callable

import pytest

import archc
from archc.differences import Diff, compare
from archc.ir.graph import Graph
from archc.operators import OPERATORS, operator_model
from tests.elaborate.specs import compiled

DECLARING = ("in_channels", "in_features", "num_channels", "num_features", "normalized_shape")
SMALL = """\
name: small
input: {channels: 3, height: 32, width: 32}
layers:
  - conv2d: {name: conv1, out_channels: 16, kernel_size: 3, padding: 1, bias: false}
  - batch_norm: {name: bn1}
  - relu
  - basic: {name: layer1, count: 2, width: 16}
  - basic: {name: layer2, count: 2, width: 32, stride: 2}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {name: fc, out_features: 10}
"""
WRAPPED = SMALL.replace("\n  -", "\n        -").replace("layers:", "layers:\n  - body:\n      layers:", 1)

EDITS = {
    "a larger image": SMALL.replace("32, width: 32}", "48, width: 48}"),
    "an inserted layer": SMALL.replace("- flatten", "- flatten\n  - dropout"),
    "renamed scopes": SMALL.replace("layer1", "stages.0").replace("layer2", "stages.1").replace("fc", "head.fc"),
    "a scope around everything": WRAPPED,
    "a moved layer": SMALL.replace("  - relu\n", "").replace("  - batch", "  - relu\n  - batch"),
    "another activation": SMALL.replace("stride: 2}", "stride: 2, activation: silu}"),
    "another initialiser": SMALL.replace("layers:", "init: {conv2d: {weight: {normal: {std: 0.02}}}}\nlayers:"),
    "a dynamic size": SMALL.replace("height: 32", "height: {min: 32, opt: 64, max: 128}"),
    "another output": SMALL.replace("  - adaptive", "  - output: features\n  - adaptive"),
    "one branch less": SMALL.replace(
        "- basic: {name: layer1", "- conv_norm_act: {out_channels: 16}\n  - basic: {name: layer1"
    ),
    "another name of the network": SMALL.replace("small", "tiny"),
    "a declared size": SMALL.replace("{name: fc,", "{name: fc, in_features: 32,"),
}


def summary(one: Graph, other: Graph, names: tuple[str, str]) -> str:
    return f"{compare(one, other, names)}\n"


@pytest.mark.parametrize(
    "names",
    [
        ("resnet50", "resnet50"),
        ("resnet50", "resnext50_32x4d"),
        ("resnet50", "wide_resnet50_2"),
        ("resnet18", "resnet34"),
        ("vgg11", "vgg11_bn"),
        ("googlenet", "inception_v1"),
        ("resnet50", "fcn_resnet50"),
        ("swin_t", "swin_v2_t"),
        ("resnet18", "resnet18_plain_stem"),
        ("densenet121", "efficientnet_b0"),
    ],
    ids="-".join,
)
def test_bundled_networks_differ_as_recorded(names: tuple[str, str], golden: Callable[[str, str], None]) -> None:
    golden(f"{'-'.join(names)}.txt", summary(archc.compile(names[0]), archc.compile(names[1]), names))


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_told_as_what_it_is(edit: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{edit.replace(' ', '_')}.txt", summary(compiled(SMALL), compiled(EDITS[edit]), ("before", "after")))


def diff(edited: str) -> Diff:
    return compare(compiled(SMALL), compiled(edited))


def test_only_what_changes_the_result_is_called_different() -> None:
    verdicts = {edit: diff(text).verdict for edit, text in EDITS.items()}
    same = {edit: verdict for edit, verdict in verdicts.items() if verdict != "different"}
    assert same == {
        "renamed scopes": "names only",
        "a scope around everything": "names only",
        "another initialiser": "initial weights only",
        "another name of the network": "equal",
        "a declared size": "equal",
    }


RAMP = """\
name: net
input: {channels: 3, height: 8, width: 8}
ramps:
  p: {blocks: [b], start: 0.0, stop: 0.2}
blocks:
  b: {layers: [sum: [identity, [relu, stochastic_depth: $p]]]}
layers:
  - b: {name: stage, count: 6}
"""


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("stop: 0.2", "stop: 0.4"), "stochastic_depth in 5 blocks (stage.1 … stage.5): p ×2"),
        (("start: 0.0", "start: 0.1"), "stochastic_depth in 5 blocks (stage.0 … stage.4): p 0 … 0.16 → 0.1 … 0.18"),
    ],
)
def test_a_number_that_grows_over_the_blocks_is_one_line(edit: tuple[str, str], told: str) -> None:
    found = compare(compiled(RAMP), compiled(RAMP.replace(*edit)))
    assert list(map(str, found.changed)) == [told]


NAMED = """\
name: net
input: {channels: 8, height: 8, width: 8}
layers:
  - conv2d: {name: a, out_channels: 8, kernel_size: 1}
  - mark: x
  - conv2d: {name: b, out_channels: 8, kernel_size: 1}
  - mark: y
  - conv2d: {name: c, out_channels: 8, kernel_size: 1}
  - concat: [identity, from: x]
  - concat: [identity, from: y]
"""


def test_an_operator_that_reads_something_else_is_told() -> None:
    swapped = NAMED.replace("mark: x", "mark: z").replace("mark: y", "mark: x").replace("mark: z", "mark: y")
    found = compare(compiled(NAMED), compiled(swapped))
    assert list(map(str, found.changed)) == ["concat: reads a → b", "concat_1: reads b → a"]


def test_a_shared_layer_is_not_one_of_its_own() -> None:
    head = "name: net\ninput: {channels: 8, height: 8, width: 8}\nlayers:\n"
    layer = "  - conv2d: {name: a, out_channels: 8, kernel_size: 1}\n"
    one, other = compiled(f"{head}{layer}  - share: a\n"), compiled(f"{head}{layer}{layer.replace('a,', 'b,')}")
    found = compare(one, other)
    assert [change.what for group in found.changed for edit in group.edits for change in edit.changes] == ["shares"]


def test_the_first_network_of_two_equal_names_is_told_from_the_second() -> None:
    assert str(diff(EDITS["an inserted layer"])).startswith("the first → the second: different, 36 operators in both\n")


@pytest.mark.parametrize("word", OPERATORS)
def test_a_field_that_an_operator_calls_declared_is_none_and_may_be_left_out(word: str) -> None:
    model = operator_model(word)
    declared = [name for name in DECLARING if name in model.model_fields]
    assert ([model.declares] if model.declares else []) == declared
    assert all(model.model_fields[name].default is None for name in declared)

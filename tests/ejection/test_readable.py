"""An ejected file reads as a person would write it."""

import ast
from typing import Any

import pytest
import torch

import archc
from archc.ejection.expressions import simplified
from archc.ejection.layout import assignment, without_defaults
from archc.ejection.notes import written_as
from archc.ejection.views import view
from archc.ir.types import BATCH, TensorType
from archc.operators import operator_model
from tests.ejection.sources import assert_same, ejected, planned


def text(name: str) -> str:
    return planned(name)[1].text


@pytest.mark.parametrize("word", ["rearrange", "flatten", "select"])
def test_a_view_without_sizes_is_the_operator(word: str) -> None:
    model = operator_model(word)
    for example in model.examples:
        operator = model.model_validate(dict(example.fields))
        x = torch.randn(2, *example.shapes[0])
        names = {"x": x, "x0": x, "torch": torch, "nn": torch.nn}
        expected = eval(operator.torch_source([TensorType((BATCH, *x.shape[1:]))], ["x"]), names)
        expected = expected(x) if word == "flatten" else expected
        assert torch.equal(eval(view(operator, x.ndim), names), expected), example


def test_attention_is_written_without_sizes_that_follow() -> None:
    attention = text("vit_b_16").partition("class MultiHeadAttention")[2].partition("class ")[0]
    assert "def __init__(self, in_features: int, heads: int) -> None:" in attention
    assert "x = torch.unflatten(x, 2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)" in attention
    assert "scaled_dot_product_attention(x[0], x[1], x[2]).transpose(1, 2).flatten(2)" in attention


def test_a_class_has_no_number_that_an_argument_decides() -> None:
    assert "shifted_window_mask(height=size, width=size, window=(window, window), shift=(s, s))" in text("swin_t")


def test_values_side_by_side_stand_in_one_line_or_have_names() -> None:
    assert "torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)" in text("googlenet")
    inception = text("inception_v3")
    assert "branch5x5 = self.branch5x5_2(self.branch5x5_1(x))\n" in inception
    assert "x = torch.cat([branch1x1, branch5x5, branch3x3dbl, branch_pool], 1)" in inception
    assert "scaled_dot_product_attention(query, key, value, bias)" in text("swin_t")


SIDE_BY_SIDE = """
name: drawn
input: {channels: 4, height: 8, width: 8}
layers:
  - concat:
      - [conv2d: {name: one, out_channels: 4, kernel_size: 1}, dropout: 0.5]
      - [conv2d: {name: two, out_channels: 4, kernel_size: 1}, dropout: 0.5]
      - sum:
          - [conv2d: {name: three, out_channels: 4, kernel_size: 1}, dropout: 0.5]
          - [conv2d: {name: four, out_channels: 4, kernel_size: 1}, dropout: 0.5]
  - adaptive_avg_pool2d: 1
  - flatten
"""


def test_what_is_drawn_at_random_in_nested_calls_keeps_its_order(tmp_path: Any) -> None:
    path = tmp_path / "drawn.yaml"
    path.write_text(SIDE_BY_SIDE)
    source = archc.eject(path)
    assert "torch.cat([" in source
    assert_same(source, archc.build(path), [[2, 4, 8, 8]])


def test_one_of_two_steps_is_an_if_and_an_else() -> None:
    attention = text("maxvit_t").partition("class PartitionAttention")[2].partition("class ")[0]
    assert (attention.count("if self.grid:"), attention.count("else:")) == (2, 2)
    assert "y = self.branch1(x) if self.branch1 is not None else x.narrow(1, 0, self.half_)" in text(
        "shufflenet_v2_x1_0"
    )


def test_modules_that_may_be_absent_are_appended_to_a_list() -> None:
    mobilenet = text("mobilenet_v3_small")
    assert "        if hidden != in_channels:\n            block.append(Conv2dNormActivation(" in mobilenet
    assert "        self.block = nn.Sequential(*block)\n" in mobilenet
    assert "        layers: list[nn.Module] = [\n            nn.Conv2d(\n" in mobilenet


def test_a_loop_runs_over_its_modules() -> None:
    assert "for module in self.children():\n            x = torch.cat([x, module(x)], 1)" in text("densenet121")


LISTED = """
name: listed
input: {channels: 4, height: 9, width: 9}
blocks:
  unit:
    parameters: {width: int}
    layers: [conv2d: {name: conv, out_channels: $width, kernel_size: 1}, relu]
  step:
    parameters: {width: int}
    inline:
      - sum: [identity, unit: {name: units.$i, width: $width}]
  part:
    parameters: {width: int}
    layers:
      - conv2d: {name: first, out_channels: $width, kernel_size: 3}
      - step: {count: 3, width: $width}
layers:
  - part: {width: 8}
"""


def test_a_loop_runs_over_a_list_beside_other_modules(tmp_path: Any) -> None:
    path = tmp_path / "listed.yaml"
    path.write_text(LISTED)
    source = archc.eject(path)
    assert "self.units = nn.ModuleList([" in source
    assert "        for module in self.units:\n            x = x + module(x)\n" in source
    assert_same(source, archc.build(path), [[2, 4, 9, 9]])


def test_numbered_modules_with_a_value_for_later_are_a_list() -> None:
    lraspp = text("lraspp_mobilenet_v3_large")
    assert "class Backbone(nn.ModuleList):" in lraspp
    assert "x = self[2](self[1](self[0](x)))" in lraspp


def test_a_block_of_a_value_that_has_a_name_sees_the_size_of_this_value() -> None:
    down = text("timm/hrnet_w18_small").partition("class Down")[2]
    assert down.startswith(
        "(nn.Sequential):\n    def __init__(self, in_channels: int, width: int, steps: int) -> None:"
    )
    assert "if steps > 2:" in down


def test_widths_stand_first_and_alone_in_calls() -> None:
    assert "Denseblock(64, growth_rate, count=6)" in text("densenet121")
    assert "InvertedResidual(16, kernel_size=3, hidden=16" in text("mobilenet_v3_small")


def test_a_start_is_said_once_and_only_where_it_is_unusual() -> None:
    assert text("vit_b_16").count("in self.named_parameters():") == 1
    assert "                nn.init.normal_(module.weight, std=0.01)\n                nn.init.zeros_" in text("vgg11")
    assert "for module in self.backbone.modules():" in text("fcn_resnet50")
    assert "kaiming_uniform" not in text("fcn_resnet50")


def test_a_docstring_has_the_values_of_parameters_that_are_no_arguments() -> None:
    assert "beside a shortcut; the last widens by 4." in ejected("resnet50")


@pytest.mark.parametrize(
    ("name", "comment", "written"),
    [
        ("resnet50", "ResNet-50 v1.5: bottleneck blocks", "ResNet50"),
        ("vit_b_16", "ViT-B/16: an image as patches", "ViTB16"),
        ("resnet18_fpn", "A feature pyramid on a ResNet-18", "ResNet18Fpn"),
        ("deeplabv3_resnet50", "DeepLabV3 on a dilated ResNet-50", "DeepLabV3ResNet50"),
        ("mnasnet1_0", "MNASNet 1.0: searched", "MNASNet10"),
        ("my_net", "nothing about it", "MyNet"),
        ("net", "a networking NETS", "Net"),
    ],
)
def test_a_network_has_the_capitals_of_the_first_comment(name: str, comment: str, written: str) -> None:
    assert written_as(name, comment) == written


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1 * a + b * 1", "a + b"),
        ("0 * a", "0"),
        ("(a + b) // 2 // 4", "(a + b) // 8"),
        ("a // b - a // b", "0"),
        ("3 * a - a", "2 * a"),
        ("2 * a - a", "a"),
        ("4 * a // 2", "2 * a"),
        ("3 * a // 2", "3 * a // 2"),
        ("0.2 * 0 / 11", "0.2 * 0 / 11"),
    ],
)
def test_numbers_that_say_nothing_are_left_out(before: str, after: str) -> None:
    assert ast.unparse(simplified(ast.parse(before, mode="eval").body)) == after


def test_last_arguments_that_are_defaults_are_left_out() -> None:
    call = ast.parse("nn.functional.normalize(nn.functional.linear(x, w, None), 2, -1, 1e-12)", mode="eval").body
    assert ast.unparse(without_defaults(call)) == "nn.functional.normalize(nn.functional.linear(x, w), 2, -1)"


def test_methods_that_a_line_has_no_room_for_have_one_line_together() -> None:
    long = f"self.{'a' * 80}(x).mean(1).flatten(2).squeeze(3).unsqueeze(4).contiguous()"
    assert assignment(ast.parse(long, mode="eval").body, 8, ["x"]) == [
        f"        x = self.{'a' * 80}(x).mean(1).flatten(2)",
        "        x = x.squeeze(3).unsqueeze(4).contiguous()",
    ]

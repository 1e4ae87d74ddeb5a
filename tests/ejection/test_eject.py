"""Ejected files need torch alone, have the network's keys, and give what it gives."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import archc
from archc import cli
from archc.ejection.checking import agrees, has_shapes
from archc.spec.bundled import bundled_specs
from tests.ejection.sources import LINTED, assert_same, ejected, planned

NETWORKS = ["lenet5", "resnet20_cifar", "resnet18", "espcn", "mobilenet_v3_small", "squeezenet1_0", "nin_cifar10"]

EVERYTHING = """
# A network with a bit of everything.
name: everything
source: nobody 2026
inputs:
  image: {channels: 3, height: 16, width: 16}
  mask: {channels: 1, height: 16, width: 16}
parameters:
  num_classes: int = 10
  widths: list = [8, 16]
ramps:
  drop_path: {blocks: [residual], start: 0.0, stop: 0.5}
blocks:
  # Two convolutions beside a shortcut.
  residual:
    parameters: {out_channels: int, stride: int = 1, activation: layer = relu}
    let: {hidden: make_divisible(1.5 * $out_channels)}
    layers:
      - sum:
          - - conv2d: {name: conv1, out_channels: $hidden, kernel_size: 3, stride: $stride, padding: 1, bias: false}
            - batch_norm: {name: bn1}
            - $activation
            - conv2d: {name: conv2, out_channels: $out_channels, kernel_size: 3, padding: 1}
            - stochastic_depth: $drop_path
          - when: $stride != 1 or $in_channels != $out_channels
            then: {downsample: [conv2d: {out_channels: $out_channels, kernel_size: 1, stride: $stride}, batch_norm]}
            else: identity
      - $activation
  attend:
    parameters: {heads: int}
    layers:
      - linear: {name: qkv, out_features: 3 * $features, keys: {weight: in_weight, bias: in_bias}}
      - rearrange: {pattern: "b n (t h d) -> t b h n d", t: 3, h: $heads}
      - attention:
          query: {select: {dim: 0, index: 0}}
          key: {select: {dim: 0, index: 1}}
          value: {select: {dim: 0, index: 2}}
      - rearrange: b h n d -> b n (h d)
layers:
  - concat: [identity, from: mask]
  - residual: {name: layer1, count: 2, out_channels: "$widths[0]"}
  - mark: fine
  - residual: {name: layer2, count: 3, out_channels: "$widths[1]", stride: 2, activation: silu}
  - aux: {extra: [adaptive_avg_pool2d: 1, flatten, linear: $num_classes]}
  - rearrange: b c h w -> b (h w) c
  - attend: {name: attn, heads: 4}
  - product: [identity, parameter: {name: gamma, shape: $features, init: {normal: {std: 0.02}}}]
  - mean: 1
  - linear: {name: fc, out_features: $num_classes, init: {bias: zeros}}
  - output: classes
  - from: fine
  - scores: [conv2d: {out_channels: 8, kernel_size: 3, padding: 1}, relu]
  - share: scores
  - output: scores
"""


@pytest.mark.parametrize("name", sorted(bundled_specs()))
def test_every_bundled_spec_is_a_formatted_file_that_imports_torch_alone(name: str) -> None:
    _, source = planned(name)
    imported = [node for node in ast.parse(source.text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {
        alias.name if isinstance(node, ast.Import) else str(node.module) for node in imported for alias in node.names
    }
    assert modules <= {"torch", "math", "collections", "collections.abc", "typing"}
    for command in (["format", "--check"], ["check", "--select", LINTED]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", "-"]
        done = subprocess.run(ruff, input=source.text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", sorted(bundled_specs()))
def test_every_bundled_spec_has_its_keys_at_values_that_nothing_was_learnt_from(name: str) -> None:
    network, source = planned(name)
    for argument in source.arguments:
        held_out = network.held_out(argument)
        assert held_out, f"{argument} has no other value"
        assert has_shapes(source, {argument: held_out[0]}, held_out[1]), argument
    assert {name for name in network.parameters if name.startswith("num_classes")} <= set(source.arguments)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_ejected_network_has_the_keys_and_the_outputs_of_the_built_one(name: str) -> None:
    shape = archc.compile(name).input.type.shape[1:]
    sizes = [3 if size == 3 else min(size, 64) if isinstance(size, int) else 32 for size in shape]  # quicker
    assert_same(ejected(name), archc.build(name), [[2, *sizes]])


def test_an_argument_that_does_not_do_what_the_parameter_does_is_noticed() -> None:
    network, source = planned("resnet18")
    wrong = replace(source, text=source.text.replace("nn.Linear(512, num_classes)", "nn.Linear(512, 1000)"))
    held_out = network.held_out("num_classes")
    assert held_out
    assert has_shapes(wrong, {}, network.graph)
    assert not has_shapes(wrong, {"num_classes": held_out[0]}, held_out[1])


def test_a_file_that_computes_something_else_is_noticed() -> None:
    network, source = planned("lenet5")
    assert agrees(source, network.graph, small=True)
    wrong = replace(source, text=source.text.replace("self.tanh = nn.Tanh()", "self.tanh = nn.ReLU()"))
    assert wrong.text != source.text
    assert not agrees(wrong, network.graph, small=True)


def test_what_is_ejected_reads_like_this() -> None:
    assert "if stride != 1 or in_channels != width:" in ejected("resnet18")
    assert "ResNet18(nn.Module):\n    def __init__(self, num_classes: int = 1000) -> None:" in ejected("resnet18")
    assert "He et al. 2015, arXiv:1512.03385, table 1" in ejected("resnet18")
    assert ejected("resnet18").startswith('"""ResNet-18: residual blocks of two 3x3 convolutions')
    _, densenet = planned("densenet121")
    assert "for module in self.children():" in densenet.text
    assert "num_classes: int = 1000, growth_rate: int = 32" in densenet.text
    assert "def forward(self, x: Tensor, skip: Tensor) -> Tensor:" in planned("unet")[1].text


def test_a_spec_with_all_that_the_language_has_is_ejected(tmp_path: Path) -> None:
    path = tmp_path / "everything.yaml"
    path.write_text(EVERYTHING)
    source = archc.eject(path)
    assert_same(source, archc.build(path), [[2, 3, 16, 16], [2, 1, 16, 16]])
    assert '"""Two convolutions beside a shortcut."""' in source
    assert "hidden = make_divisible(1.5 * out_channels)" in source


def test_a_cut_network_is_ejected_without_the_rest() -> None:
    source = archc.eject("resnet18", outputs=["layer1", "layer2"])
    assert "layer3" not in source
    assert_same(source, archc.build("resnet18", outputs=["layer1", "layer2"]), [[2, 3, 64, 64]])


def test_a_file_is_replaced_only_if_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.py"
    path.write_text("mine")
    assert cli.run(["eject", "lenet5", "-o", str(path)]) == 4
    assert path.read_text() == "mine"
    assert "exists" in capsys.readouterr().err
    assert cli.run(["eject", "lenet5", "-o", str(path), "--force"]) == 0
    assert "class LeNet5(nn.Module):" in path.read_text()


@pytest.mark.parametrize(
    "function",
    [
        "relative_position_index",
        "shifted_window_mask",
        "log_relative_coordinates",
        "full",
        "repeat_interleave",
        "rope_table",
        "fourier_position",
    ],
)
def test_the_functions_of_constants_give_their_values(function: str) -> None:
    from archc.operators import operator_model

    model = operator_model(function)
    names: dict[str, Any] = {"torch": torch, "Tensor": torch.Tensor, "math": __import__("math")}
    exec(str(model.torch_function), names)  # type: ignore[attr-defined]
    for example in model.examples:
        operator = model.model_validate(dict(example.fields))
        fields = {name: value for name, value in dict(operator).items() if name != "persistent"}
        computed = operator.computed()
        assert computed is not None
        expected = torch.tensor(computed.values, dtype=getattr(torch, computed.dtype)).reshape(computed.shape)
        assert torch.equal(names[function](**fields), expected)

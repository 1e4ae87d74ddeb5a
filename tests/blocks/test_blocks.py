"""The built-in blocks against modules written by hand, with the same weights, in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.ir.graph import Graph
from archc.ir.printer import print_graph
from archc.nn import build_module
from archc.weights import InitializedWeights, read_all
from tests.elaborate.specs import layers

Norm = Callable[[int], nn.Module]


def assert_equal(actual: Tensor, expected: Tensor) -> None:
    """To the rounding of float64."""
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


class ByHand(nn.Module):
    """A residual block; `convolutions` are (out, kernel, stride, groups), `shortcut` is (out, stride)."""

    def __init__(
        self,
        convolutions: list[tuple[int, int, int, int]],
        shortcut: tuple[int, int] | None,
        norm: Norm | None = nn.BatchNorm2d,
        activation: nn.Module | None = None,
        bias: bool = False,
    ) -> None:
        super().__init__()
        channels = 16
        for index, (out, kernel, stride, groups) in enumerate(convolutions, 1):
            conv = nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=bias)
            self.add_module(f"conv{index}", conv)
            if norm:
                self.add_module(f"bn{index}", norm(out))
            channels = out
        self.downsample = None
        if shortcut:
            out, stride = shortcut
            conv = nn.Conv2d(16, out, 1, stride, bias=bias)
            self.downsample = nn.Sequential(conv, *((norm(out),) if norm else ()))
        self.act = activation or nn.ReLU()
        self.count = len(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for index in range(1, self.count + 1):
            y = getattr(self, f"conv{index}")(y)
            y = getattr(self, f"bn{index}", nn.Identity())(y)
            y = self.act(y) if index < self.count else y
        return self.act(y + (self.downsample(x) if self.downsample else x))  # type: ignore[no-any-return]


def module_of(graph: Graph) -> nn.Module:
    """The module with random weights, in float64, its statistics away from their first values."""
    parameters = list(graph.parameters())
    weights = read_all(InitializedWeights(parameters, 1), [parameter.path for parameter in parameters])
    module = build_module(graph, weights).eval().double()
    torch.manual_seed(0)
    for name, tensor in module.state_dict().items():
        if name.endswith(("running_mean", "running_var", "weight", "bias")) and tensor.ndim == 1:
            tensor.uniform_(0.5, 1.5)
    return module


def block(fields: str) -> nn.Module:
    """A block of this call applied to 16 channels of 32x32."""
    graph = layers(f"- conv2d: {{name: stem, out_channels: 16, kernel_size: 1}}\n- {fields}")
    return module_of(graph).get_submodule("block")


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(4, channels)


LEAKY = nn.LeakyReLU(0.2)
CASES: list[tuple[str, Callable[[], ByHand]]] = [
    ("basic: {name: block, width: 16}", lambda: ByHand([(16, 3, 1, 1), (16, 3, 1, 1)], None)),
    ("basic: {name: block, width: 24}", lambda: ByHand([(24, 3, 1, 1), (24, 3, 1, 1)], (24, 1))),
    ("basic: {name: block, width: 16, stride: 2}", lambda: ByHand([(16, 3, 2, 1), (16, 3, 1, 1)], (16, 2))),
    ("basic: {name: block, width: 16, shortcut: projection}",
     lambda: ByHand([(16, 3, 1, 1), (16, 3, 1, 1)], (16, 1))),
    ("basic: {name: block, width: 16, groups: 4, width_per_group: 32, bias: true}",
     lambda: ByHand([(32, 3, 1, 4), (16, 3, 1, 4)], None, bias=True)),
    ("basic: {name: block, width: 8, norm: none, activation: {leaky_relu: {negative_slope: 0.2}}}",
     lambda: ByHand([(8, 3, 1, 1), (8, 3, 1, 1)], (8, 1), None, LEAKY)),
    ("basic: {name: block, width: 8, norm: {group_norm: {num_groups: 4}}, activation: none}",
     lambda: ByHand([(8, 3, 1, 1), (8, 3, 1, 1)], (8, 1), group_norm, nn.Identity())),
    ("bottleneck: {name: block, width: 4}",
     lambda: ByHand([(4, 1, 1, 1), (4, 3, 1, 1), (16, 1, 1, 1)], None)),
    ("bottleneck: {name: block, width: 8, stride: 2}",
     lambda: ByHand([(8, 1, 1, 1), (8, 3, 2, 1), (32, 1, 1, 1)], (32, 2))),
    ("bottleneck: {name: block, width: 8, stride: 2, stride_at: conv1}",
     lambda: ByHand([(8, 1, 2, 1), (8, 3, 1, 1), (32, 1, 1, 1)], (32, 2))),
    ("bottleneck: {name: block, width: 32, groups: 4, width_per_group: 8, expansion: 1}",
     lambda: ByHand([(16, 1, 1, 1), (16, 3, 1, 4), (32, 1, 1, 1)], (32, 1))),
    ("bottleneck: {name: block, width: 8, width_per_group: 128, expansion: 2, shortcut: identity,"
     " activation: tanh}",
     lambda: ByHand([(16, 1, 1, 1), (16, 3, 1, 1), (16, 1, 1, 1)], None, activation=nn.Tanh())),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "by_hand"), CASES, ids=[fields for fields, _ in CASES])
def test_a_residual_block_computes_what_a_hand_written_one_does(fields: str, by_hand: Callable[[], ByHand]) -> None:
    compiled, expected = block(fields), by_hand().eval().double()
    expected.load_state_dict(compiled.state_dict(), strict=True)
    assert list(compiled.state_dict()) == list(expected.state_dict())
    image = torch.randn(2, 16, 9, 12, dtype=torch.float64)
    assert_equal(compiled(image), expected(image))


class NormActivation(nn.Sequential):
    def __init__(self, out: int, kernel: tuple[int, int], padding: tuple[int, int], **fields: Any) -> None:
        super().__init__(
            nn.Conv2d(16, out, kernel, padding=padding, bias=False, **fields), nn.BatchNorm2d(out), nn.ReLU6()
        )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("kernel_size: 3, stride: 2", NormActivation(8, (3, 3), (1, 1), stride=2)),
        ("kernel_size: [1, 7]", NormActivation(8, (1, 7), (0, 3))),
        ("kernel_size: 5, dilation: 2, groups: 4", NormActivation(8, (5, 5), (4, 4), dilation=2, groups=4)),
        ("kernel_size: 3, padding: 0", NormActivation(8, (3, 3), (0, 0))),
    ],
)
def test_conv_norm_act_is_a_numbered_convolution_norm_and_activation(fields: str, expected: nn.Module) -> None:
    compiled = block(f"conv_norm_act: {{name: block, out_channels: 8, activation: relu6, {fields}}}")
    expected.double().eval().load_state_dict(compiled.state_dict(), strict=True)
    image = torch.randn(2, 16, 15, 12, dtype=torch.float64)
    assert_equal(compiled(image), expected(image))


def test_squeeze_excitation_scales_channels_by_a_gate_of_their_means() -> None:
    compiled = block("squeeze_excitation: {name: block, squeeze_channels: 4, scale_activation: hardsigmoid}")
    state = compiled.state_dict()
    assert list(state) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    image = torch.randn(2, 16, 9, 12, dtype=torch.float64)
    hidden = (image.mean((2, 3)) @ state["fc1.weight"][:, :, 0, 0].T + state["fc1.bias"]).relu()
    gate = nn.functional.hardsigmoid(hidden @ state["fc2.weight"][:, :, 0, 0].T + state["fc2.bias"])
    assert_equal(compiled(image), image * gate[:, :, None, None])


def test_a_dilated_bottleneck_keeps_the_size_that_a_stride_would_halve() -> None:
    compiled = block("bottleneck: {name: block, width: 4, dilation: 2}")
    expected = ByHand([(4, 1, 1, 1), (4, 3, 1, 1), (16, 1, 1, 1)], None)
    expected.conv2 = nn.Conv2d(4, 4, 3, padding=2, dilation=2, bias=False)
    expected.double().eval().load_state_dict(compiled.state_dict(), strict=True)
    image = torch.randn(2, 16, 9, 12, dtype=torch.float64)
    assert_equal(compiled(image), expected(image))


@pytest.mark.parametrize("word", ["basic", "bottleneck", "conv_norm_act", "squeeze_excitation"])
def test_a_block_does_not_rely_on_what_defaults_may_change(word: str) -> None:
    needed = {"conv_norm_act": "{out_channels: 4}", "squeeze_excitation": "{squeeze_channels: 4}"}
    item = f"- {word}: {needed.get(word, '{width: 4, stride: 2}')}"
    changed = "defaults: {conv2d: {bias: %s, padding: 1, stride: 2, dilation: 2, groups: 3}}"
    plain = print_graph(layers(item))
    assert [print_graph(layers(item, changed % bias)) for bias in ("true", "false")] == [plain, plain]

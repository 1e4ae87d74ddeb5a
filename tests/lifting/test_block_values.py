"""Blocks that are given values beside their input, or that give several."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from archc.diagnostics import VerificationFailed
from archc.lifting import lift
from tests.lifting.networks import DropPath, Tensor


class Conv(nn.Module):
    """A convolution."""

    def __init__(self, channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out_channels, 3, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).relu()


class Pooling(nn.Module):
    """An image and a token, each with half the size and twice the features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, 2, 1)
        self.fc = nn.Linear(channels, 2 * channels)

    def forward(self, x: Tensor, token: Tensor) -> Any:
        return self.conv(x), self.fc(token)


class Two(nn.Module):
    """Stages of an image and a token."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList([Pooling(3), Pooling(6)])

    def forward(self, x: Tensor) -> Tensor:
        token = x.mean((2, 3))
        for stage in self.stages:
            x, token = stage(x, token)
        return x.mean((2, 3)) + token


def test_a_block_gives_two_values() -> None:
    found = lift(Two(), (3, 16, 16))
    assert not found.is_flat
    assert "results: [result_0]" in found.text


class Tree(nn.Module):
    """A shortcut, beside what led to it in trees of one of two kinds."""

    def __init__(self, channels: int, *, with_bottom: bool) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, 2 * channels, 1)
        self.tree1 = Joined(channels)
        self.with_bottom = with_bottom
        self.root = nn.Conv2d(4 * channels + channels * with_bottom, 2 * channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        bottom = nn.functional.max_pool2d(x, 2)
        y = self.tree1(x, self.project(bottom))
        return self.root(torch.cat([y, y.relu(), bottom] if self.with_bottom else [y, y.relu()], 1))


class Joined(nn.Module):
    """A convolution beside a shortcut that it is given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, 2 * channels, 2)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        return self.conv(x) + shortcut


class Trees(nn.Module):
    """Trees of which some also need the value before their shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(Tree(3 * 2**i, with_bottom=with_bottom) for i, with_bottom in enumerate((False, True, True)))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_instances_that_mark_other_values_as_well_are_one_block() -> None:
    found = lift(Trees(), (3, 32, 32))
    assert not found.is_flat
    assert "tree:\n" in found.text


class Residual(nn.Module):
    """A module of any kind, with or without a shortcut."""

    def __init__(self, main: nn.Module, *, has_shortcut: bool) -> None:
        super().__init__()
        self.main, self.has_shortcut = main, has_shortcut

    def forward(self, x: Tensor) -> Tensor:
        return x + self.main(x) if self.has_shortcut else self.main(x)


class Residuals(nn.Module):
    """A residual block around modules of two kinds, and without a shortcut around one of them."""

    def __init__(self) -> None:
        super().__init__()
        other = nn.Sequential(nn.GroupNorm(1, 8), nn.Conv2d(8, 8, 1))
        self.body = nn.Sequential(
            Residual(Conv(3, 8, 2), has_shortcut=False),
            Residual(Conv(8, 8), has_shortcut=True),
            Residual(other, has_shortcut=True),
            Residual(Conv(8, 8, 2), has_shortcut=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def test_a_shortcut_that_some_lack_keeps_both_kinds_of_branch() -> None:
    assert not lift(Residuals(), (3, 16, 16)).is_flat


class Dropped(nn.Module):
    """A convolution, and beside it, where sizes are equal, its input: then it is dropped at a rate, which may be 0."""

    def __init__(self, in_channels: int, out_channels: int, rate: float) -> None:
        super().__init__()
        self.conv, self.drop = nn.Conv2d(in_channels, out_channels, 1), DropPath(rate)
        self.has_shortcut = in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(self.conv(x)) if self.has_shortcut else self.conv(x)


def test_a_branch_is_dropped_just_where_there_is_another() -> None:
    widths = (4, 4, 4, 8, 8, 8)
    blocks = [Dropped(a, b, 0.1 * index) for index, (a, b) in enumerate(pairwise(widths))]
    found = lift(nn.Sequential(*blocks), (4, 8, 8))
    assert "drop_path: {blocks: [dropped], start: 0.0, stop: 0.4}\n" in found.text
    assert "then: {stochastic_depth: {name: drop, p: $drop_path}}\n" in found.text
    rates = [node.operator.attributes()["p"] for node in found.graph.nodes if not node.operator.inference]
    assert rates == pytest.approx([0.0, 0.1, 0.3, 0.4])


class Gated(nn.Module):
    """A gate that runs twice, on another value beside its input."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.gate = nn.Linear(6, 6), nn.Linear(6, 6), Gate()

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.gate(x, self.one(x)), self.other(x))


class Gate(nn.Module):
    """A list of one layer, and a product with something."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6)])

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        twice = 2 * other
        return self.layers[0](x) * twice + twice


def test_a_module_that_runs_again_beside_another_value_has_its_layers_shared_one_by_one() -> None:
    found = lift(Gated(), (6,))
    assert "  - share: gate.layers.0\n" in found.text
    assert "num_classes" not in found.text, "what is added to it is as wide"
    assert not found.is_flat


class Tied(nn.Module):
    """A layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.gate = nn.Linear(6, 6), nn.Linear(6, 6), Inner()
        self.again = self.gate.layer

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.gate(self.one(x)))


class Inner(nn.Module):
    """A layer and what follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).relu()


def test_a_layer_with_two_names_is_refused_by_its_keys() -> None:
    with pytest.raises(VerificationFailed) as error:
        lift(Tied(), (6,))
    assert "the spec has no" in str(error.value)


class Placed(nn.Module):
    """A parameter that a module inside is given, behind a layer of that module."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.position = Embed(), nn.Parameter(torch.randn(1, 6))

    def forward(self, x: Tensor) -> Tensor:
        return self.embed(x, self.position).relu()


class Embed(nn.Module):
    """A layer, and what is added."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 6)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        return (self.layer(x) + position).sigmoid()


def test_a_parameter_is_there_before_the_module_that_is_given_it() -> None:
    found = lift(Placed(), (4,))
    assert found.text.index("parameter:") < found.text.index("linear:")

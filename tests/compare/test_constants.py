"""Constants that follow from the spec: a rounding of float32 in them is no difference, and more is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archc.compare import Comparison, Verdict, compare
from archc.nn import build_module
from archc.weights import InitializedWeights
from tests.compare.networks import graph

SPEC = """\
name: small
input: {channels: 3, height: 8, width: 8}
layers:
  - conv2d: {name: stem, out_channels: 8, kernel_size: 2, stride: 2}
  - rearrange: b c h w -> b (h w) c
  - sum:
      - identity
      - rope_table: {name: positions, height: 4, width: 4, features: 8, function: cos, persistent: true}
  - linear: {name: fc, out_features: 4}
"""


def compared(error: float) -> Comparison:
    """The spec's network beside one whose positions are off by this share."""
    network = graph(SPEC)
    module = build_module(network, dict(InitializedWeights(network.parameters(), seed=0)))
    (key,) = [key for key in module.state_dict() if key.startswith("positions")]
    with torch.no_grad():
        module.state_dict()[key].mul_(1 + error)
    return compare(network, module)


@pytest.mark.parametrize("error", [0.0, 2**-23])
def test_a_buffer_that_is_off_by_a_rounding_is_the_same(error: float) -> None:
    assert compared(error).verdict is Verdict.EQUAL


def test_a_buffer_that_is_off_by_more_is_told_by_itself() -> None:
    found = compared(1e-4)
    assert found.verdict is Verdict.DIFFERENT
    assert {difference.check for difference in found.differences} == {"constants"}


class Turned(nn.Module):
    """Adds positions to the tokens of a convolution; `cast` is what becomes of these before they are added."""

    def __init__(self, error: float, cast: Callable[[Any], Any]) -> None:
        super().__init__()
        self.stem, self.fc, self.cast = nn.Conv2d(3, 8, 2, 2), nn.Linear(8, 4), cast
        places = torch.stack(torch.meshgrid(torch.arange(4.0), torch.arange(4.0), indexing="ij"), -1).flatten(0, 1)
        angles = (places[:, :, None] * torch.tensor([1.0, 0.01])).flatten(1).repeat_interleave(2, 1)
        self.register_buffer("positions", angles.cos() * (1 + error), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.fc(self.cast(self.stem(x).flatten(2).transpose(1, 2)) + self.positions)


WITHOUT_KEY = SPEC.replace(", persistent: true", "").replace("name: positions, ", "")


@pytest.mark.parametrize(("error", "verdict"), [(2**-23, Verdict.EQUAL), (1e-4, Verdict.DIFFERENT)])
def test_constants_without_a_key_are_the_modules_where_they_differ_by_a_rounding(
    error: float, verdict: Verdict
) -> None:
    found = compare(graph(WITHOUT_KEY), Turned(error, lambda x: x))
    assert found.verdict is verdict
    assert any("in 1 of them they differ" in note for note in found.notes) is (verdict is Verdict.EQUAL)


def test_a_module_that_asks_for_float32_is_compared_in_float64() -> None:
    assert compare(graph(WITHOUT_KEY), Turned(0.0, lambda x: x.float())).verdict is Verdict.EQUAL


def test_a_module_that_asks_for_half_precision_differs() -> None:
    found = compare(graph(WITHOUT_KEY), Turned(0.0, lambda x: x.bfloat16().float()))
    assert {difference.check for difference in found.differences} == {"outputs"}

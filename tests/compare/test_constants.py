"""Buffers that follow from the spec: a rounding of float32 in them is no difference, and more is told by itself."""

from __future__ import annotations

import pytest
import torch

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

"""Stochastic depth and dropout that a module writes out itself are the operators of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archc.compare import Verdict
from archc.diagnostics import LiftError
from archc.lifting import lift

KEEP = 0.8


def _rows(x: Any) -> tuple[int, ...]:
    return (x.shape[0], *[1] * (x.ndim - 1))


def _bernoulli(x: Any) -> Any:
    return x * x.new_empty(_rows(x)).bernoulli_(KEEP).div_(KEEP)


def _floor(x: Any) -> Any:
    drawn = KEEP + torch.rand(_rows(x), dtype=x.dtype, device=x.device)
    return x.div(KEEP) * drawn.floor_()


def _below(x: Any) -> Any:
    mask = (torch.rand(_rows(x), dtype=x.dtype) < KEEP).to(x.dtype)
    return mask * x / KEEP


def _of_probabilities(x: Any) -> Any:
    return x * (torch.bernoulli(torch.full(_rows(x), KEEP, dtype=x.dtype)) / KEEP)


def _batch(x: Any) -> Any:
    return x * (x.new_empty((1,) * x.ndim).bernoulli_(KEEP) / KEEP)


def _elements(x: Any) -> Any:
    return x * (torch.empty(x.shape, dtype=x.dtype).bernoulli_(KEEP) / KEEP)


class Drops(nn.Module):
    """A residual branch of which something is dropped in training."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.conv, self.function = nn.Conv2d(3, 3, 3, padding=1), function

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        return x + (self.function(y) if self.training else y)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_bernoulli, "stochastic_depth: 0.2"), (_floor, "stochastic_depth: 0.2"),
        (_of_probabilities, "stochastic_depth: 0.2"), (_batch, "stochastic_depth: {p: 0.2, mode: batch}"),
        (_elements, "dropout: 0.2"),
    ],
)  # fmt: skip
def test_a_mask_that_is_drawn_is_what_it_drops(function: Callable[[Any], Any], says: str) -> None:
    found = lift(Drops(function), (3, 8, 8))
    assert found.comparison.verdict is Verdict.EQUAL
    assert f"- {says}\n" in found.text


def _not_rescaled(x: Any) -> Any:
    return x * x.new_empty(_rows(x)).bernoulli_(KEEP)


def _of_channels(x: Any) -> Any:
    return x * (x.new_empty((1, x.shape[1], 1, 1)).bernoulli_(KEEP) / KEEP)


def _uniform(x: Any) -> Any:
    return x * torch.rand(_rows(x), dtype=x.dtype)


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_not_rescaled, "stochastic depth that does not divide what it keeps by its probability"),
        (_below, "stochastic depth that does not divide what it keeps by its probability"),
        (_of_channels, "a random mask of shape [1, 3, 1, 1]"), (_uniform, "a product with uniform random numbers"),
    ],
)  # fmt: skip
def test_a_mask_that_the_language_cannot_say_has_no_word(function: Callable[[Any], Any], says: str) -> None:
    with pytest.raises(LiftError) as caught:
        lift(Drops(function), (3, 8, 8))
    assert caught.value.diagnostics[0].message == f"the language has no word for {says}"

"""Functions that several operators say together: each is lifted, and proved equal by the lift itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archc.diagnostics import ArchcError
from archc.lifting import lift


class Applied(nn.Module):
    """A function of what a convolution gives, [N, 4, 8, 8]."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(self.conv(x))


def _split_attention(x: Any) -> Any:
    halves = torch.stack([x, x.tanh()], 1)
    return (halves * halves.mean((3, 4), keepdim=True)).sum(dim=1)


def _windows(x: Any) -> Any:
    """Attention in windows of 4 by 4 whose queries, keys and values are cut where windows are part of the batch."""
    n, c, h, w = x.shape
    tokens = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
    q, k = tokens.chunk(2, -1)
    y = nn.functional.scaled_dot_product_attention(q, k, tokens)
    return y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "stack": lambda x: torch.stack([x, x.relu()], 1).flatten(1, 2),
    "stack at the end": lambda x: torch.stack([x[..., 1::2], x[..., ::2]], -1).reshape(x.shape),
    "addcmul": lambda x: torch.addcmul(x, x, x.sigmoid(), value=0.5),
    "repeat": lambda x: x.repeat(1, 2, 1, 3),
    "tile": lambda x: x.tile((2, 1)),
    "repeat_interleave": lambda x: x.repeat_interleave(2, dim=-1),
    "reshape_as": lambda x: x.flatten(2).reshape_as(x),
    "movedim": lambda x: x.movedim(1, -1),
    "rsqrt": lambda x: x * (x.square().mean(1, keepdim=True) + 1e-5).rsqrt(),
    "reciprocal": lambda x: (x.exp() + 1).reciprocal(),
    "sum": lambda x: x.sum(1, keepdim=True),
    "sum of two axes": lambda x: x.sum((2, 3)),
    "max": lambda x: x.max(2)[0],
    "min": lambda x: x.flatten(2).min(-1, keepdim=True)[0],
    "split attention": _split_attention,
    "windows": _windows,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_composition_is_lifted(name: str) -> None:
    lift(Applied(FUNCTIONS[name]), (3, 8, 8))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: x.repeat(1, 17, 1, 1), "17 copies of a tensor side by side"),
        (lambda x: x.flatten(0, 1)[:20].unflatten(0, (5, 4)), "a slice of an axis that is merged with the batch"),
    ],
)
def test_a_composition_that_the_language_cannot_say_is_refused(function: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(ArchcError, match=told):
        lift(Applied(function), (3, 8, 8))


class StandardizedConv(nn.Conv2d):
    """A convolution whose filters have mean 0 and variance 1, times a gain if there is one."""

    def __init__(self, *args: Any, gain: float | None = None) -> None:
        super().__init__(*args)
        self.gain = None if gain is None else nn.Parameter(torch.ones(self.out_channels, 1, 1, 1))
        self.scale = (gain or 1.0) * self.weight[0].numel() ** -0.5

    def forward(self, input: Any) -> Any:
        gain = None if self.gain is None else (self.gain * self.scale).view(-1)
        filters = self.weight.reshape(1, self.out_channels, -1)
        weight = nn.functional.batch_norm(filters, None, None, weight=gain, training=True, momentum=0.0, eps=1e-6)
        weight = weight.reshape_as(self.weight)
        return nn.functional.conv2d(input, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


@pytest.mark.parametrize(("gain", "told"), [(None, "standardize: {}"), (1.5, "{gain: true, gamma: 1.5}")])
def test_filters_that_a_batch_norm_standardises_are_a_field_of_the_convolution(gain: float | None, told: str) -> None:
    found = lift(nn.Sequential(StandardizedConv(3, 8, 3, gain=gain), nn.ReLU()), (3, 8, 8))
    assert told in found.text


class TokenNorm(nn.Module):
    """A batch norm over all tokens of all images."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.bn = nn.Linear(4, 6), nn.BatchNorm1d(6)

    def forward(self, x: Any) -> Any:
        x = self.linear(x)
        return self.bn(x.flatten(0, 1)).reshape_as(x)


def test_a_batch_norm_over_images_and_tokens_is_one_over_the_channels() -> None:
    lift(nn.Sequential(nn.Conv2d(3, 4, 2, 2), nn.Flatten(2), Turned(), TokenNorm()), (3, 8, 8))


class Turned(nn.Module):
    """Channels last."""

    def forward(self, x: Any) -> Any:
        return x.transpose(1, 2)

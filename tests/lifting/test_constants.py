"""Tables that a module computes are recognised: the source that is found gives the same numbers."""

from __future__ import annotations

from math import e, pi
from typing import Any

import pytest
import torch
from torch import nn

from archc.lifting import lift
from archc.lifting.constants import constant_of
from archc.lifting.modules import NoWord


def pixels(height: int, width: int, stride: int = 1) -> torch.Tensor:
    """Row and column of every pixel of a window, or of some."""
    return torch.cartesian_prod(torch.arange(0, height, stride), torch.arange(0, width, stride))


def relative(height: int, width: int) -> torch.Tensor:
    """As Swin has it."""
    dy, dx = (pixels(height, width)[:, None] - pixels(height, width)).unbind(-1)
    return (dy + height - 1) * (2 * width - 1) + dx + width - 1


def with_class_token(height: int, width: int) -> torch.Tensor:
    """As BEiT has it."""
    count = (2 * height - 1) * (2 * width - 1)
    index = torch.nn.functional.pad(relative(height, width), (1, 0, 1, 0))
    index[0], index[1:, 0], index[0, 0] = count, count + 1, count + 2
    return index


def absolute(height: int, width: int, stride: int = 1) -> torch.Tensor:
    """As LeViT has it."""
    dy, dx = (pixels(height, width, stride)[:, None] - pixels(height, width)).abs().unbind(-1)
    return dy * width + dx


def pooled(queries: int, keys: int) -> torch.Tensor:
    """Along one axis, as MViTv2 has it."""
    stride = max(queries // keys, 1), max(keys // queries, 1)
    distance = torch.arange(queries)[:, None] * stride[1] - torch.arange(keys) * stride[0]
    return distance + (keys - 1) * stride[0]


INDICES = [
    (relative(3, 5), {"height": 3, "width": 5}),
    (relative(3, 3).flatten(), {"height": 3, "width": 3, "flat": True}),
    (with_class_token(2, 6), {"height": 2, "width": 6, "class_token": True}),
    (with_class_token(4, 3).flatten(), {"height": 4, "width": 3, "flat": True, "class_token": True}),
    (absolute(3, 4), {"height": 3, "width": 4, "absolute": True}),
    (absolute(4, 6, 2), {"height": 4, "width": 6, "absolute": True, "query_stride": 2}),
    (absolute(5, 5, 2), {"height": 5, "width": 5, "absolute": True, "query_stride": 2}),
    (pooled(12, 3), {"height": 1, "width": 12, "key_stride": 4}),
    (pooled(4, 8), {"height": 1, "width": 8, "query_stride": 2}),
]


def fields(tensor: torch.Tensor) -> dict[str, Any]:
    """What is written of the source with these values."""
    return constant_of(tensor, persistent=False).model_dump(exclude_defaults=True)


@pytest.mark.parametrize(("index", "expected"), INDICES)
def test_an_index_of_relative_positions_is_told_by_its_numbers(index: torch.Tensor, expected: dict[str, Any]) -> None:
    assert fields(index) == expected


def test_an_index_that_is_off_by_one_has_no_word() -> None:
    index = relative(3, 3)
    index[4, 5] += 1
    with pytest.raises(NoWord):
        constant_of(index, persistent=False)


def turned(positions: tuple[torch.Tensor, torch.Tensor], features: int, temperature: float) -> torch.Tensor:
    """Angles of each pixel by the positions of two axes."""
    bands = temperature ** (-torch.arange(features // 4) / (features // 4))
    return torch.cat([place.flatten()[:, None] * bands for place in torch.meshgrid(*positions, indexing="ij")], 1)


def eva(height: int, width: int) -> torch.Tensor:
    """Positions as on a window of 16 by 16 pixels."""
    positions = torch.arange(height) / height * 16, torch.arange(width) / width * 16
    return turned(positions, 16, 10000.0).repeat_interleave(2, 1)


def perception(height: int, width: int) -> torch.Tensor:
    """Columns before rows, counted from 1."""
    rows, columns = turned((torch.arange(height) + 1.0, torch.arange(width) + 1.0), 16, 10000.0).chunk(2, 1)
    return torch.cat([columns, rows], 1).repeat_interleave(2, 1)


def dino(height: int, width: int) -> torch.Tensor:
    """Positions between -1 and 1, times a turn."""
    positions = [2 * pi * (2 * (torch.arange(size) + 0.5) / size - 1) for size in (height, width)]
    return turned((positions[0], positions[1]), 16, 100.0).repeat(1, 2)


TURNS = [
    (eva(6, 6), {"step": 16 / 6}),
    (perception(8, 5), {"offset": 1.0, "indexing": "xy"}),
    (dino(8, 8), {"offset": -3.5, "step": pi / 2, "temperature": 100.0, "rotate_half": True}),
    (dino(12, 8), {"offset": [-5.5, -3.5], "step": [pi / 3, pi / 2], "temperature": 100.0, "rotate_half": True}),
]


@pytest.mark.parametrize("function", ["sin", "cos"])
@pytest.mark.parametrize(("angles", "expected"), TURNS)
def test_a_rotary_table_is_told_by_its_numbers(angles: torch.Tensor, expected: dict[str, Any], function: str) -> None:
    found = fields(getattr(angles, function)())
    size = {name: found.pop(name) for name in ("height", "width")}
    assert size["height"] * size["width"] == len(angles)
    assert found.pop("step", 1.0) == pytest.approx(expected.get("step", 1.0), rel=1e-12)
    rest = {name: value for name, value in expected.items() if name != "step"}
    assert found == {"features": 16, "function": function, **rest}


def test_a_table_with_one_other_number_has_no_word() -> None:
    table = eva(6, 6).sin()
    table[7, 3] += 1e-3
    with pytest.raises(NoWord):
        constant_of(table, persistent=False)


def test_distances_on_a_logarithmic_scale_are_told_with_their_scale() -> None:
    rows, columns = torch.arange(-3.0, 4), torch.arange(-3.0, 4)
    offsets = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
    natural = offsets.sign() * (1 + offsets.abs()).log()
    assert fields(natural) == {"height": 4, "width": 4, "base": e, "scale": 1.0}
    trained_smaller = offsets / 2 * 8
    scaled = trained_smaller.sign() * (1 + trained_smaller.abs()).log2() / 3
    assert fields(scaled) == {"height": 4, "width": 4, "scale": 4.0}


def test_distances_of_all_pairs_are_told() -> None:
    distance = (pixels(3, 4)[:, None] - pixels(3, 4)).flatten(0, 1).float()
    natural = distance.sign() * (1 + distance.abs()).log()
    assert fields(natural) == {"height": 3, "width": 4, "base": e, "scale": 1.0, "pairs": True}


class Attention(nn.Module):
    """Attention with a class token: queries and keys turned by their place, and a bias by their distance."""

    index: torch.Tensor
    sin: torch.Tensor
    cos: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.qkv = nn.Conv2d(3, 16, 4, 4), nn.Linear(16, 48)
        self.token, self.table = nn.Parameter(torch.randn(1, 1, 16)), nn.Parameter(torch.randn(228, 1))
        self.register_buffer("index", with_class_token(8, 8), persistent=False)
        self.register_buffer("sin", dino(8, 8).sin(), persistent=False)
        self.register_buffer("cos", dino(8, 8).cos(), persistent=False)

    def turned(self, x: Any) -> Any:
        token, x = x[:, :1], x[:, 1:]
        one, other = x.chunk(2, -1)
        return torch.cat([token, x * self.cos + torch.cat([-other, one], -1) * self.sin], 1)

    def forward(self, x: Any) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(torch.cat([self.token.expand(len(x), -1, -1), x], 1)).chunk(3, -1)
        bias = self.table[self.index.flatten()].reshape(65, 65, 1).permute(2, 0, 1)
        return torch.nn.functional.scaled_dot_product_attention(self.turned(q), self.turned(k), v, attn_mask=bias)


def test_a_network_with_such_tables_is_lifted_and_proved() -> None:
    found = lift(Attention(), (3, 32, 32))
    assert "class_token: true" in found.text
    assert "rotate_half: true" in found.text

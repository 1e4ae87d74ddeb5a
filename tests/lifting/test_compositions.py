"""Functions that several operators say together: each is lifted, and proved equal by the lift itself."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from archc.compare import Verdict
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
    y = functional.scaled_dot_product_attention(q, k, tokens)
    return y.view(n, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(n, c, h, w)


def _pooled_windows(x: Any) -> Any:
    """The maximum of each two by two pixels, in windows that are part of the batch."""
    n, c, h, w = x.shape
    windows = x.view(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, h // 2, w // 2)
    y = functional.max_pool2d(windows, 2)
    return y.view(n, 2, 2, c, h // 4, w // 4).permute(0, 3, 1, 4, 2, 5).reshape(n, c, h // 2, w // 2)


def _talking_heads(x: Any) -> Any:
    """Attention whose scores are bent before the softmax."""
    scores = (x @ x.transpose(-2, -1) * 0.5).permute(0, 2, 3, 1)
    return scores.tanh().permute(0, 3, 1, 2).softmax(-1) @ x


def _one_head(x: Any) -> Any:
    """Queries of four heads, and keys and values of one."""
    tokens = x.flatten(2)[..., None].transpose(-1, -2).reshape(len(x), 4, 16, 4)
    return functional.scaled_dot_product_attention(tokens, tokens[:, :1], tokens[:, 1:2])


def _blur(x: Any) -> Any:
    along = torch.tensor([0.25, 0.5, 0.25])
    filters = (along[:, None] * along)[None, None].repeat(4, 1, 1, 1)
    return functional.conv2d(functional.pad(x, (1,) * 4, mode="reflect"), filters, stride=2, groups=4)


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
    "pooled windows": _pooled_windows,
    "product of matrices": lambda x: x @ x.transpose(-2, -1),
    "linear attention": lambda x: x @ (x.transpose(-2, -1).softmax(-2) @ x),
    "einsum": lambda x: torch.einsum("bchw, bcwk -> bhkc", x, x.relu()),
    "einsum of one": lambda x: torch.einsum("bchw->bhwc", x),
    "talking heads": _talking_heads,
    "expand": lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1) * x[:, :3],
    "many copies": lambda x: x.mean((2, 3), keepdim=True).repeat(1, 1, 9, 10),
    "every second of seven": lambda x: x[:, :, 1:, 1:][:, :, ::2, 1::2],
    "a constant for each image": lambda x: x + torch.full((len(x), 1, 8, 8), 0.5),
    "one head of keys": _one_head,
    "a margin for the maximum": lambda x: functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=-inf), 3, 2),
    "a margin on both sides": lambda x: functional.max_pool2d(functional.pad(x, (1,) * 4, value=-inf), 3, 2),
    "a margin that cuts": lambda x: functional.pad(x, (-1, 1, -2, 0)).tanh(),
    "a margin that only cuts": lambda x: functional.pad(x, (-1, -3)).tanh(),
    "a blur": _blur,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_composition_is_lifted(name: str) -> None:
    lift(Applied(FUNCTIONS[name]), (3, 8, 8))


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: functional.pad(x, (1,) * 4, value=-inf), "a margin of minus infinity"),
        (lambda x: functional.conv2d(x, torch.ones(4, 1, 3, 3), groups=4), "whose filters are a constant"),
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
        weight = functional.batch_norm(filters, None, None, weight=gain, training=True, momentum=0.0, eps=1e-6)
        weight = weight.reshape_as(self.weight)
        return functional.conv2d(input, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


@pytest.mark.parametrize(
    ("gain", "told"),
    [(None, "standardize: {}"), (1.5, "gamma: 1.5}"), (1.7139588594436646, "gamma: 1.713958859443664")],
)
def test_filters_that_a_batch_norm_standardises_are_a_field_of_the_convolution(gain: float | None, told: str) -> None:
    found = lift(nn.Sequential(StandardizedConv(3, 8, 3, gain=gain), nn.ReLU()), (3, 8, 8))
    assert told in found.text


class WithoutBias(nn.Module):
    """A group norm that has a weight, and no bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.weight = nn.Conv2d(3, 4, 1), nn.Parameter(torch.ones(4))

    def forward(self, x: Any) -> Any:
        return functional.group_norm(self.conv(x), 1, self.weight, None)


def test_a_norm_that_lacks_a_tensor_which_the_operator_has_is_refused() -> None:
    with pytest.raises(ArchcError, match="no word for group_norm without bias"):
        lift(WithoutBias(), (3, 8, 8))


class Tiled(nn.Module):
    """A table that is laid twice beside itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.table = nn.Conv2d(3, 4, 1), nn.Parameter(torch.randn(1, 4, 4, 8))

    def forward(self, x: Any) -> Any:
        return self.conv(x) + self.table.tile(1, 1, 2, 1)


def test_a_tensor_of_the_module_that_is_laid_beside_itself_is_written_once() -> None:
    assert lift(Tiled(), (3, 8, 8)).text.count("shape: [1, 4, 4, 8]") == 1


class Scaled(nn.Module):
    """A convolution with standardised filters of some scale."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.conv = StandardizedConv(3, 3, 3, gain=gain)

    def forward(self, x: Any) -> Any:
        return self.conv(x).relu()


def test_modules_that_differ_in_a_mapping_are_no_block() -> None:
    found = lift(nn.Sequential(Scaled(1.5), Scaled(2.5)), (3, 8, 8))
    assert not found.is_flat
    assert "blocks:" not in found.text


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


class Relative(nn.Module):
    """Each pixel beside a table of its row's."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(8, 5, 4))

    def forward(self, x: Any) -> Any:
        return torch.einsum("bhwc,hkc->bhwk", x.permute(0, 2, 3, 1), self.table)


def test_a_product_with_a_table_of_each_row_is_one_of_matrices() -> None:
    found = lift(nn.Sequential(nn.Conv2d(3, 4, 1), Relative()), (3, 8, 8))
    assert "matmul" in found.text


class Pooled(nn.Module):
    """Attention of a query of the module's own to all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.latent = nn.Parameter(torch.randn(1, 1, 8))
        self.q, self.kv = nn.Linear(8, 8), nn.Linear(8, 16)

    def forward(self, x: Any) -> Any:
        n, count, features = x.shape
        q = self.q(self.latent.expand(n, -1, -1)).reshape(n, 1, 2, 4).transpose(1, 2)
        k, v = self.kv(x).reshape(n, count, 2, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, features)


def test_a_query_that_is_the_same_for_all_images_is_repeated_over_them() -> None:
    lift(nn.Sequential(nn.Conv2d(3, 8, 2, 2), nn.Flatten(2), Turned(), Pooled()), (3, 8, 8))


def _unrolled(x: Any) -> Any:
    """Pixels in the order of squares within squares within squares."""
    n, c = x.shape[:2]
    x = x.reshape(n, c, 1, 2, 2, 2, 1, 2, 2, 2).permute(0, 2, 6, 3, 7, 4, 8, 5, 9, 1)
    return x.reshape(n, -1, c)


@pytest.mark.parametrize("function", [_unrolled, lambda x: torch.cat([x[:, :0], x[:, 0:].tanh()], 1)])
def test_axes_in_many_pieces_and_slices_without_elements_are_lifted(function: Callable[[Any], Any]) -> None:
    lift(Applied(function), (3, 8, 8))


class WindowedPositions(nn.Module):
    """Positions of the image, and of windows that are repeated over it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.whole = nn.Parameter(torch.randn(1, 4, 18, 18))
        self.window = nn.Parameter(torch.randn(1, 4, 2, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.stem(x)
        return y + (self.whole + self.window.tile(1, 1, 9, 9))


def test_a_constant_that_no_branch_holds_has_a_place() -> None:
    found = lift(WindowedPositions(), (3, 18, 18))
    assert found.comparison.verdict is Verdict.ORDER


def _cut(x: Any, rows: int, size: int) -> Any:
    """Windows as tokens: `rows` windows of this size in each direction."""
    return x.reshape(-1, rows, size, rows, size, x.shape[-1]).permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


def _joined(x: Any, rows: int, size: int) -> Any:
    """The image that windows were cut from."""
    cut = x.reshape(-1, rows, rows, size, size, x.shape[-1])
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, rows * size, rows * size, x.shape[-1])


def test_an_image_of_windows_is_cut_into_other_windows_by_one_pattern() -> None:
    def function(x: Any) -> Any:
        x = x.permute(0, 2, 3, 1)
        return _cut(x + _joined(_cut(x, 3, 4).relu(), 3, 4), 6, 2).relu()

    words = [node.operator.word for node in lift(Applied(function), (3, 12, 12)).graph.nodes]
    assert words == ["conv2d", "permute", "rearrange", "relu", "rearrange", "sum", "rearrange", "relu"]

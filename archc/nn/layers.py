"""Layers that torch.nn lacks, or has in a form that cannot be exported."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class StochasticDepth(nn.Module):
    """Zeroes whole images (mode `row`) or the whole batch with probability p in training, and rescales the rest.

    Source: Huang et al. 2016, arXiv:1603.09382.
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x [N, ...] -> the same."""
        if not self.training or self.p == 0.0:
            return x
        size = [x.shape[0] if self.mode == "row" else 1] + [1] * (x.ndim - 1)
        survivors = torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(1 - self.p)
        return x * (survivors.div_(1 - self.p) if self.p < 1 else survivors)

    def extra_repr(self) -> str:
        """The fields, as `print` shows them."""
        return f"p={self.p}, mode={self.mode}"


class GroupNorm(nn.GroupNorm):
    """torch.nn.GroupNorm without its test of the input's size, which no trace can hold.

    Source: torch.nn.functional.group_norm.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Shapes: input [N, C, ...] -> the same."""
        return torch.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class InstanceNorm(nn.InstanceNorm1d):
    """torch.nn.InstanceNorm1d, 2d and 3d without running statistics, and without tests of the input's size.

    Source: torch.nn.functional.instance_norm.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Shapes: input [N, C, ...] -> the same."""
        return torch.instance_norm(input, self.weight, self.bias, None, None, True, 0.0, self.eps, False)


class LayerNorm2d(nn.LayerNorm):
    """torch.nn.LayerNorm over the channels of an image.

    Source: torchvision.models.convnext.LayerNorm2d.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Shapes: input [N, C, H, W] -> the same."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Padded(nn.Module):
    """What slides over an image with more zeros (or `value`) at the end; `margins` begin with those of the last axis.

    Source: TensorFlow's padding SAME.
    """

    value = 0.0

    def __init__(self, margins: tuple[int, ...], *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.margins = margins

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Shapes: input [N, C, *S] -> [N, C', *S']."""
        padded = functional.pad(input, self.margins, value=self.value) if self.margins else input
        output: torch.Tensor = super().forward(padded)
        return output


class PaddedConv1d(_Padded, nn.Conv1d):
    """torch.nn.Conv1d with margins of its own."""


class PaddedConv2d(_Padded, nn.Conv2d):
    """torch.nn.Conv2d with margins of its own."""


class PaddedConv3d(_Padded, nn.Conv3d):
    """torch.nn.Conv3d with margins of its own."""


class _Standardized(_Padded, nn.modules.conv._ConvNd):
    """A convolution whose filters are brought to mean 0 and variance 1; without a gamma there is no gain.

    Source: Qiao et al. 2019, arXiv:1903.10520; with a gain Brock et al. 2021, arXiv:2101.08692.
    """

    def __init__(self, eps: float, gamma: float | None, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.eps = eps
        self.scale = None if gamma is None else gamma * self.weight[0].numel() ** -0.5
        gain = torch.ones_like(self.weight.flatten(1)[:, 0]).reshape(-1, *[1] * (self.weight.ndim - 1))
        self.register_parameter("gain", None if gamma is None else nn.Parameter(gain))

    def _conv_forward(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        scale = None if self.scale is None else (self.gain * self.scale).flatten()
        filters = weight.flatten(1).unsqueeze(0)
        # torch.nn.functional.batch_norm tests the size, which no trace can hold.
        filters = torch.batch_norm(filters, scale, None, None, None, True, 0.0, self.eps, False)
        output: torch.Tensor = super()._conv_forward(input, filters.reshape_as(weight), bias)
        return output


class StandardizedConv1d(_Standardized, nn.Conv1d):
    """torch.nn.Conv1d with standardised filters."""


class StandardizedConv2d(_Standardized, nn.Conv2d):
    """torch.nn.Conv2d with standardised filters."""


class StandardizedConv3d(_Standardized, nn.Conv3d):
    """torch.nn.Conv3d with standardised filters."""


class MaxPool1d(nn.MaxPool1d):
    """torch.nn.MaxPool1d, computed as an image's of height 1: its own kernel makes torch.export fix the length."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Shapes: input [N, C, L] -> [N, C, L']."""
        fields = (self.kernel_size, self.stride, self.padding, self.dilation)
        kernel_size, stride, padding, dilation = (each if isinstance(each, int) else each[0] for each in fields)
        y = functional.max_pool2d(
            input.unsqueeze(-2), (1, kernel_size), (1, stride), (0, padding), (1, dilation), self.ceil_mode
        )
        return y.squeeze(-2)


class _PaddedMaxPool(_Padded):
    """A maximum in which the padding never wins."""

    value = float("-inf")


class PaddedMaxPool1d(_PaddedMaxPool, MaxPool1d):
    """MaxPool1d with more padding at the end."""


class PaddedMaxPool2d(_PaddedMaxPool, nn.MaxPool2d):
    """torch.nn.MaxPool2d with more padding at the end."""


class PaddedMaxPool3d(_PaddedMaxPool, nn.MaxPool3d):
    """torch.nn.MaxPool3d with more padding at the end."""


class PaddedAvgPool1d(_Padded, nn.AvgPool1d):
    """torch.nn.AvgPool1d with more padding at the end."""


class PaddedAvgPool2d(_Padded, nn.AvgPool2d):
    """torch.nn.AvgPool2d with more padding at the end."""


class PaddedAvgPool3d(_Padded, nn.AvgPool3d):
    """torch.nn.AvgPool3d with more padding at the end."""


class BlurPool2d(nn.Module):
    """A fixed depthwise convolution, with the same weights along both axes, behind mirrored edges.

    Source: Zhang 2019, arXiv:1904.11486.
    """

    filter: torch.Tensor

    def __init__(self, channels: int, weights: tuple[float, ...], stride: int, margin: int) -> None:
        super().__init__()
        self.channels, self.filter_size, self.stride, self.margin = channels, len(weights), stride, margin
        along = torch.tensor(weights, device="cpu")  # has values where parameters have none yet
        self.register_buffer("filter", torch.outer(along, along).repeat(channels, 1, 1, 1), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x [N, C, H, W] -> [N, C, H', W']."""
        padded = functional.pad(x, (self.margin,) * 4, "reflect")
        return functional.conv2d(padded, self.filter, stride=self.stride, groups=self.channels)


class LocalResponseNorm(nn.Module):
    """torch.nn.LocalResponseNorm for [N, C, H, W], without its test of the input's size, which no trace can hold.

    Source: torch.nn.functional.local_response_norm.
    """

    def __init__(self, size: int, alpha: float, beta: float, k: float) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x [N, C, H, W] -> the same."""
        squares = functional.pad((x * x).unsqueeze(1), (0, 0, 0, 0, self.size // 2, (self.size - 1) // 2))
        means = functional.avg_pool3d(squares, (self.size, 1, 1), stride=1).squeeze(1)
        return x / (means * self.alpha + self.k).pow(self.beta)

    def extra_repr(self) -> str:
        """The fields, as `print` shows them."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

"""Layers that torch.nn lacks."""

from __future__ import annotations

import torch
from torch import nn


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

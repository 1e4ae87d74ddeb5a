"""What torch.nn lacks; imported when a network that uses it is built."""

import torch
from torch import nn


class ChannelScale(nn.Module):
    """Every channel times a learned number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shapes: x [N, C, ...] -> the same."""
        return x * self.weight.reshape(-1, *(1,) * (x.ndim - 2))

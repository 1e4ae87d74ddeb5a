"""A small network twice: as a spec, and as the module that a person would have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from archc.builds.compilation import compile_spec
from archc.diagnostics import Source
from archc.ir.graph import Graph
from archc.spec.loading import parse_text

SPEC = """\
name: small
input: {channels: 3, height: 24, width: 24}
blocks:
  residual:
    layers:
      - sum:
          - - conv2d: {name: conv1, out_channels: $channels, kernel_size: 3, padding: 1, bias: false}
            - batch_norm: {name: bn1}
            - relu
            - conv2d: {name: conv2, out_channels: $channels, kernel_size: 3, padding: 1, bias: false}
            - batch_norm: {name: bn2}
            - stochastic_depth: 0.2
          - identity
      - relu
layers:
  - conv2d: {name: conv, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - residual: {name: layer, count: 2}
  - concat:
      - - max_pool2d: {name: pool, kernel_size: 3, stride: 1, padding: 1}
      - - conv2d: {name: point, out_channels: 4, kernel_size: 1}
        - gelu
  - adaptive_avg_pool2d: 1
  - flatten
  - aux: {linear: {name: aux, out_features: 5}}
  - dropout: {name: drop, p: 0.3}
  - linear: {name: fc, out_features: 5}
"""


class StochasticDepth(nn.Module):
    """As torchvision has it."""

    def __init__(self, p: float, axes: int = 1) -> None:
        super().__init__()
        self.p, self.axes = p, axes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        noise = x.new_empty([*x.shape[: self.axes], *[1] * (x.ndim - self.axes)])
        return x * noise.bernoulli_(1 - self.p).div_(1 - self.p)


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    shortcut = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stochastic_depth = StochasticDepth(0.2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.stochastic_depth(self.bn2(self.conv2(y)))
        if self.shortcut:
            y += x
        return functional.relu(y)


class Outputs(NamedTuple):
    """In training."""

    output: Any
    aux: Any


class Small(nn.Module):
    """The network of SPEC."""

    swapped = detached = False

    def __init__(self, num_classes: int = 5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.layer = nn.Sequential(Residual(8), Residual(8))
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.point = nn.Conv2d(8, 4, 1)
        self.aux = nn.Linear(12, num_classes)
        self.drop = nn.Dropout(0.3)
        self.fc = nn.Linear(12, num_classes)

    def forward(self, x: torch.Tensor) -> Any:
        x = self.layer(self.conv(x))
        pooled, point = self.pool(x), functional.gelu(self.point(x))
        x = torch.cat([point, pooled] if self.swapped else [pooled, point], 1).mean((2, 3))
        if not self.training:
            return self.fc(self.drop(x))
        aux = self.aux(x.detach() if self.detached else x)
        return Outputs(self.fc(self.drop(x)), aux)


def graph(spec: str = SPEC) -> Graph:
    """The graph of a spec's text."""
    return compile_spec(parse_text(Source("small.yaml", spec), Path()), {})

"""Modules that share layers, return several values, take several, or hold buffers."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

Tensor = Any  # what a submodule gives is of no type in PyTorch


class Shared(nn.Module):
    """A module that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.again = self.made_again()
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.head(self.again(functional.avg_pool2d(self.again(x), 2)))

    def made_again(self) -> nn.Module:
        return nn.Conv2d(8, 8, 3, padding=1)


class SharedList(Shared):
    """A list that is called twice."""

    def made_again(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())


class Pair(NamedTuple):
    """Two outputs by name."""

    boxes: Any
    scores: Any


class Several(nn.Module):
    """Two outputs, as a tuple, a dictionary or a named tuple."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.body, self.boxes, self.scores = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1), nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Any:
        x = self.body(x).relu_()
        found = Pair(self.boxes(x), self.scores(x))
        results: dict[str, Any] = {"tuple": tuple(found), "dict": found._asdict(), "named": found}
        return results[self.kind]


class Auxiliary(nn.Module):
    """A head in training only."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 16, 3, 2)
        self.aux, self.fc = nn.Linear(8, 5), nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Any:
        x = functional.relu(self.first(x))
        aux = self.aux(x.mean((2, 3))) if self.training else None
        x = self.fc(functional.relu(self.second(x)).mean((2, 3)))
        return {"out": x, "aux": aux} if self.training else {"out": x}


class TwoInputs(nn.Module):
    """An image and a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.mask = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(1, 8, 1)
        self.head = nn.Conv2d(8, 1, 1)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        return self.head(self.image(image) * self.mask(mask).sigmoid())


class Buffers(nn.Module):
    """An image normalised by buffers, and frozen tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.2, 0.25]).view(1, 3, 1, 1), persistent=False)
        self.conv = nn.Conv2d(3, 4, 3)
        self.conv.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.conv((x - self.mean) / self.std), 0.1)

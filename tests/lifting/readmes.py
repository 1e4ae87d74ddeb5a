"""Networks in the manner of those that well-known repositories show in their READMEs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.lifting.networks import BasicBlock

Tensor = Any  # what a submodule gives is of no type in PyTorch


class DoubleConv(nn.Module):
    """A list that has the name of the class."""

    def __init__(self, before: int, after: int, between: int | None = None) -> None:
        super().__init__()
        between = between or after
        self.double_conv = nn.Sequential(
            nn.Conv2d(before, between, 3, padding=1), nn.BatchNorm2d(between), nn.ReLU(inplace=True),
            nn.Conv2d(between, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class Down(nn.Module):
    """A pool whose stride is its size, and two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(before, after))

    def forward(self, x: Tensor) -> Tensor:
        return self.maxpool_conv(x)


class Up(nn.Module):
    """Padded to the size of a skip, by what both sizes are."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(before, before // 2, 2, 2)
        self.conv = DoubleConv(before, after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = self.up(x)
        rows, columns = skip.size()[2] - x.size()[2], skip.size()[3] - x.size()[3]
        x = functional.pad(x, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, x], dim=1))


class UpAndDown(nn.Module):
    """A U-Net whose levels are modules of two inputs."""

    def __init__(self, width: int = 4, n_classes: int = 2) -> None:
        super().__init__()
        self.inc = DoubleConv(3, width)
        self.down1, self.down2 = Down(width, 2 * width), Down(2 * width, 4 * width)
        self.up1, self.up2 = Up(4 * width, 2 * width), Up(2 * width, width)
        self.outc = nn.Conv2d(width, n_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        return self.outc(self.up2(self.up1(x3, x2), x1))


class Tree(nn.Module):
    """Blocks whose results are joined; a deeper one holds another of its class."""

    def __init__(self, before: int, after: int, level: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.level_1 = Tree(before, after, stride=stride) if level == 2 else None
        self.left = BasicBlock(after if level == 2 else before, after, 1 if level == 2 else stride)
        self.right = BasicBlock(after, after)
        self.root = nn.Conv2d((level + 1) * after, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        if self.level_1 is not None:
            x = self.level_1(x)
            found.append(x)
        left = self.left(x)
        return functional.relu(self.root(torch.cat([*found, left, self.right(left)], 1)))


class Trees(nn.Module):
    """Modules that hold others of their class."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layer1, self.layer2 = Tree(4, 8), Tree(8, 16, 2, stride=2)
        self.layer3, self.layer4 = Tree(16, 32, 2, stride=2), Tree(32, 64, stride=2)
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.linear(functional.avg_pool2d(x, 4).view(x.size(0), -1))


class Attention(nn.Module):
    """Query, key and value as chunks."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (dim // heads) ** -0.5
        self.norm = nn.LayerNorm(dim)
        self.to_qkv, self.to_out = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        parts = self.to_qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (part.view(batch, tokens, self.heads, -1).transpose(1, 2) for part in parts)
        weights = (torch.matmul(q, k.transpose(-1, -2)) * self.scale).softmax(-1)
        return self.to_out(torch.matmul(weights, v).transpose(1, 2).reshape(batch, tokens, dim))


class FeedForward(nn.Module):
    """Two linear layers."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Transformer(nn.Module):
    """A list of lists, whose items the loop adds to what it has."""

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.ModuleList([Attention(dim, 2), FeedForward(dim, 2 * dim)]) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        pair: Any
        for pair in self.layers:
            x = pair[0](x) + x
            x = pair[1](x) + x
        return x


class ClassToken(nn.Module):
    """A ViT whose class token and positions have no axis for the batch."""

    def __init__(self, dim: int = 16, depth: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.to_patches = nn.Conv2d(3, dim, 8, 8)
        self.cls_token, self.positions = nn.Parameter(torch.randn(1, dim)), nn.Parameter(torch.randn(17, dim))
        self.transformer = Transformer(dim, depth)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.to_patches(x).flatten(2).transpose(1, 2)
        token = self.cls_token.unsqueeze(0).expand(x.shape[0], -1, -1)
        x = torch.cat((token, x), dim=1)
        x = x + self.positions[: x.shape[1]]
        return self.head(self.transformer(x)[:, 0])


__all__ = ["ClassToken", "Trees", "UpAndDown"]

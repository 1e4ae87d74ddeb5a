"""Small networks as people write them in PyTorch, each with something that a lift has to understand."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.lifting.returning import Auxiliary, Buffers, Pair, Several, Shared, SharedList, TwoInputs

Tensor = Any  # what a submodule gives is of no type in PyTorch


class DropPath(nn.Module):
    """Stochastic depth as timm has it."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: Tensor) -> Tensor:
        if self.drop_prob == 0 or not self.training:
            return x
        keep = 1 - self.drop_prob
        return x * x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep).div_(keep)


class LayerNorm2d(nn.LayerNorm):
    """Normalises channels of an image."""

    def forward(self, input: Tensor) -> Tensor:
        y = functional.layer_norm(input.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return y.permute(0, 3, 1, 2)


class BasicBlock(nn.Module):
    """A residual block, whose shortcut is a convolution where the shape changes."""

    def __init__(self, in_planes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.shortcut: nn.Module | None = None
        if stride != 1 or in_planes != planes:
            self.shortcut = nn.Sequential(nn.Conv2d(in_planes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        y += x if self.shortcut is None else self.shortcut(x)
        return functional.relu(y)


class Residual(nn.Module):
    """Stages of blocks in a ModuleList."""

    def __init__(self, width: int = 8, num_classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        blocks = [BasicBlock(width, width), BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width)]
        self.blocks = nn.ModuleList([*blocks, BasicBlock(2 * width, 4 * width, 2), BasicBlock(4 * width, 4 * width)])
        self.fc = nn.Linear(4 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.stem(x)), 2)
        for block in self.blocks:
            x = block(x)
        return self.fc(functional.adaptive_avg_pool2d(x, 1).flatten(1))


class DoubleConv(nn.Module):
    """Two convolutions."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
            nn.Conv2d(after, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class UNet(nn.Module):
    """Skips from each level down to the same level up."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.inc, self.down = DoubleConv(3, width), DoubleConv(width, 2 * width)
        self.bottom = DoubleConv(2 * width, 4 * width)
        self.up1, self.up2 = DoubleConv(6 * width, 2 * width), DoubleConv(3 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down(functional.max_pool2d(x1, 2))
        x = self.bottom(functional.max_pool2d(x2, 2))
        x = self.up1(torch.cat([x2, functional.interpolate(x, scale_factor=2)], dim=1))
        x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.up2(torch.cat([x1, x], dim=1)))


class UNetOfLists(nn.Module):
    """The same, with lists of levels between which the network itself computes something."""

    def __init__(self, widths: tuple[int, ...] = (4, 8, 16)) -> None:
        super().__init__()
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.up = nn.ModuleList(DoubleConv(a + b, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = block(torch.cat([skips.pop(), x], dim=1))
        return self.head(x)


class DenseLayer(nn.Module):
    """Reads all that was made before it."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        return self.conv(functional.relu(self.norm(torch.cat(features, 1))))


class Dense(nn.Module):
    """A list of features that grows."""

    def __init__(self, growth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.layers = nn.ModuleList(DenseLayer(8 + growth * index, growth) for index in range(4))
        self.fc = nn.Linear(8 + 4 * growth, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(features))
        return self.fc(torch.cat(features, 1).mean((2, 3)))


class SqueezeExcite(nn.Module):
    """Channels weighed by what they hold."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // reduction, 1)
        self.fc2 = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(functional.silu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Squeezed(nn.Module):
    """Convolutions with SE."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), SqueezeExcite(16), nn.Conv2d(16, 32, 3, 2, 1), SqueezeExcite(32, reduction=8)
        )
        self.fc = nn.Linear(32, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).amax((2, 3)))


class Attention(nn.Module):
    """Attention written out, with one layer for query, key and value."""

    def __init__(self, dim: int, num_heads: int = 2, attn_drop: float = 0.1) -> None:
        super().__init__()
        self.num_heads, self.scale = num_heads, (dim // num_heads) ** -0.5
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * self.scale).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(batch, tokens, dim))


class Layer(nn.Module):
    """A layer of a transformer; drop path grows with depth."""

    def __init__(self, dim: int, num_heads: int, drop_path: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim, num_heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * dim, dim))
        self.drop_path = DropPath(drop_path)
        self.gamma = nn.Parameter(torch.full((dim,), 1e-4))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.gamma * self.mlp(self.norm2(x)))


class Transformer(nn.Module):
    """A small ViT with a class token, positions, layer scale and growing drop rates."""

    def __init__(self, dim: int = 16, depth: int = 3, num_heads: int = 2) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, 8, 8)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 10, dim))
        self.pos_drop = nn.Dropout(0.05)
        self.blocks = nn.ModuleList(Layer(dim, num_heads, 0.1 * index) for index in range(depth))
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        x = self.pos_drop(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class EncoderLayer(nn.Module):
    """As torchvision writes it."""

    def __init__(self, dim: int, num_heads: int, mlp_dim: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(dim, eps=1e-6), nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(dim, mlp_dim), nn.Linear(mlp_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        y, _ = self.self_attention(y, y, y, need_weights=False)
        x = x + y
        return x + self.fc2(functional.gelu(self.fc1(self.ln_2(x))))


class Encoder(nn.Module):
    """Layers with nn.MultiheadAttention."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 8, 8)
        self.layers = nn.Sequential(EncoderLayer(16, 4, 32), EncoderLayer(16, 4, 32))
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        x = x.reshape(x.shape[0], x.shape[1], -1).permute(0, 2, 1)
        return self.head(self.layers(x).mean(dim=1))


class WindowAttention(nn.Module):
    """Attention in windows that may be shifted, with a bias by relative position and a mask."""

    def __init__(self, dim: int, window: int, shift: int, size: int, num_heads: int = 2) -> None:
        super().__init__()
        self.window, self.shift, self.num_heads = window, shift, num_heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, num_heads))
        grid = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        offsets = (grid[:, :, None] - grid[:, None, :]).permute(1, 2, 0) + window - 1
        self.register_buffer("index", offsets[..., 0] * (2 * window - 1) + offsets[..., 1])
        self.index: torch.Tensor
        self.size = size

    def mask(self) -> Tensor:
        places = torch.zeros(1, self.size, self.size)
        slices = (slice(0, -self.window), slice(-self.window, -self.shift), slice(-self.shift, None))
        for count, (rows, columns) in enumerate((rows, columns) for rows in slices for columns in slices):
            places[:, rows, columns] = count
        places = self.parts(places[..., None]).squeeze(-1)
        return (places[:, None] - places[:, :, None]).ne(0).float() * -100

    def parts(self, x: Tensor) -> Tensor:
        batch, height, width, dim = x.shape
        x = x.view(batch, height // self.window, self.window, width // self.window, self.window, dim)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, self.window**2, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, height, width, dim = x.shape
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        windows = self.parts(x)
        tokens = self.window**2
        qkv = self.qkv(windows).reshape(-1, tokens, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (dim // self.num_heads) ** -0.5) @ k.transpose(-2, -1)
        bias = self.bias_table[self.index.view(-1)].view(tokens, tokens, -1).permute(2, 0, 1)
        scores = scores + bias.unsqueeze(0)
        if self.shift:
            mask = self.mask()
            scores = scores.view(batch, len(mask), self.num_heads, tokens, tokens) + mask[None, :, None]
            scores = scores.view(-1, self.num_heads, tokens, tokens)
        y = self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(-1, tokens, dim))
        y = y.view(batch, height // self.window, width // self.window, self.window, self.window, dim)
        y = y.permute(0, 1, 3, 2, 4, 5).reshape(batch, height, width, dim)
        return torch.roll(y, (self.shift, self.shift), (1, 2)) if self.shift else y


class Windows(nn.Module):
    """Two layers of a Swin transformer."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, dim, 4, 4)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn1, self.attn2 = WindowAttention(dim, 4, 0, 8), WindowAttention(dim, 4, 2, 8)
        self.head = nn.Linear(dim, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).permute(0, 2, 3, 1)
        x = x + self.attn1(self.norm1(x))
        x = x + self.attn2(self.norm2(x))
        return self.head(x.mean((1, 2)))


class Rates(nn.Module):
    """Dropout of several rates, and stochastic depth that grows."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.blocks = nn.Sequential(*[Rated(8, 0.1 * index, 0.2) for index in range(4)], Rated(8, 0.4, 0.3))
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(functional.dropout(self.blocks(self.stem(x)).mean((2, 3)), 0.4, self.training))


class Rated(nn.Module):
    """A block like ConvNeXt's, with two rates."""

    def __init__(self, dim: int, drop_path: float, drop: float) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(dim, dim, 3, padding=1, groups=dim), LayerNorm2d(dim, eps=1e-6)
        self.drop, self.drop_path = nn.Dropout(drop), DropPath(drop_path)
        self.scale = nn.Parameter(torch.ones(dim, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop_path(self.drop(self.scale * self.norm(self.conv(x))))


__all__ = [
    "Attention",
    "Auxiliary",
    "BasicBlock",
    "Buffers",
    "Dense",
    "DenseLayer",
    "DoubleConv",
    "DropPath",
    "Encoder",
    "EncoderLayer",
    "Layer",
    "LayerNorm2d",
    "Pair",
    "Rated",
    "Rates",
    "Residual",
    "Several",
    "Shared",
    "SharedList",
    "SqueezeExcite",
    "Squeezed",
    "Transformer",
    "TwoInputs",
    "UNet",
    "UNetOfLists",
    "WindowAttention",
    "Windows",
]

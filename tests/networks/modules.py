"""Networks written by hand in PyTorch, with the keys of the specs that are bundled under their names."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any  # what a submodule gives is of no type in PyTorch


class UNet(nn.Module):
    """Ronneberger et al. 2015, arXiv:1505.04597, figure 1, padded and normalised."""

    def __init__(self, width: int = 64, num_classes: int = 2) -> None:
        super().__init__()
        for level in range(1, 5):
            self.add_module(f"down{level}", self._double(3 if level == 1 else width << level - 2, width << level - 1))
        self.bottom = self._double(width << 3, width << 4)
        for level in range(4, 0, -1):
            channels = width << level - 1
            up = nn.Module()
            up.up = nn.ConvTranspose2d(2 * channels, channels, 2, 2)
            up.conv = self._double(2 * channels, channels)
            self.add_module(f"up{level}", up)
        self.head = nn.Conv2d(width, num_classes, 1)

    @staticmethod
    def _double(before: int, after: int) -> nn.Sequential:
        first, second = nn.Conv2d(before, after, 3, padding=1, bias=False), nn.Conv2d(after, after, 3, 1, 1, bias=False)
        return nn.Sequential(first, nn.BatchNorm2d(after), nn.ReLU(), second, nn.BatchNorm2d(after), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level in range(1, 5):
            x = self.get_submodule(f"down{level}")(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for level in range(4, 0, -1):
            up: Any = self.get_submodule(f"up{level}")
            x = up.conv(torch.cat([skips[level - 1], up.up(x)], 1))
        return self.head(x)


class Basic(nn.Module):
    """He et al. 2015, arXiv:1512.03385, figure 5 (left), over one axis or two."""

    def __init__(self, before: int, after: int, stride: int, axes: int) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{axes}d"), getattr(nn, f"BatchNorm{axes}d")
        self.conv1, self.bn1 = conv(before, after, 3, stride, 1, bias=False), norm(after)
        self.conv2, self.bn2 = conv(after, after, 3, 1, 1, bias=False), norm(after)
        self.downsample = None
        if stride != 1 or before != after:
            self.downsample = nn.Sequential(conv(before, after, 1, stride, bias=False), norm(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet18(nn.Module):
    """The stem and the four stages of ResNet-18, over one axis or two; `forward` gives the last three stages."""

    def __init__(self, channels: int, axes: int) -> None:
        super().__init__()
        self.conv1 = getattr(nn, f"Conv{axes}d")(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = getattr(nn, f"BatchNorm{axes}d")(64)
        self.maxpool = getattr(nn, f"MaxPool{axes}d")(3, 2, 1)
        for stage, width in enumerate((64, 128, 256, 512), 1):
            first = Basic(64 if stage == 1 else width // 2, width, 1 if stage == 1 else 2, axes)
            self.add_module(f"layer{stage}", nn.Sequential(first, Basic(width, width, 1, axes)))

    def forward(self, x: Tensor) -> list[Tensor]:
        stages = [self.maxpool(functional.relu(self.bn1(self.conv1(x))))]
        for stage in range(1, 5):
            stages.append(self.get_submodule(f"layer{stage}")(stages[-1]))
        return stages[2:]


class ResNet18For1d(ResNet18):
    """ResNet-18 for signals of twelve leads."""

    def __init__(self, num_classes: int = 6) -> None:
        super().__init__(12, axes=1)
        self.fc = nn.Linear(512, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(super().forward(x)[-1].mean(2))


class Pyramid(nn.Module):
    """Lin et al. 2016, arXiv:1612.03144, with the names of torchvision's FeaturePyramidNetwork."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(before, width, 1)) for before in channels])
        self.layer_blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(width, width, 3, padding=1)) for _ in channels])

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        laterals = [block(level) for block, level in zip(self.inner_blocks, levels, strict=True)]
        merged = [laterals[-1]]
        for lateral in laterals[-2::-1]:
            merged.insert(0, lateral + functional.interpolate(merged[0], size=lateral.shape[2:], mode="nearest"))
        return [block(level) for block, level in zip(self.layer_blocks, merged, strict=True)]


class ResNet18Fpn(nn.Module):
    """A pyramid on a ResNet-18 with one head for all levels."""

    def __init__(self, num_classes: int = 80, width: int = 256) -> None:
        super().__init__()
        self.body = ResNet18(3, axes=2)
        self.fpn = Pyramid([128, 256, 512], width)
        layers = [nn.Conv2d(width, out, 3, padding=1) for out in (width, width, num_classes)]
        self.head = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.head(level) for level in self.fpn(self.body(x)))


class Espcn(nn.Module):
    """Shi et al. 2016, arXiv:1609.05158, section 3.2."""

    def __init__(self, upscale_factor: int = 3) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 64, 5, padding=2), nn.Conv2d(64, 32, 3, padding=1)
        self.conv3 = nn.Conv2d(32, upscale_factor**2, 3, padding=1)
        self.upscale_factor = upscale_factor

    def forward(self, x: Tensor) -> Tensor:
        return functional.pixel_shuffle(self.conv3(self.conv2(self.conv1(x).tanh()).tanh()), self.upscale_factor)


class DcganGenerator(nn.Module):
    """Radford et al. 2015, arXiv:1511.06434, figure 1."""

    def __init__(self, filters: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((100, 512, 256, 128), (512, 256, 128, 64), strict=True):
            before, after = before if before == 100 else before * filters // 64, after * filters // 64
            shape = (4, 1, 0) if before == 100 else (4, 2, 1)
            layers += [nn.ConvTranspose2d(before, after, *shape, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(filters, 3, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x[:, :, None, None])


def _conv(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after, eps=1e-3, momentum=0.03), nn.SiLU())


class C2f(nn.Module):
    """Terven et al. 2023, arXiv:2304.00501, section 11: the halves of a value, and each block's output after them."""

    def __init__(self, before: int, after: int, n: int, shortcut: bool = True) -> None:
        super().__init__()
        half, self.shortcut = after // 2, shortcut
        self.cv1, self.cv2 = _conv(before, after, 1), _conv((2 + n) * half, after, 1)
        pairs = [{"cv1": _conv(half, half), "cv2": _conv(half, half)} for _ in range(n)]
        self.m = nn.ModuleList([nn.Sequential(OrderedDict(pair)) for pair in pairs])

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        for block in self.m:
            parts.append(block(parts[-1]) + parts[-1] if self.shortcut else block(parts[-1]))
        return self.cv2(torch.cat(parts, 1))


class Sppf(nn.Module):
    """The same source: pools of pools, side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = _conv(width, width // 2, 1), _conv(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.cv1(x)]
        for _ in range(3):
            parts.append(functional.max_pool2d(parts[-1], 5, 1, 2))
        return self.cv2(torch.cat(parts, 1))


class C2fDetector(nn.Module):
    """The same source's figure of YOLOv8, up to the raw outputs of its heads."""

    def __init__(self, num_classes: int = 80, bins: int = 16, w: int = 16) -> None:
        super().__init__()
        body: dict[str, nn.Module] = {
            "stem": _conv(3, w, 3, 2),
            "down2": _conv(w, 2 * w, 3, 2),
            "stage2": C2f(2 * w, 2 * w, 1),
        }
        body |= {"down3": _conv(2 * w, 4 * w, 3, 2), "stage3": C2f(4 * w, 4 * w, 2)}
        body |= {"down4": _conv(4 * w, 8 * w, 3, 2), "stage4": C2f(8 * w, 8 * w, 2)}
        body |= {"down5": _conv(8 * w, 16 * w, 3, 2), "stage5": C2f(16 * w, 16 * w, 1), "sppf": Sppf(16 * w)}
        neck: dict[str, nn.Module] = {"top4": C2f(24 * w, 8 * w, 1, False), "top3": C2f(12 * w, 4 * w, 1, False)}
        neck |= {"down4": _conv(4 * w, 4 * w, 3, 2), "bottom4": C2f(12 * w, 8 * w, 1, False)}
        neck |= {"down5": _conv(8 * w, 8 * w, 3, 2), "bottom5": C2f(24 * w, 16 * w, 1, False)}
        self.backbone, self.neck = nn.ModuleDict(body), nn.ModuleDict(neck)
        for level, channels in ((3, 4 * w), (4, 8 * w), (5, 16 * w)):
            head = {"box": (max(w, 4 * bins), 4 * bins), "cls": (max(4 * w, min(num_classes, 100)), num_classes)}
            branches = {
                name: nn.Sequential(_conv(channels, width), _conv(width, width), nn.Conv2d(width, out, 1))
                for name, (width, out) in head.items()
            }
            self.add_module(f"head{level}", nn.ModuleDict(branches))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        kept = {}
        for name, block in self.backbone.items():
            kept[name] = x = block(x)
        neck, c3, c4, c5 = self.neck, kept["stage3"], kept["stage4"], kept["sppf"]
        m4 = neck["top4"](torch.cat([functional.interpolate(c5, scale_factor=2.0), c4], 1))
        n3 = neck["top3"](torch.cat([functional.interpolate(m4, scale_factor=2.0), c3], 1))
        n4 = neck["bottom4"](torch.cat([neck["down4"](n3), m4], 1))
        n5 = neck["bottom5"](torch.cat([neck["down5"](n4), c5], 1))
        heads: list[Any] = [self.get_submodule(f"head{level}") for level in (3, 4, 5)]
        return tuple(
            torch.cat([head["box"](level), head["cls"](level)], 1)
            for head, level in zip(heads, (n3, n4, n5), strict=True)
        )

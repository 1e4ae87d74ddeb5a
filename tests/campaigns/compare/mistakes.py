"""Mistakes that people make in a module: one attribute, activation, gradient or output is not the spec's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid, nn.Tanh)
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "eps": lambda eps: eps * 10,
    "momentum": lambda momentum: None if momentum is None else momentum / 2,
    "p": lambda p: p / 2 + 0.05,
    "drop_prob": lambda p: p / 2 + 0.05,
    "negative_slope": lambda slope: slope * 2,
}
"""Attributes of which any module may have another number."""


HOOKED = ("skipped", "detached", "scaled", "dropout")
"""Mistakes that a hook makes."""


class Mistake(NamedTuple):
    """What is planted, in which module, and how."""

    name: str
    path: str
    plant: Callable[[nn.Module], object]


def mistakes(module: nn.Module) -> Iterator[Mistake]:
    """Every mistake that can be made in a module."""
    for path, layer in module.named_modules():
        if path and not any(layer.children()):
            yield from _of_layer(path, layer)


def _of_layer(path: str, layer: nn.Module) -> Iterator[Mistake]:
    for name, change in NUMBERS.items():
        if isinstance(value := getattr(layer, name, None), float):
            yield Mistake(name, path, _setter(path, name, change(value)))
    if isinstance(layer, nn.Conv2d) and any(layer.padding) and layer.padding_mode == "zeros":
        yield Mistake("padding mode", path, lambda root: _reflect(root.get_submodule(path)))
    if isinstance(layer, nn.Conv2d | nn.MaxPool2d) and layer.padding in ((1, 1), 1):
        yield Mistake("padding", path, _setter(path, "padding", (0, 0) if layer.padding == (1, 1) else 0))
    if isinstance(layer, ACTIVATIONS):
        other = nn.ELU() if isinstance(layer, nn.ReLU) else nn.ReLU()
        yield Mistake("activation", path, lambda root: root.set_submodule(path, other))
    if next(layer.parameters(), None) is not None:
        yield Mistake("frozen", path, lambda root: root.get_submodule(path).requires_grad_(False))
        yield Mistake("skipped", path, lambda root: _skip(root.get_submodule(path)))
        yield Mistake("detached", path, lambda root: _hook(root.get_submodule(path), lambda y: y.detach()))
        yield Mistake("scaled", path, lambda root: _hook(root.get_submodule(path), lambda y: y * 1.0001))
        yield Mistake("dropout", path, lambda root: _hook(root.get_submodule(path), _dropped))


def _setter(path: str, name: str, value: object) -> Callable[[nn.Module], object]:
    return lambda root: setattr(root.get_submodule(path), name, value)


def _reflect(layer: Any) -> None:
    layer.padding_mode = "reflect"
    layer._reversed_padding_repeated_twice = [size for size in reversed(layer.padding) for _ in range(2)]


ran: list[bool] = []
"""An entry for each run of a hook: a layer of which only the weights are used makes no mistake by its hook."""


def _skip(layer: nn.Module) -> None:
    """The layer gives its input where shapes allow it, as a lost layer does, and half its output elsewhere."""

    def hook(_: nn.Module, given: Any, y: torch.Tensor) -> torch.Tensor:
        ran.append(True)
        return given[0].clone() if given[0].shape == y.shape else y / 2

    layer.register_forward_hook(hook)


def _hook(layer: nn.Module, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    def hook(_: nn.Module, given: Any, y: torch.Tensor) -> torch.Tensor:
        ran.append(True)
        return change(y)

    layer.register_forward_hook(hook)


def _dropped(y: torch.Tensor) -> torch.Tensor:
    return nn.functional.dropout(y, 0.1, training=y.requires_grad)

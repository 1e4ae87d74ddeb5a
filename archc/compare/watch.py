"""Watches a module run: the path that each operation belongs to, and what it draws at random.

A draw is recorded and replaced by its mean. What drops a share p of its input and divides the rest by 1 - p then passes
it on unchanged, so that a training step is the same each time; the rates are compared by the record.

Others drop by a threshold on uniform numbers, `torch.floor(keep + torch.rand(...))`, which no record shows. There both
sides are run so that everything is kept: ones are drawn, and the uniform numbers lie at that end of their range which
keeps. What is kept is divided by 1 - p, and so the outputs show the rate.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple, Self

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from archc.compare.factory import is_own, shown

aten = torch.ops.aten
UNIFORM = ("rand", "rand_like", "uniform")
ENDS = (1 - 2.0**-20, 2.0**-20)
"""Of the range of uniform numbers: all is kept by `floor(keep + u)` at the first, and by `u < keep` at the second."""


class Draw(NamedTuple):
    """Numbers drawn at random: by which operation, how many, and with which probability of a one, if that is known."""

    name: str
    shape: tuple[int, ...]
    kept: float | None
    path: str
    line: str | None

    @property
    def is_uniform(self) -> bool:
        """True for numbers between 0 and 1, of which a threshold keeps some."""
        return self.name in UNIFORM


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Runs everything inside, and records draws with the path of the module whose `forward` makes them.

    Draws give their means; with `uniform`, ones, and this number in place of uniform ones. A module in float64 stays in
    float64 where it asks for float32, as `x.float()` does.
    """

    def __init__(self, module: nn.Module, uniform: float | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.draws: list[Draw] = []
        self._uniform = uniform
        self._is_double = any(each.dtype == torch.float64 for each in module.parameters())
        self._modules = {path: found for path, found in module.named_modules() if path}
        self._stack = [""]
        self._hooks: list[Any] = []

    def __enter__(self) -> Self:
        for path, module in self._modules.items():
            self._hooks.append(module.register_forward_pre_hook(lambda *_, path=path: self._stack.append(path)))
            self._hooks.append(module.register_forward_hook(self._leave, always_call=True))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        for hook in self._hooks:
            hook.remove()

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._is_double and kwargs.get("dtype") is torch.float32:
            kwargs = {**kwargs, "dtype": torch.float64}
        if torch.Tag.nondeterministic_seeded in func.tags and _rate(func, args, kwargs) != 0.0:
            return self._draw(func, args, kwargs)
        result = func(*args, **kwargs)
        self.see(func, args, kwargs, result)
        return result

    def see(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        """Called after each operation."""

    @property
    def path(self) -> str:
        """The path of the module whose `forward` runs."""
        return self._stack[-1]

    def _leave(self, *_: Any) -> None:
        self._stack.pop()

    def _draw(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        replaced: Callable[..., tuple[float | None, Any]] = _MEANS.get(func, _seeded)
        kept, mean = replaced(func, *args, **kwargs)
        if self._uniform is not None and (kept is not None or name_of(func) in UNIFORM):
            mean = _filled_with(mean, self._uniform if kept is None else 1.0)
        first = mean[0] if isinstance(mean, tuple) else mean
        self.draws.append(Draw(name_of(func), tuple(first.shape), kept, self.path, line()))
        self.see(func, args, kwargs, mean)
        return mean


def _rate(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> float | None:
    """The share of its weights that an attention drops; None for other operations."""
    names = [argument.name for argument in func._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return float(given.get("dropout_p", 0.0)) if "dropout_p" in names else None


def name_of(func: Any) -> str:
    """`relu` of `aten.relu_.default`."""
    return str(func).split(".")[1].strip("_")


def line() -> str | None:
    """`file:line in function` of the innermost call in a person's own code."""
    frame: FrameType | None = sys._getframe(1)
    while frame and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{shown(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_qualname}" if frame else None


def _filled_with(drawn: Any, value: float) -> Any:
    """A draw's result with this number in place of each; what `native_dropout` gives has been scaled."""
    return drawn if isinstance(drawn, tuple) else drawn.fill_(value)


def _filled(func: Any, x: torch.Tensor, p: float = 0.5, **_: Any) -> tuple[float, torch.Tensor]:
    return p, x.fill_(p)


def _full(func: Any, x: torch.Tensor, p: float, **_: Any) -> tuple[float, torch.Tensor]:
    return p, torch.full_like(x, p)


def _probabilities(func: Any, x: torch.Tensor, **_: Any) -> tuple[float, torch.Tensor]:
    return float(x.mean()), x.clone()


def _dropout(func: Any, x: torch.Tensor, p: float, train: bool | None, **_: Any) -> tuple[float, Any]:
    return 1 - p, (x.clone(), torch.ones_like(x, dtype=torch.bool))


def _seeded(func: Any, *args: Any, **kwargs: Any) -> tuple[None, Any]:
    """Any other draw happens, from a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return None, func(*args, **kwargs)


_MEANS: dict[Any, Callable[..., tuple[float | None, Any]]] = {
    aten.bernoulli_.float: _filled,
    aten.bernoulli.p: _full,
    aten.bernoulli.default: _probabilities,
    aten.native_dropout.default: _dropout,
}

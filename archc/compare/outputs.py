"""The tensors in what a `forward` returns, whatever its form, and how those of two sides are paired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import torch


class Named(NamedTuple):
    """A tensor, and its name in the result: `out`, `0`, `features.1`; empty for a tensor alone."""

    name: str
    tensor: torch.Tensor


def tensors(result: Any, name: str = "") -> Iterator[Named]:
    """Every tensor of a tuple, list, mapping, named tuple, dataclass, or of these inside each other."""
    if isinstance(result, torch.Tensor):
        yield Named(name, result)
        return
    for key, value in _members(result):
        yield from tensors(value, f"{name}.{key}" if name else str(key))


def _members(result: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(result, Mapping):
        yield from result.items()
    elif isinstance(result, tuple) and hasattr(result, "_fields"):
        names: tuple[str, ...] = getattr(result, "_fields")  # noqa: B009  # of a NamedTuple
        yield from zip(names, result, strict=True)
    elif isinstance(result, tuple | list):
        yield from enumerate(result)
    elif is_dataclass(result) and not isinstance(result, type):
        yield from ((each.name, getattr(result, each.name)) for each in fields(result))


def by_name(ours: Sequence[Named], theirs: Sequence[Named]) -> list[Named]:
    """Their tensors in our order if both have the same names, else as they are."""
    found = {each.name: each for each in theirs}
    return [found[each.name] for each in ours] if found.keys() == {each.name for each in ours} else list(theirs)


def by_value(ours: Sequence[Named], theirs: Sequence[Named]) -> list[Named] | None:
    """Their tensors in an order in which all are ours; None if there is none."""
    left, found = list(theirs), []
    for own in ours:
        same = next((each for each in left if _alike(own.tensor, each.tensor)), None)
        if same is None:
            return None
        left = [each for each in left if each is not same]
        found.append(same)
    return found


def are_named(outputs: Sequence[Named]) -> bool:
    """True if names were given by a person, and are not positions."""
    return not any(part.isdecimal() for each in outputs for part in each.name.split("."))


def listed(outputs: Sequence[Named]) -> str:
    """Names and shapes, as a message has them."""
    return ", ".join(f"{each.name or 'a tensor'} {list(each.tensor.shape)}" for each in outputs) or "none"


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, rtol=1e-9, atol=1e-12)

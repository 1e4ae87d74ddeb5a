"""Compares what both sides draw at random: drop rates and their shapes show in no output."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from torch import nn

from archc.compare.places import module_place, spec_place
from archc.compare.report import Difference
from archc.compare.sides import Sides
from archc.compare.watch import Draw

RANDOM = "randomness"
SAME_RATE = 1e-6  # roundings of float32: PyTorch's linspace gives rates that have some


def draw_differences(sides: Sides, ours: Sequence[Draw], theirs: Sequence[Draw], *, mode: str) -> list[Difference]:
    """What is drawn on one side only, or with another rate or shape. `mode` is where: in training or in evaluation."""
    return [
        Difference(
            RANDOM,
            f"{mode}, {message}",
            path=(own or their or Draw("", (), None, "", None)).path,
            spec=spec_place(sides.graph, own.path) if own else None,
            module=_place(sides.theirs, their) if their else None,
        )
        for own, their in _pairs(ours, theirs)
        for message in _messages(own, their)
    ]


def _pairs(ours: Sequence[Draw], theirs: Sequence[Draw]) -> Iterator[tuple[Draw | None, Draw | None]]:
    """Draws of modules with one path, then the others in their order: a layer may be used twice on one side alone."""
    left = [list(ours), list(theirs)]
    for own in ours:
        their = next((draw for draw in left[1] if draw.path == own.path), None)
        if their is not None:
            yield own, their
            _remove(left[0], own)
            _remove(left[1], their)
    yield from zip_longest(left[0], left[1])


def _remove(draws: list[Draw], draw: Draw) -> None:
    del draws[next(index for index, each in enumerate(draws) if each is draw)]


def _messages(own: Draw | None, their: Draw | None) -> Iterator[str]:
    path = (own and own.path) or "the network"
    if own is None or their is None:
        present, absent = ("spec", "module") if own else ("module", "spec")
        yield f"the {present} draws {_told(own or their)}, and the {absent} draws nothing there"
    elif own.kept is None or (their.kept is None and not their.is_uniform):
        yield f"the spec draws {_told(own)}, and the module {_told(their)}"
    elif their.kept is not None and abs(own.kept - their.kept) > SAME_RATE:
        yield f"{path} drops with probability {_rate(own)} in the spec, and {_rate(their)} in the module"
    elif own.shape != their.shape:
        yield f"{path} draws {list(own.shape)} numbers in the spec, and {list(their.shape)} in the module"


def _told(draw: Draw | None) -> str:
    assert draw is not None, "one of the two draws"
    rate = f" and drops with probability {_rate(draw)}" if draw.kept is not None else ""
    return f"{list(draw.shape)} numbers by {draw.name}{rate} in {draw.path or 'its own forward'}"


def _rate(draw: Draw) -> float:
    return float(f"{1 - (draw.kept or 0):.9g}")


def _place(module: nn.Module, draw: Draw) -> str:
    told = module_place(module, draw.path)
    return f"{told}, called at {draw.line}" if draw.line else told

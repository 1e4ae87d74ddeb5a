"""Values that grow evenly from one use of a block to the next, such as rates of stochastic depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archc.lifting.items import Data
from archc.lifting.templates import Column

FEWEST = 3  # values that are worth a ramp
CLOSE = 1e-6  # float32 rates, as torch.linspace gives them, are this close


@dataclass(frozen=True)
class Ramped:
    """A field that grows evenly over the instances of a block; `values` are by the instances' paths."""

    values: tuple[tuple[str, float], ...]


def ramp_of(column: Column, paths: Mapping[int, str]) -> Ramped | None:
    """The column, whose instances are the uses, as places of a ramp; None if it does not grow evenly."""
    if len(column) < FEWEST or not all(isinstance(value, float) for value in column.values()):
        return None
    return Ramped(tuple((paths[k], value) for k, value in sorted(column.items()))) if _line(column) else None


def _line(values: Mapping[int, float]) -> tuple[float, float] | None:
    """The value at 0 and the step of values that grow evenly with their places; None for others."""
    (first, low), (last, high) = min(values.items()), max(values.items())
    step = (high - low) / max(1, last - first)
    start = low - step * first
    even = all(abs(start + step * k - value) <= CLOSE for k, value in values.items())
    return (start, step) if even else None


def ramp_through(ramped: Iterable[Ramped], uses: Sequence[str]) -> dict[str, Data] | None:
    """The ramp over uses, by path, that gives these values: the first of a few that does so to the last bit.

    None if the values do not grow evenly over these uses.
    """
    places = {path: place for place, path in enumerate(uses)}
    known = {places[path]: value for each in ramped for path, value in each.values}
    line = _line(known)
    if line is None:
        return None
    start, step = line
    tried = [
        (round(start, digits) + 0.0, round(start + step * steps, digits), steps)
        for digits in (4, 6, 9, 17)
        for steps in (len(uses), len(uses) - 1)
    ]

    def error(candidate: tuple[float, float, int]) -> float:
        low, high, steps = candidate
        return max(abs(low + (high - low) * k / max(1, steps) - value) for k, value in known.items())

    low, high, steps = min(tried, key=lambda candidate: (error(candidate) > 0, error(candidate) > CLOSE))
    return {"start": low, "stop": high, **({"endpoint": False} if steps == len(uses) else {})}

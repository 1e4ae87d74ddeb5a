"""A table of sines or cosines of positions -> the positions and frequencies that it was computed from.

Along an axis the angles of a frequency grow evenly, by w from one pixel to the next. So the sum of both neighbours of a
number is 2 cos(w) times that number, for sines and cosines alike: this tells w, and then least squares tell the phase.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import acos, atan2, pi
from typing import Any

import torch

FEWEST = 3  # pixels along an axis that tell a frequency
MOST = 128  # denominator of a step
DIGITS = 4  # of a temperature
CLOSE = 1e-5  # numbers that were computed in float32

Axis = tuple[float, float]
"""Where the first pixel of an axis is, in steps, and how large a step is."""


def turns(table: torch.Tensor) -> Iterator[Mapping[str, Any]]:
    """The fields of tables of this kind that might have these numbers."""
    if table.ndim != 2 or not table.is_floating_point() or len(table) < FEWEST or table.shape[1] % 4:
        return
    half = table.shape[1] // 2
    rotate_half = bool(torch.equal(table[:, :half], table[:, half:]))
    bands = (table[:, :half] if rotate_half else table[:, ::2]).double()
    first, second = bands.chunk(2, 1)
    indexing = "ij" if torch.equal(first[0], first[1]) else "xy"
    rows, columns = _axes(*((first, second) if indexing == "ij" else (second, first)))
    size = {"height": len(rows), "width": len(columns), "features": table.shape[1]}
    given = size | {"indexing": indexing, "rotate_half": rotate_half}
    for temperature in _temperatures(max(rows, columns, key=len)):
        for function in ("sin", "cos"):
            yield given | {"function": function, "temperature": temperature}
            found = [_fitted(axis, temperature, function) for axis in (rows, columns)]
            if None not in found:
                offsets, steps = zip(*filter(None, found), strict=True)
                yield given | {"function": function, "temperature": temperature, "offset": offsets, "step": steps}


def _axes(by_row: torch.Tensor, by_column: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The numbers of each row, and those of each column."""
    others = (by_row != by_row[0]).any(1).nonzero()
    width = int(others[0]) if len(others) else len(by_row)
    return by_row[::width], by_column[:width]


def _growth(numbers: torch.Tensor) -> float | None:
    """By how much the angle grows from one number to the next; None if they do not tell."""
    middle = numbers[1:-1]
    squares = float(middle @ middle)
    return acos(max(-1.0, min(1.0, float((numbers[2:] + numbers[:-2]) @ middle) / 2 / squares))) if squares else None


def _temperatures(axis: torch.Tensor) -> Iterator[float]:
    """The usual one, and the one that the first two frequencies tell."""
    yield 10000.0
    bands = axis.shape[1]
    growths = [growth for band in axis.T[:2] if (growth := _growth(band))] if len(axis) >= FEWEST else []
    if len(growths) == 2:
        found = float(f"{(growths[0] / growths[1]) ** bands:.{DIGITS}g}")
        if found != 10000.0:
            yield found


def _fitted(axis: torch.Tensor, temperature: float, function: str) -> Axis | None:
    """The positions of an axis that give its numbers; None if they are not of this kind."""
    growth = _growth(axis[:, 0]) if len(axis) >= FEWEST else None
    if not growth:
        return None
    for step in (float(_near(growth)), float(_near(growth / pi)) * pi):
        for offset in _offsets(axis[:, 0], step, function) if step else ():
            if _gives(axis, offset, step, temperature, function):
                return offset, step
    return None


def _near(number: float) -> Fraction:
    return Fraction(number).limit_denominator(MOST)


def _offsets(numbers: torch.Tensor, step: float, function: str) -> Iterator[float]:
    """Where the first pixel may be: at the phase of the numbers, or whole turns before or behind it."""
    angles = torch.arange(len(numbers), dtype=torch.float64) * step
    sine, cosine = torch.linalg.lstsq(torch.stack([angles.sin(), angles.cos()], 1), numbers[:, None]).solution.flatten()
    phase = atan2(cosine, sine) if function == "sin" else atan2(-sine, cosine)
    for turn in (0, -1, 1):
        yield float(_near((phase + 2 * pi * turn) / step))


def _gives(axis: torch.Tensor, offset: float, step: float, temperature: float, function: str) -> bool:
    size, bands = axis.shape
    frequencies = temperature ** (-torch.arange(bands, dtype=torch.float64) / bands)
    angles = ((torch.arange(size, dtype=torch.float64) + offset) * step)[:, None] * frequencies
    return bool(torch.allclose(angles.sin() if function == "sin" else angles.cos(), axis, rtol=CLOSE, atol=CLOSE))

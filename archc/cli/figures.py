"""Numbers as people read them."""

from __future__ import annotations

import math


def quantity(count: int) -> str:
    """A count with its unit prefix: 3.66 G."""
    for factor, prefix in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= factor:
            return f"{count / factor:.2f} {prefix}"
    return str(count)


def size(count: int) -> str:
    """Bytes with their unit: 83.2 MB."""
    for factor, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def figure(value: float | None, form: str) -> str:
    """A number, or a dash for one that could not be computed."""
    return "-" if value is None or math.isnan(value) else format(value, form)


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 file, 3 files."""
    return f"{number} {noun}{'' if number == 1 else 's'}"

"""Values of a network's parameter beside the one that it has: some to learn from, others to prove the result."""

from __future__ import annotations


def other_values(value: object) -> list[int | float]:
    """Values that show what depends on a parameter: numbers, and the other one of a flag."""
    if isinstance(value, bool):
        return [not value]
    if not isinstance(value, int | float):
        return []
    return [value + 1, 2 * value, value + 8, 3 * value] if isinstance(value, int) else [value / 2, value / 4]


def held_out_values(value: object) -> list[int | float]:
    """Values that nothing was learnt from; a flag has no third."""
    if isinstance(value, bool):
        return [not value]
    if not isinstance(value, int | float):
        return []
    others = [value + 3, value + 16, 4 * value, 5 * value] if isinstance(value, int) else [value / 8]
    return [each for each in others if each not in (value, *other_values(value))]

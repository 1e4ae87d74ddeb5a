"""A value as a spec writes it."""

from __future__ import annotations


def as_written(value: object, *, quote: str = "", none: str = "none") -> str:
    """`true`, `[3, 1]`, `relu`; `quote` surrounds texts, and `none` stands for None."""
    if value is None:
        return none
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(as_written(item, quote=quote, none=none) for item in value)}]"
    return f"{quote}{value}{quote}" if isinstance(value, str) else str(value)

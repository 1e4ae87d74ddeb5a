"""Indices and distances of the pixels of a window -> the fields with which a source might give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import e, isqrt
from typing import Any

import torch

Fields = Mapping[str, Any]
MOST = 64  # denominator of a scale
CLOSE = 1e-4  # scales that were computed in float32


def indices(index: torch.Tensor) -> Iterator[Fields]:
    """Windows whose first pair of pixels, and last query with the first key, have the rows that this index has."""
    flat = index.ndim == 1
    side = isqrt(len(index)) if flat else 0
    if index.is_floating_point() or index.ndim > 2 or (flat and side * side != len(index)) or not index.numel():
        return
    table = index.reshape(side, side) if flat else index
    class_token = _has_class_token(table)
    pixels = table[1:, 1:] if class_token else table
    given = {"flat": flat, "class_token": class_token}
    corners = int(pixels[0, 0]), int(pixels[-1, 0])
    for size in _grids(*pixels.shape):
        if _corners(*size) == corners:
            yield _window(*size) | given | {"absolute": False}
        if corners[0] == 0:
            yield _window(*size) | given | {"absolute": True}


def _has_class_token(table: torch.Tensor) -> bool:
    """True if the first row and the first column are three rows of the table that no pixels have."""
    if min(table.shape) < 2:
        return False
    own, from_it, to_it = int(table[0, 0]), table[0, 1:], table[1:, 0]
    alike = bool((from_it == own - 2).all() and (to_it == own - 1).all())
    return alike and bool((table[1:, 1:] < own - 2).all())


def _grids(queries: int, keys: int) -> Iterator[tuple[int, int, int, int]]:
    """Height, width, and strides of queries and keys."""
    most = max(queries, keys)
    for height in range(1, most + 1):
        if most % height == 0:
            for stride in range(1, most + 1):
                fewer = -(-height // stride) * -(-(most // height) // stride)
                if fewer == min(queries, keys):
                    strides = (stride, 1) if queries < keys else (1, stride)
                    yield height, most // height, strides[0], strides[1]
                if fewer <= min(queries, keys):
                    break


def _corners(height: int, width: int, query_stride: int, key_stride: int) -> tuple[int, int]:
    """The rows of the first query and of the last one, both with the first key."""
    (y, x), (v, u) = (
        ((height - 1) // stride * stride, (width - 1) // stride * stride) for stride in (query_stride, key_stride)
    )
    columns = x + u + 1
    return v * columns + u, (y + v) * columns + x + u


def _window(height: int, width: int, query_stride: int, key_stride: int) -> dict[str, Any]:
    return {"height": height, "width": width, "query_stride": query_stride, "key_stride": key_stride}


def distances(table: torch.Tensor) -> Iterator[Fields]:
    """Windows and scales of distances on a logarithmic scale, which are those of each pair, or of each distance."""
    if table.ndim == 4 and table.numel():
        heights, widths = ([(size + 1) // 2] for size in table.shape[1:3])
    elif table.ndim == 2 and table.shape[1] == 2:
        pixels = isqrt(len(table))
        heights = [height for height in range(2, pixels) if pixels % height == 0]
        widths = [pixels // height for height in heights]
    else:
        return
    largest = float(table.max())
    for height, width in zip(heights, widths, strict=True):
        window = {"height": height, "width": width, "pairs": table.ndim == 2}
        for base in (8.0, e):
            yield {**window, "base": base}
            yield {**window, "base": base, "scale": _scale(largest, base, max(height, width) - 1)}


def _scale(largest: float, base: float, distance: int) -> float:
    """The scale that gives the farthest pixels this number, as a fraction of small numbers if it is one."""
    scale = (base**largest - 1) / max(1, distance)
    near = float(Fraction(scale).limit_denominator(MOST))
    return near if abs(near - scale) < CLOSE else scale

"""A tensor that a network computes once -> the function of the language that gives its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from math import isqrt
from typing import Any

import torch

from archc.ir.dtype import INT64
from archc.ir.operator import Operator
from archc.lifting.modules import NoWord, validated
from archc.lifting.turning import turns
from archc.lifting.windows import distances, indices
from archc.operators import constant_words, operator_model

CLOSE = 1e-5  # of a value, which may have been computed in float32


def constant_of(tensor: torch.Tensor, *, persistent: bool) -> Operator:
    """The source with these values; one without a key may have other axes of size 1.

    Raises NoWord: no function of the language gives them.
    """
    plain = tensor.detach().cpu().contiguous()
    found = _found(plain.numpy().tobytes(), tuple(plain.shape), plain.dtype, persistent)
    if found is None:
        raise NoWord(f"a constant of shape {list(tensor.shape)}")
    return found


@lru_cache(256)
def _found(data: bytes, shape: tuple[int, ...], dtype: torch.dtype, persistent: bool) -> Operator | None:
    """The source that gives these bytes: many modules of a network compute the same constant."""
    tensor = torch.frombuffer(bytearray(data), dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)
    shapes = [shape]
    if not persistent:
        flat = [size for size in shape if size != 1] or [1]
        shapes += [shape for shape in ((*flat[:1], 1, *flat[1:]), (1, *flat), tuple(flat)) if shape != shapes[0]]
    found = (_constant(tensor.reshape(shape), persistent=persistent) for shape in shapes)
    return next((source for source in found if source), None)


def _constant(tensor: torch.Tensor, *, persistent: bool) -> Operator | None:
    for word in constant_words():
        model = operator_model(word)
        for fields in _guesses(set(model.model_fields), tensor):
            try:
                found = validated(model, {**fields, "persistent": persistent})
            except NoWord:
                continue
            if _gives(found, tensor):
                return found
    return None


def _gives(source: Operator, tensor: torch.Tensor) -> bool:
    try:
        (type, *_), _ = source.typed()
        if type.shape != tuple(tensor.shape) or (type.dtype == INT64) == tensor.is_floating_point():
            return False
        computed = source.computed()
    except Exception:
        return False
    if computed is None or computed.shape != tuple(tensor.shape):
        return False
    values = torch.tensor(computed.values, dtype=torch.float64).reshape(computed.shape)
    given = tensor.detach().double().cpu()
    return bool(torch.allclose(values, given, rtol=CLOSE, atol=CLOSE))


def _guesses(fields: set[str], tensor: torch.Tensor) -> Iterator[Mapping[str, Any]]:
    """Fields with which a source might give a tensor of this shape."""
    shape = tuple(tensor.shape)
    if "fill_value" in fields and tensor.numel():
        yield {"shape": list(shape or (1,)), "fill_value": float(tensor.flatten()[0])}
    if "repeats" in fields and len(shape) == 1:
        yield from _repeated(tensor)
    if "shift" in fields and len(shape) == 4:
        yield from _masks(shape)
    elif "flat" in fields:
        yield from indices(tensor)
    elif "base" in fields:
        yield from distances(tensor)
    elif "indexing" in fields:
        yield from turns(tensor)
    elif "temperature" in fields and len(shape) == 4:
        yield {"height": shape[2], "width": shape[3], "features": shape[1] // 2}


def _repeated(tensor: torch.Tensor) -> Iterator[Mapping[str, Any]]:
    values, counts = torch.unique_consecutive(tensor, return_counts=True)
    if len(set(counts.tolist())) == 1:
        yield {"input": [float(value) for value in values], "repeats": int(counts[0])}


def _masks(shape: Sequence[int]) -> Iterator[Mapping[str, Any]]:
    windows, pixels = shape[0], shape[-1]
    side = isqrt(pixels)
    count = isqrt(windows)
    if side * side == pixels and count * count == windows:
        for shift in range(1, side):
            yield {"height": side * count, "width": side * count, "window": side, "shift": shift}

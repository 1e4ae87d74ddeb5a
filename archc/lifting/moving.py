"""Functions that move the axes of a tensor, and products over its last ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from archc.lifting import axes as ax
from archc.lifting.axes import Axis
from archc.lifting.modules import NoWord
from archc.lifting.values import Values, View
from archc.operators.arrangement import Roll
from archc.operators.attention import Attention


def roll(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A cyclic shift."""
    given = {**dict(zip(("input", "shifts", "dims"), args, strict=False)), **kwargs}
    shifts, dims = (list(v) if isinstance(v, tuple | list) else [v] for v in (given["shifts"], given["dims"]))
    tracer.give(Roll.model_validate({"shifts": shifts, "dims": dims}), [tracer.value(given["input"])], out)
    return True


def _moved(tracer: Values, x: torch.Tensor, axes: list[Axis], out: torch.Tensor) -> bool:
    tracer.move(out, View(tracer.view(x).base, axes))
    return True


def reshape(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Axes split and merged."""
    tracer.move(out, tracer.reshaped(args[0], out.shape))
    return True


def permute(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Axes in another order."""
    x = args[0] if args else kwargs["input"]
    dims = kwargs.get("dims", args[1] if len(args) == 2 and isinstance(args[1], tuple | list) else args[1:])
    axes = tracer.view(x).axes
    return _moved(tracer, x, [axes[dim] for dim in dims], out)


def transpose(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Two axes exchanged."""
    x = args[0]
    one, other = (args[1], args[2]) if len(args) > 2 else (kwargs["dim0"], kwargs["dim1"])
    axes = list(tracer.view(x).axes)
    axes[one], axes[other] = axes[other], axes[one]
    return _moved(tracer, x, axes, out)


def swap_last(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """The last two axes exchanged."""
    return transpose(tracer, (args[0], -2, -1), {}, out)


def unsqueeze(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A new axis of size 1."""
    x, dim = args[0], (args[1] if len(args) > 1 else kwargs["dim"]) % out.ndim
    axes = list(tracer.view(x).axes)
    return _moved(tracer, x, [*axes[:dim], (), *axes[dim:]], out)


def matmul(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """A product of matrices over the last two axes."""
    x, y = args[0], args[1]
    if x.ndim < 2 or y.ndim < 2:
        return False
    tracer.matmul(x, y, out)
    return True


def attention(tracer: Values, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> bool:
    """Attention as one function."""
    names = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    if given.get("dropout_p") or given.get("is_causal") or given.get("enable_gqa"):
        raise NoWord("attention that is causal, or drops weights")
    tensors = _of_one_batch(tracer, [given["query"], given["key"], given["value"]])
    if given.get("attn_mask") is None and tensors[1].ndim == 4 and tensors[1].shape[1] == 1 != tensors[0].shape[1]:
        tracer.alias(out, tracer.again(_of_one_head, *tensors, given.get("scale")))
        return True
    inputs = [tracer.unmerged_as(each, tensors[0], 2) for each in tensors]
    if given.get("attn_mask") is not None:
        inputs.append(tracer.unmerged(given["attn_mask"]))
    scale = given.get("scale")
    tracer.give_like(Attention(scale=None if scale is None else float(scale)), inputs, tensors[0], out)
    return True


def _of_one_batch(tracer: Values, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """The query repeated over the images, where it is the same for all: as what stands before the keys."""
    query, key, value = tensors
    alone, beside = (not any(a.is_batch for a in ax.expanded(tracer.view(each).axes[0])) for each in (query, key))
    if (
        alone
        and not beside
        and query.shape[1:-2] == key.shape[1:-2]
        and query.ndim == 4
        and len(query) in (1, len(key))
    ):
        count = query.shape[-2]
        query = tracer.again(lambda: torch.cat([query.expand(len(key), -1, -1, -1), key], -2).narrow(-2, 0, count))
    return [query, key, value]


def _of_one_head(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None) -> torch.Tensor:
    """Attention whose heads have the same keys: one head, to which the queries of all are given."""
    images, heads, count, features = query.shape
    merged = query.reshape(images, 1, heads * count, features)
    found = functional.scaled_dot_product_attention(merged, key, value, scale=scale)
    return found.reshape(images, heads, count, value.shape[-1])

"""Runs a float32 module in float64, one operation after the other.

To convert a module doubles its memory, and PyTorch's float64 convolution unfolds the whole image. The system hands out
such memory page by page, which takes longer than to compute with it. Here a layer's weights are converted while it is
run: a large linear map some filters at a time, and a convolution of a large image some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

PIECE_BYTES = 16 << 20  # of memory that is used again: beyond 32 MiB the C library asks the system for each piece
DOUBLE_BYTES = 8


class InFloat64(TorchFunctionMode):
    """Within this context, float32 tensors are taken as float64 by everything that PyTorch computes.

    It is for a module outside training, which changes no float32 tensor; its parameters stay as they are.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """What a function of PyTorch's gives."""
        if func.__name__ == "__get__":  # an attribute, such as the shape
            return func(*args, **kwargs or {})
        if func is functional.linear and not kwargs and _bytes(args[1]) > PIECE_BYTES:
            return _linear(*args)
        args, kwargs = _doubled(args), {key: _doubled(value) for key, value in (kwargs or {}).items()}
        if func is torch.conv2d and not kwargs and not isinstance(args[4], str) and not torch.is_grad_enabled():
            return _conv2d(*args)
        return func(*args, **kwargs)


def _doubled(given: Any) -> Any:
    if isinstance(given, torch.Tensor):
        return given.double() if given.dtype == torch.float32 else given
    if type(given) in (list, tuple):
        return type(given)(map(_doubled, given))
    return given


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.numel() * DOUBLE_BYTES


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """`torch.nn.functional.linear`, some filters at a time."""
    filters = max(PIECE_BYTES // (DOUBLE_BYTES * weight.shape[1]), 1)
    pieces = [slice(first, first + filters) for first in range(0, len(weight), filters)]
    biases = [None if bias is None else bias[piece].double() for piece in pieces]
    found = [
        functional.linear(x.double(), weight[piece].double(), own) for piece, own in zip(pieces, biases, strict=True)
    ]
    return torch.cat(found, dim=-1)


def _conv2d(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> torch.Tensor:
    """`torch.conv2d`, some rows at a time; `x` may lack its batch."""
    sizes = zip(x.shape[-2:], padding, dilation, weight.shape[2:], stride, strict=True)
    height, width = ((size + 2 * pad - step * (kernel - 1) - 1) // by + 1 for size, pad, step, kernel, by in sizes)
    unfolded = DOUBLE_BYTES * width * prod(weight.shape[1:]) * (len(x) if x.ndim == 4 else 1)  # of a row
    rows = max(PIECE_BYTES // unfolded, 1)
    if rows >= height or prod(weight.shape[2:]) == 1:
        return torch.conv2d(x, weight, bias, stride, padding, dilation, groups)
    output = x.new_empty(*x.shape[:-3], len(weight), height, width)
    extent = dilation[0] * (weight.shape[2] - 1) + 1
    for first in range(0, height, rows):
        last = min(first + rows, height) - 1
        seen = _rows(x, first * stride[0] - padding[0], last * stride[0] - padding[0] + extent)
        output[..., first : last + 1, :] = torch.conv2d(seen, weight, bias, stride, (0, padding[1]), dilation, groups)
    return output


def _rows(x: torch.Tensor, start: int, end: int) -> torch.Tensor:
    """Rows of an image, of which some may lie above or below it, where it is zero."""
    inside = x[..., max(start, 0) : max(end, 0), :]
    above = min(max(-start, 0), end - start)
    return functional.pad(inside, (0, 0, above, end - start - above - inside.shape[-2]))

"""Operators of aten, as exported programs call them -> the functions of PyTorch that a person calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from archc.lifting.modules import NoWord

Function = Callable[..., Any]


def function_of(name: str) -> Function:
    """The function that computes what the operator `aten.NAME` does, in the same order of arguments.

    Raises NoWord: there is none.
    """
    plain = name.lstrip("_") if name in HIDDEN else name.removesuffix("_")
    for owner in (_Aten, functional, torch, torch.Tensor):
        if (found := getattr(owner, plain, None)) is not None:
            return found  # type: ignore[no-any-return]
    raise NoWord(f"aten.{name}")


HIDDEN = ("_convolution", "_softmax", "_log_softmax", "_adaptive_avg_pool2d", "_unsafe_view", "_to_copy")
"""Operators that PyTorch calls under a name with an underscore where a person calls the one without."""


class _Aten:
    """Functions under the names of operators whose arguments are others than those of PyTorch's function."""

    @staticmethod
    def convolution(
        x: torch.Tensor, weight: torch.Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
        output_padding: Any, groups: int, *_: Any,
    ) -> Any:  # fmt: skip
        if transposed:
            function = getattr(functional, f"conv_transpose{weight.ndim - 2}d")
            return function(x, weight, bias, stride, padding, output_padding, groups, dilation)
        function = getattr(functional, f"conv{weight.ndim - 2}d")
        return function(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any) -> Any:
        return functional.layer_norm(x, shape, weight, bias, eps)

    @staticmethod
    def native_layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
        return (functional.layer_norm(x, shape, weight, bias, eps),)

    @staticmethod
    def group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any) -> Any:
        return functional.group_norm(x, groups, weight, bias, eps)

    @staticmethod
    def max_pool2d_with_indices(x: Any, *arguments: Any) -> Any:
        return (functional.max_pool2d(x, *arguments),)

    @staticmethod
    def softmax(x: Any, dim: int, *_: Any) -> Any:
        return functional.softmax(x, dim)

    @staticmethod
    def log_softmax(x: Any, dim: int, *_: Any) -> Any:
        return functional.log_softmax(x, dim)

    @staticmethod
    def elu(x: Any, alpha: float = 1.0, *_: Any) -> Any:
        return functional.elu(x, alpha)

    @staticmethod
    def hardtanh(x: Any, low: float = -1.0, high: float = 1.0) -> Any:
        return functional.relu6(x) if (low, high) == (0, 6) else functional.hardtanh(x, low, high)

    @staticmethod
    def mean(x: Any, dim: Any, keepdim: bool = False, **_: Any) -> Any:
        return torch.mean(x, dim, keepdim)

    @staticmethod
    def feature_dropout(x: Any, p: float, train: bool) -> Any:
        return functional.dropout2d(x, p, train)

    @staticmethod
    def constant_pad_nd(x: Any, pad: Any, value: float = 0.0) -> Any:
        return functional.pad(x, pad, "constant", value)

    @staticmethod
    def upsample_nearest2d(x: Any, size: Any, *scales: Any) -> Any:
        return functional.interpolate(x, size, _scales(size, scales))

    @staticmethod
    def upsample_bilinear2d(x: Any, size: Any, align_corners: bool, *scales: Any) -> Any:
        return functional.interpolate(x, size, _scales(size, scales), "bilinear", align_corners)

    @staticmethod
    def upsample_bicubic2d(x: Any, size: Any, align_corners: bool, *scales: Any) -> Any:
        return functional.interpolate(x, size, _scales(size, scales), "bicubic", align_corners)

    @staticmethod
    def slice(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
        return x[(*[slice(None)] * (dim % x.ndim), slice(start, end, step))]

    @staticmethod
    def index(x: Any, indices: Sequence[Any]) -> Any:
        return x[tuple([slice(None) if each is None else each for each in indices])]

    @staticmethod
    def view(x: Any, shape: Sequence[int]) -> Any:
        return x.reshape(tuple(shape))

    reshape = unsafe_view = view
    split_with_sizes = staticmethod(torch.split)

    @staticmethod
    def permute(x: Any, dims: Sequence[int]) -> Any:
        return x.permute(tuple(dims))

    @staticmethod
    def expand(x: Any, sizes: Sequence[int], **_: Any) -> Any:
        return x.expand(tuple(sizes))

    @staticmethod
    def t(x: Any) -> Any:
        return x.transpose(0, 1)

    @staticmethod
    def sym_size(x: Any, dim: int) -> Any:
        return x.shape[dim]

    @staticmethod
    def clone(x: Any, *_: Any, **__: Any) -> Any:
        return x

    contiguous = alias = detach = lift_fresh_copy = lift_fresh = to = to_copy = clone


def _scales(size: Any, scales: Sequence[Any]) -> list[float] | None:
    """Scale factors, where no size is given: a list, or a number for each axis."""
    given = scales[0] if scales and isinstance(scales[0], list | tuple) else scales
    return None if size is not None else [float(each) for each in given]

"""ONNX's operators without weights -> functions of PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional

from archc.lifting.modules import NoWord

MOST = 1 << 16

Attributes = Mapping[str, Any]
Function = Callable[..., Any]


def function_for(op_type: str, attributes: Attributes) -> Function:
    """What computes a node; constant inputs are lists or arrays' tensors. Raises NoWord."""
    if op_type in SIMPLE:
        return SIMPLE[op_type]
    if op_type not in MADE:
        raise NoWord(f"ONNX's {op_type}")
    return MADE[op_type](attributes)


def unrounded(value: Any) -> Any:
    """The number that a float32 of a file stands for: a root of a whole number, as scales are, or a short decimal."""
    if not isinstance(value, float) or not 0 < abs(value) < float("inf"):
        return value
    for power in (2, 4):
        whole = round(abs(value) ** -power) if abs(value) > MOST**-0.25 else 0
        if whole > 1 and torch.tensor(whole ** (-1 / power)) == abs(value):
            return float(whole ** (-1 / power) * (1 if value > 0 else -1))
    return float(f"{value:.7g}") if torch.tensor(float(f"{value:.7g}")) == value else value


def padding(attributes: Attributes, ndim: int) -> tuple[list[int], list[int]]:
    """Padding that is alike on both sides of each axis, and what `functional.pad` adds before; one of them is zero."""
    if attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise NoWord(f"auto_pad {attributes['auto_pad'].decode()}")
    pads = list(attributes.get("pads") or [0] * (2 * ndim))
    begin, end = pads[:ndim], pads[ndim:]
    if begin == end:
        return begin, []
    return [0] * ndim, [side for pair in zip(begin[::-1], end[::-1], strict=True) for side in pair]


def _max_pool(attributes: Attributes) -> Function:
    kernel = list(attributes["kernel_shape"])
    known, ndim = _window(attributes, kernel), len(kernel)
    ceil, even, before = _ceiling(attributes, ndim)
    pool = getattr(functional, f"max_pool{ndim}d")

    def run(x: torch.Tensor) -> torch.Tensor:
        x = functional.pad(x, before, value=float("-inf")) if before else x
        dilation = list(attributes.get("dilations") or [1] * ndim)
        result: torch.Tensor = pool(x, kernel, known, even, dilation, ceil)
        return result

    return run


def _average_pool(attributes: Attributes) -> Function:
    kernel = list(attributes["kernel_shape"])
    known, ndim = _window(attributes, kernel), len(kernel)
    ceil, even, before = _ceiling(attributes, ndim)
    if before:
        raise NoWord("AveragePool with uneven pads")
    pool = getattr(functional, f"avg_pool{ndim}d")
    counted = bool(attributes.get("count_include_pad", 0))
    return lambda x: pool(x, kernel, known, even, ceil, counted)


def _window(attributes: Attributes, kernel: Sequence[int]) -> list[int]:
    return list(attributes.get("strides") or [1] * len(kernel))


def _ceiling(attributes: Attributes, ndim: int) -> tuple[bool, list[int], list[int]]:
    even, before = padding(attributes, ndim)
    return bool(attributes.get("ceil_mode", 0)), even, before


def _global_pool(x: torch.Tensor) -> torch.Tensor:
    pool = getattr(functional, f"adaptive_avg_pool{x.ndim - 2}d")
    result: torch.Tensor = pool(x, [1] * (x.ndim - 2))
    return result


def _clip(x: torch.Tensor, low: Any = None, high: Any = None) -> torch.Tensor:
    bounds = [None if each is None else _number(each) for each in (low, high)]
    return functional.relu6(x) if bounds == [0, 6] else torch.clamp(x, *bounds)


def _number(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)


def _flatten(attributes: Attributes) -> Function:
    axis = attributes.get("axis", 1)
    if axis != 1:
        raise NoWord(f"Flatten with axis {axis}")
    return lambda x: torch.flatten(x, 1)


def _reshape(x: torch.Tensor, shape: Any) -> torch.Tensor:
    sizes = [x.shape[at] if size == 0 else int(size) for at, size in enumerate(shape)]
    return x.reshape(sizes)


def _squeeze(x: torch.Tensor, axes: Any) -> torch.Tensor:
    kept = [size for at, size in enumerate(x.shape) if at not in [axis % x.ndim for axis in axes]]
    return x.reshape(kept)


def _unsqueeze(x: torch.Tensor, axes: Any) -> torch.Tensor:
    for axis in sorted(int(axis) for axis in axes):
        x = x.unsqueeze(axis)
    return x


def _slice(x: torch.Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> torch.Tensor:
    index = [slice(None)] * x.ndim
    for at, axis in enumerate(axes if axes is not None else range(len(starts))):
        index[int(axis)] = slice(int(starts[at]), int(ends[at]), int(steps[at]) if steps is not None else 1)
    return x[tuple(index)]


def _gather(attributes: Attributes) -> Function:
    axis = attributes.get("axis", 0)

    def run(x: torch.Tensor, index: Any) -> torch.Tensor:
        if isinstance(index, int):
            return x.select(axis, index % x.shape[axis])
        place: list[Any] = [slice(None)] * (axis % x.ndim)
        return x[(*place, torch.as_tensor(index))]

    return run


def _split(attributes: Attributes) -> Function:
    axis = attributes.get("axis", 0)

    def run(x: torch.Tensor, sizes: Any = None) -> Any:
        if sizes is None:
            return torch.chunk(x, attributes["outputs"], axis)
        return torch.split(x, [int(size) for size in sizes], axis)

    return run


def _reduce(attributes: Attributes) -> Function:
    keep, given = bool(attributes.get("keepdims", 1)), attributes.get("axes")
    return lambda x, axes=given: torch.mean(x, [int(axis) for axis in axes or ()], keep)


def _softmax(attributes: Attributes) -> Function:
    return lambda x: functional.softmax(x, attributes.get("axis", -1))


def _pad(attributes: Attributes) -> Function:
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[
        attributes.get("mode", b"constant").decode()
    ]

    def run(x: torch.Tensor, pads: Any, value: Any = None, axes: Any = None) -> torch.Tensor:
        if axes is not None:
            raise NoWord("Pad with axes")
        ndim = len(pads) // 2
        sides = [int(pads[at + end]) for at in reversed(range(ndim)) for end in (0, ndim)]
        while sides and sides[-2:] == [0, 0]:
            del sides[-2:]
        number = 0.0 if value is None else _number(value)
        return functional.pad(x, sides, mode, number) if mode == "constant" else functional.pad(x, sides, mode)

    return run


def _resize(attributes: Attributes) -> Function:
    mode = attributes.get("mode", b"nearest").decode()
    transform = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()

    def run(x: torch.Tensor, roi: Any = None, scales: Any = None, sizes: Any = None) -> torch.Tensor:
        size = None if sizes is None else [int(each) for each in sizes][2:]
        scale = None if size is not None else [float(each) for each in scales][2:]
        if mode == "nearest":
            return functional.interpolate(x, size, scale)
        word = {"linear": "bilinear", "cubic": "bicubic"}[mode]
        return functional.interpolate(x, size, scale, word, align_corners=transform == "align_corners")

    return run


def _of_tensors(function: Function) -> Function:
    """The function of tensors, also where some are given as lists: sizes, which are computed as constants."""
    return lambda *given: function(*[_tensor(each) if isinstance(each, list) else each for each in given])


def _tensor(numbers: list[Any]) -> torch.Tensor:
    """Whole numbers, or float64: what is computed of them is rounded once, where it meets the data."""
    return torch.tensor(numbers, dtype=torch.float64 if isinstance(numbers[0], float) else None)


def _arithmetic(function: Function) -> Function:
    """The same; a single number that was computed from sizes is a scalar."""
    single = lambda each: each.reshape(()) if each.dtype == torch.float64 and each.shape == (1,) else each  # noqa: E731
    return _of_tensors(lambda *given: function(*map(single, given)))


def _square_root(x: torch.Tensor) -> torch.Tensor:
    """Of a size in float64, as PyTorch itself computes scales."""
    return torch.sqrt(x if x.is_floating_point() else x.double())


def _expand(x: torch.Tensor, shape: Any) -> torch.Tensor:
    """As ONNX has it, a size of 1 keeps the tensor's own."""
    missing = len(shape) - x.ndim
    sizes = [x.shape[at - missing] if at >= missing and size == 1 else int(size) for at, size in enumerate(shape)]
    return x.expand(sizes)


def _full(attributes: Attributes) -> Function:
    value = attributes.get("value")
    number = 0.0 if value is None else _array(value).reshape(-1)[0].item()
    return lambda shape: torch.full([int(size) for size in shape], number)


def _array(value: Any) -> torch.Tensor:
    from onnx import numpy_helper

    return torch.from_numpy(numpy_helper.to_array(value).copy())


def _shape(x: torch.Tensor) -> torch.Tensor:
    return torch.tensor(list(x.shape))


SIMPLE: dict[str, Function] = {
    "Relu": functional.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "HardSwish": functional.hardswish,
    "Mish": functional.mish, "Softplus": functional.softplus, "Selu": functional.selu, "Softsign": functional.softsign,
    "Add": _arithmetic(torch.add), "Mul": _arithmetic(torch.mul), "Sub": _arithmetic(torch.sub),
    "Div": _arithmetic(torch.div), "Equal": _of_tensors(torch.eq), "Where": _of_tensors(torch.where), "Expand": _expand,
    "Neg": torch.neg, "Sqrt": _square_root,
    "Exp": torch.exp, "Abs": torch.abs, "MatMul": torch.matmul, "GlobalAveragePool": _global_pool, "Clip": _clip,
    "Reshape": _reshape, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze, "Slice": _slice, "Shape": _shape,
    "Identity": torch.clone, "Pow": lambda x, power: x.pow(_number(power)),
}  # fmt: skip
"""Operators whose attributes do not matter, or that have none."""

MADE: dict[str, Callable[[Attributes], Function]] = {
    "MaxPool": _max_pool, "AveragePool": _average_pool, "Flatten": _flatten, "Gather": _gather, "Split": _split,
    "ReduceMean": _reduce, "Softmax": _softmax, "Pad": _pad, "Resize": _resize,
    "Concat": lambda given: _of_tensors(lambda *tensors: torch.cat(tensors, given["axis"])),
    "ConstantOfShape": _full,
    "Transpose": lambda given: lambda x: x.permute(tuple(given["perm"])),
    "LeakyRelu": lambda given: lambda x: functional.leaky_relu(x, given.get("alpha", 0.01)),
    "Elu": lambda given: lambda x: functional.elu(x, given.get("alpha", 1.0)),
    "Gelu": lambda given: lambda x: functional.gelu(x, approximate=given.get("approximate", b"none").decode()),
    "Cast": lambda given: lambda x: x,
    "Dropout": lambda given: lambda x, *_: torch.clone(x),
}  # fmt: skip


def _hard_sigmoid(attributes: Attributes) -> Function:
    if abs(attributes.get("alpha", 0.2) - 1 / 6) > 1e-6 or attributes.get("beta", 0.5) != 0.5:
        raise NoWord("HardSigmoid with other numbers than 1/6 and 1/2")
    return functional.hardsigmoid


MADE["HardSigmoid"] = _hard_sigmoid

"""Pooling in ONNX, over a grid of all its settings: PyTorch, ONNX Runtime and onnx.reference agree in shape and value.

Each graph pools one image with every setting at once, one output for each, so that 1728 settings need nine sessions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch.nn import functional

from archc.ir.builder import GraphBuilder
from archc.ir.operator import ShapeError
from archc.ir.types import BATCH, TensorType
from archc.operators import operator_model
from archc.weights.network import Network
from tests.operators.cases import evaluator, session, written

SIZES = range(5, 14)
Setting = tuple[str, Mapping[str, Any]]

# A window has at most 16 pixels (a divisor of its own at most doubles the sum's size), each rounded to 24 bits.
WINDOW_TOLERANCE = 2 * 16 * 2.0**-24
# A mean over 13x13 pixels by two products with averaging matrices: 26 roundings of sums, and those of the entries.
ADAPTIVE_TOLERANCE = 4 * 13 * 2.0**-24


def grid() -> Iterator[Setting]:
    """Every setting of the grid, those that PyTorch refuses too."""
    for kernel, stride, padding, ceil in product(range(1, 5), range(1, 5), range(3), (False, True)):
        fields = {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil}
        yield "max_pool2d", fields
        yield from (("avg_pool2d", {**fields, "count_include_pad": counted}) for counted in (False, True))


def by_pytorch(setting: Setting, x: torch.Tensor) -> torch.Tensor | None:
    """PyTorch's own pooling; None where it refuses the setting."""
    word, fields = setting
    pool: Callable[..., torch.Tensor] = getattr(functional, word)
    try:
        return pool(x, **fields)
    except RuntimeError:
        return None


def network(settings: Sequence[Setting], height: int, width: int) -> Network:
    """One image pooled with each setting, an output for each."""
    b = GraphBuilder("pools", TensorType((BATCH, 2, height, width)))
    for index, (word, fields) in enumerate(settings):
        b.output(f"y{index}", b.add(operator_model(word).model_validate(dict(fields)), b.input))
    return Network(b.finish(), {}, fresh=False)


def assert_all_agree(settings: Sequence[Setting], height: int, width: int, tolerance: float) -> None:
    """Run every setting everywhere. Windows of negative pixels show padding that wins or counts."""
    x = np.random.default_rng(height).standard_normal((2, 2, height, width)).astype(np.float32) - 1
    image = torch.from_numpy(x.astype(np.float64))
    expected = [wanted.numpy() for setting in settings if (wanted := by_pytorch(setting, image)) is not None]
    data = written(network(settings, height, width))
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    results: dict[str, Sequence[Any]] = {
        "not optimised": session(data, optimised=False).run(None, {"input": x}),
        "optimised": session(data, optimised=True).run(None, {"input": x}),
        "onnx.reference": list(evaluator(model).run(None, {"input": x})),
    }
    bound = tolerance * float(np.abs(x).max())
    wrong = [
        (runner, setting, list(actual.shape), list(wanted.shape))
        for runner, outputs in results.items()
        for setting, actual, wanted in zip(settings, outputs, expected, strict=True)
        if actual.shape != wanted.shape or np.abs(actual - wanted).max() > bound
    ]
    assert wrong == []


@pytest.mark.parametrize("size", SIZES)
def test_every_setting_that_pytorch_accepts_agrees_everywhere(size: int) -> None:
    image = torch.zeros(1, 1, size, size)
    accepted = [setting for setting in grid() if by_pytorch(setting, image) is not None]
    assert len(accepted) == 192
    assert_all_agree(accepted, size, size, WINDOW_TOLERANCE)


@pytest.mark.parametrize("size", [1, 2, 3, *SIZES])
def test_archc_refuses_just_what_pytorch_refuses(size: int) -> None:
    image = torch.zeros(1, 1, size, size)

    def refused(setting: Setting) -> bool:
        try:
            network([setting], size, size)
        except ShapeError:
            return True
        return False

    settings = list(grid())
    assert [refused(setting) for setting in settings] == [by_pytorch(setting, image) is None for setting in settings]


def pairs(word: str, *names: str) -> list[Setting]:
    """Settings whose height and width differ in everything."""
    kernels, strides, paddings = [(2, 3), (4, 1), (3, 4)], [(1, 2), (3, 2), (2, 4)], [(1, 0), (0, 0), (1, 2)]
    settings = [
        {"kernel_size": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil}
        for kernel, stride, padding, ceil in product(kernels, strides, paddings, (False, True))
        if all(2 * p <= k for p, k in zip(padding, kernel, strict=True))
    ]
    return [(word, {**setting, **dict.fromkeys(names, True)}) for setting in settings]


@pytest.mark.parametrize(("height", "width"), [(7, 12), (12, 7), (5, 10)])
def test_height_and_width_are_not_mixed_up(height: int, width: int) -> None:
    settings = [*pairs("max_pool2d"), *pairs("avg_pool2d"), *pairs("avg_pool2d", "count_include_pad")]
    assert_all_agree(settings, height, width, WINDOW_TOLERANCE)


@pytest.mark.parametrize("size", [9, 12, 13])
def test_dilated_maximum_agrees_everywhere(size: int) -> None:
    settings = [
        (
            "max_pool2d",
            {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil_mode": ceil},
        )
        for kernel, stride, padding, dilation, ceil in product(
            (2, 3), (1, 2, 3, 4), (0, 1), ((1, 2), (2, 1), (3, 3)), (False, True)
        )
    ]
    assert_all_agree(settings, size, size, 0.0)


@pytest.mark.parametrize("size", [7, 10])
def test_a_divisor_of_its_own_agrees_everywhere(size: int) -> None:
    settings = [
        (
            "avg_pool2d",
            {
                "kernel_size": kernel,
                "stride": stride,
                "padding": kernel // 2,
                "ceil_mode": ceil,
                "count_include_pad": counted,
                "divisor_override": divisor,
            },
        )
        for kernel, stride, ceil, counted, divisor in product(
            (1, 2, 3, 4), (1, 2, 3), (False, True), (False, True), (8, 20)
        )
    ]
    assert_all_agree(settings, size, size, WINDOW_TOLERANCE)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 8), (7, 7), (13, 6)])
def test_adaptive_average_agrees_everywhere_from_any_size_to_any_size(height: int, width: int) -> None:
    settings: list[Setting] = [
        ("adaptive_avg_pool2d", {"output_size": (rows, columns)})
        for rows, columns in product((1, 2, 3, 5, 6, 7, 13, 15), (1, 2, 4, 6, 8, 9))
    ]
    assert_all_agree(settings, height, width, ADAPTIVE_TOLERANCE)


@pytest.mark.parametrize(
    ("output_size", "kinds"),
    [
        ((1, 1), ["GlobalAveragePool"]),
        ((3, 6), ["AveragePool"]),
        ((9, 2), ["AveragePool"]),
        ((9, 5), ["MatMul"]),
        ((18, 12), ["MatMul"]),
        ((18, 11), ["MatMul", "MatMul"]),
        ((4, 12), ["AveragePool"]),
    ],
)
def test_equal_windows_of_an_adaptive_average_are_one_pool(output_size: tuple[int, int], kinds: list[str]) -> None:
    data = written(network([("adaptive_avg_pool2d", {"output_size": output_size})], 9, 12))
    assert [node.op_type for node in onnx.load_from_string(data).graph.node] == kinds

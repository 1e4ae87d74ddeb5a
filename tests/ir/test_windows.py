"""What one element of an operator's output sees of its input, against where PyTorch's gradient reaches."""

from typing import Any

import pytest
import torch

from archc.ir.operator import Window
from archc.ir.types import BATCH, TensorType
from archc.operators import operator_model
from tests.exporters.onnx_cases import Case

SIZE = (9, 11)


def extents(case: Case) -> set[tuple[int, int]]:
    """Height and width of what each pixel of the output depends on."""
    image = torch.randn(1, 6, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    image.requires_grad_()
    output = case.network().inference_module().double()(image)
    found = set()
    for row in range(output.shape[2]):
        for column in range(output.shape[3]):
            (gradient,) = torch.autograd.grad(output[0, 0, row, column], image, retain_graph=True)
            touched = gradient[0].abs().sum(0).nonzero()
            height, width = (touched.max(0).values - touched.min(0).values + 1).tolist()
            found.add((height, width))
    return found


@pytest.mark.parametrize(
    "case",
    [
        Case("conv2d", {"out_channels": 4, "kernel_size": [1, 3], "dilation": [1, 2]}),
        Case("avg_pool2d", {"kernel_size": [2, 3]}),
        Case("adaptive_avg_pool2d", {"output_size": [3, 4]}),
        Case("adaptive_avg_pool2d", {"output_size": [4, 7]}),
        Case("adaptive_avg_pool2d", {"output_size": [2, 20]}),
        Case("softmax", {"dim": 1}),
        Case("log_softmax", {"dim": -3}),
        Case("local_response_norm", {"size": 3}),
    ],
    ids=str,
)
def test_the_extent_is_the_largest_that_the_gradient_shows(case: Case) -> None:
    operator = operator_model(case.word).model_validate(dict(case.fields))
    window = operator.window(TensorType((BATCH, 6, *SIZE)))
    seen = extents(case)
    assert window is not None
    assert window.extent == (max(height for height, _ in seen), max(width for _, width in seen))


@pytest.mark.parametrize(
    ("case", "seen"),
    [
        (Case("adaptive_avg_pool2d", {"output_size": 1}), SIZE),
        (Case("group_norm", {"num_groups": 2}), SIZE),
        (Case("mean", {"dim": [2, 3], "keepdim": True}), SIZE),
        (Case("softmax", {"dim": 2}), (SIZE[0], 1)),
        (Case("softmax", {"dim": -1}), (1, SIZE[1])),
    ],
    ids=str,
)
def test_what_sees_a_whole_axis_has_no_window(case: Case, seen: tuple[int, int]) -> None:
    operator = operator_model(case.word).model_validate(dict(case.fields))
    assert operator.window(TensorType((BATCH, 6, *SIZE))) is None
    assert extents(case) == {seen}


POINT = Window((1, 1), (1, 1))


# Once space is merged with channels or gone, positions mean nothing: None, as after a global pool.
@pytest.mark.parametrize(
    ("word", "fields", "shape", "window"),
    [
        ("flatten", {}, (6, 9, 11), None),
        ("flatten", {}, (6, 1, 11), None),
        ("flatten", {}, (6, 9, 1), None),
        ("flatten", {}, (6, 1, 1), POINT),
        ("select", {"dim": 1, "index": 0}, (5, 8), None),
        ("linear", {"out_features": 3}, (6,), None),
        ("linear", {"out_features": 3}, (5, 6), POINT),
        ("linear", {"out_features": 3}, (9, 11, 6), POINT),
        ("softmax", {}, (6, 9, 11), POINT),
        ("adaptive_avg_pool2d", {"output_size": [3, 4]}, (6, 9, 11), Window((3, 4), (3, 2))),
        ("adaptive_avg_pool2d", {"output_size": [20, 3]}, (6, 9, 11), Window((2, 5), (1, 3))),
        ("max_pool2d", {"kernel_size": [2, 3], "dilation": [1, 2]}, (6, 9, 11), Window((2, 5), (2, 3))),
    ],
)
def test_a_window_has_an_extent_and_a_step(
    word: str, fields: dict[str, Any], shape: tuple[int, ...], window: Window | None
) -> None:
    assert operator_model(word).model_validate(fields).window(TensorType((BATCH, *shape))) == window

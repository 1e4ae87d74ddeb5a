"""Every back end computes every operator, and the expressions compute what PyTorch's functions do."""

import importlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from archc.nn.lowering import EXPRESSIONS, MODULES
from archc.operators import OPERATORS, operator_model

LOWERINGS = importlib.import_module("archc.exporters.onnx.lowering").LOWERINGS


@pytest.mark.parametrize("word", OPERATORS)
def test_an_operator_is_a_pytorch_module_or_an_expression_and_not_both(word: str) -> None:
    assert (word in MODULES) != (word in EXPRESSIONS)


@pytest.mark.parametrize("word", OPERATORS)
def test_an_operator_has_an_onnx_lowering(word: str) -> None:
    assert word in LOWERINGS


@pytest.mark.parametrize("table", [MODULES, EXPRESSIONS, LOWERINGS], ids=["modules", "expressions", "onnx"])
def test_a_lowering_belongs_to_an_operator(table: dict[str, object]) -> None:
    assert set(table) <= set(OPERATORS)


CASES: dict[str, tuple[dict[str, Any], int, Callable[..., Tensor]]] = {
    "concat": ({}, 3, lambda *xs: torch.cat(xs, 1)),
    "mean": ({"dim": (2, -1), "keepdim": True}, 1, lambda x: torch.mean(x, (2, 3), keepdim=True)),
    "mul": ({"other": 0.3}, 1, lambda x: torch.mul(x, 0.3)),
    "narrow": ({"dim": 2, "start": 1, "length": 3}, 1, lambda x: torch.narrow(x, 2, 1, 3)),
    "pad": (
        {"pad": (1, 0, 2, 3), "value": 0.5}, 1,
        lambda x: torch.nn.functional.pad(x, (1, 0, 2, 3), mode="constant", value=0.5),
    ),
    "permute": ({"dims": (0, 2, 3, 1)}, 1, lambda x: torch.permute(x, (0, 2, 3, 1))),
    "product": ({}, 2, torch.mul),
    "select": ({"dim": 2, "index": 4}, 1, lambda x: torch.select(x, 2, 4)),
    "sum": ({}, 2, torch.add),
}  # fmt: skip


@pytest.mark.parametrize("word", sorted(EXPRESSIONS))
def test_an_expression_computes_what_pytorch_s_function_does(word: str) -> None:
    fields, count, expected = CASES[word]
    inputs = {f"x{index}": torch.randn(2, 3, 5, 4) for index in range(count)}
    source = EXPRESSIONS[word](operator_model(word).model_validate(fields), *inputs)
    result = eval(source, {"torch": torch, **inputs})
    torch.testing.assert_close(result, expected(*inputs.values()), rtol=0, atol=0)

"""Numbers that nobody writes on purpose: what an operator accepts can be built, trained, exported and run."""

from collections.abc import Iterator
from math import prod
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from archc.diagnostics import SpecError
from archc.ir.budget import Budget, check_budget
from archc.ir.operator import ShapeError
from archc.operators import OPERATORS
from tests.operators.cases import CASES, Case, session, written

INTEGERS = [0, -1, 255, 256, 2**15, 2**31 - 1, 2**31, 2**40, 2**63]
NUMBERS = [0.0, 1e-300, 1e-45, -1.0, 3.4e38, 3.5e38, 1e308, -3.4e38, -1e308]
LARGEST = 1 << 27  # bytes: what the budget allows may be more than this machine has


def extremes(value: Any) -> list[Any]:
    """Values in place of one of an example."""
    match value:
        case bool() | str():
            return []
        case float():
            return NUMBERS
        case int():
            return INTEGERS
        case tuple():
            return [each for number in INTEGERS for each in (number, [number, *value[1:]])]
    return [*INTEGERS, *NUMBERS]


def tried(word: str) -> Iterator[Case]:
    """The operator's examples, each with one field set to an extreme."""
    for case in CASES:
        if case.word == word:
            for name in type(case.operator).model_fields:
                for value in extremes(getattr(case.operator, name)):
                    yield Case(word, {**case.fields, name: value}, case.shapes)


def is_accepted(case: Case) -> bool:
    try:
        graph = case.graph()
        check_budget(graph, Budget())
    except (ValidationError, ShapeError, SpecError):
        return False
    elements = sum(prod(parameter.shape) for parameter in graph.parameters())
    return 4 * elements + sum(node.output.type.bytes() for node in graph.nodes) < LARGEST


@pytest.mark.parametrize("word", OPERATORS)
def test_what_an_operator_accepts_runs_everywhere(word: str) -> None:
    for case in filter(is_accepted, tried(word)):
        network, inputs = case.network(), case.inputs()
        module = network.module()
        for mode in (True, False):
            module.train(mode)(*map(torch.from_numpy, inputs))
        runtime = session(written(network), optimised=False)
        runtime.run(None, {entry.name: x for entry, x in zip(runtime.get_inputs(), inputs, strict=True)})

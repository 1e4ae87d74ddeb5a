"""Which operators can follow which, found by trying."""

from __future__ import annotations

from functools import cache

from archc.ir.graph import Graph
from archc.ir.operator import Operator, ShapeError
from archc.ir.types import BATCH, TensorType
from archc.operators import OPERATORS, operator_model
from tests.operators.cases import CASES

Pair = tuple[str, str]

UNWRITABLE = ("identity",)  # a word of the language, which stands for no operator
_SHAPES = ((6, 9, 11), (12, 12, 12), (2, 8, 16), (5, 8), (12, 12), (12,))


@cache
def legal_pairs() -> frozenset[Pair]:
    """Producer and consumer, for each pair that some shape and some fields of the two allow."""
    words = [word for word in OPERATORS if word not in UNWRITABLE and operator_model(word).arity in (1, None)]
    inputs = {TensorType((BATCH, *shape)) for shape in _SHAPES}
    made = {word: {y for x in inputs for y in _outputs(word, x)} for word in words}
    return frozenset((p, c) for p in words for c in words if any(_outputs(c, x) for x in made[p]))


@cache
def _outputs(word: str, x: TensorType) -> frozenset[TensorType]:
    """What an operator makes of a value, with each of the fields that it is tested with."""
    return frozenset(y for operator in _settings(word) if (y := _inferred(operator, x)) is not None)


@cache
def _settings(word: str) -> tuple[Operator, ...]:
    return tuple(case.operator for case in CASES if case.word == word)


def _inferred(operator: Operator, x: TensorType) -> TensorType | None:
    try:
        return operator.infer(*([x, x] if operator.arity is None else [x]))
    except ShapeError:
        return None


def pairs(graph: Graph) -> frozenset[Pair]:
    """Which operators follow which in a graph."""
    producers = {node.output.name: node.operator.word for node in graph.nodes}
    return frozenset(
        (producers[value.name], node.operator.word)
        for node in graph.nodes
        for value in node.inputs
        if value.name in producers
    )

"""How alike two modules are, from 0 (they are never aligned) upwards."""

from __future__ import annotations

from collections import Counter
from functools import cache
from math import log2
from typing import TypeVar

from archc.differences.modules import Module
from archc.ir.graph import Node
from archc.ir.operator import Operator

WORD, FIELDS, SHAPE, NAME, NUMBER = 0.4, 0.3, 0.1, 0.2, 0.05
"""Shares of what two operators have in common. A number, or a name that follows from the word, says little."""

FAMILY = 0.25
"""For operators of one family, such as two activations: one may have replaced the other."""

LEAST_SHARE, LEAST_UNDER_ONE_NAME = 0.8, 0.3
"""Share of operators with the same words, of two scopes that may be aligned. Others are opened, which loses nothing."""

T = TypeVar("T")


def likeness(one: Module, other: Module) -> float:
    """Zero for modules that are never aligned. A larger scope counts more than a smaller one."""
    if one.node and other.node:
        return _of_nodes(one.node, other.node, _of_names(one, other))
    if one.node or other.node:
        return 0.0
    return _of_scopes(one, other)


def _of_nodes(one: Node, other: Node, name: float) -> float:
    if one.operator.word != other.operator.word:
        is_family = type(one.operator).__module__ == type(other.operator).__module__ and not one.operator.moves
        return FAMILY + name if is_family else name if name == NAME else 0.0
    shape = SHAPE if [value.type for value in one.outputs] == [value.type for value in other.outputs] else 0.0
    same = _same_fields(one.operator, other.operator)  # pyright: ignore[reportArgumentType]  # frozen, and so with a hash
    return WORD + FIELDS * same + shape + name


def _of_names(one: Module, other: Module) -> float:
    if one.name != other.name:
        return 0.0
    return NAME if one.has_own_name else NUMBER


def _of_scopes(one: Module, other: Module) -> float:
    name = _of_names(one, other)
    share = _common(one.words, other.words)
    if share < (LEAST_UNDER_ONE_NAME if name == NAME else LEAST_SHARE):
        return 0.0
    alike = WORD * share + FIELDS * _common(one.operators, other.operators) + name
    alike += SHAPE if one.class_name == other.class_name else 0.0
    return alike * (1 + log2(len(one.nodes) + len(other.nodes)))


def _common(one: Counter[T], other: Counter[T]) -> float:
    """The share of what two bags have in common."""
    return 2 * (one & other).total() / (one.total() + other.total())


@cache
def _same_fields(one: Operator, other: Operator) -> float:
    """The share of fields with the same value."""
    ours, theirs = fields(one), fields(other)
    names = ours.keys() | theirs.keys()
    return sum(ours.get(name) == theirs.get(name) for name in names) / len(names) if names else 1.0


def fields(operator: Operator) -> dict[str, object]:
    """The fields of an operator, without one that only declares the size of its input."""
    found: dict[str, object] = operator.model_dump()
    found.pop(operator.declares or "", None)
    return found

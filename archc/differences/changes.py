"""What differs between two aligned networks: operator by operator, value by value, tensor by tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from archc.differences.alignment import Alignment, Pair
from archc.differences.likeness import fields
from archc.differences.modules import Module
from archc.ir.graph import Graph, Node, Parameter, Value
from archc.ir.types import BATCH, SymbolicDim, TensorType


class Change(NamedTuple):
    """A field of an operator, or something else about it, before and after."""

    what: str
    before: object
    after: object


class Edit(NamedTuple):
    """An operator of both networks that differs."""

    one: Node
    other: Node
    changes: tuple[Change, ...]


OPERATOR, INPUTS, READS, SHARES = "operator", "inputs", "reads", "shares"
"""What a change may be about, beside the fields."""


class Correspondence:
    """Which node of the first network stands for which of the second."""

    def __init__(self, one: Graph, other: Graph, found: Alignment) -> None:
        moved = [pair for pair in found.moved for pair in _operators(pair)]
        self.pairs = [(_node(ours), _node(theirs)) for ours, theirs in (*found.operators, *moved)]
        places = {node.path: index for index, node in enumerate(one.nodes)}
        self.pairs.sort(key=lambda pair: places[pair[0].path])
        passed = {id(_node(each)) for pair in moved for each in pair}
        passed |= {id(node) for module in (*found.removed, *found.inserted) for node in module.nodes}
        self._producers = {
            side: {value.name: node for node in graph.nodes for value in node.outputs}
            for side, graph in enumerate((one, other))
        }
        self._passed, self._moved = passed, {id(_node(each)) for pair in moved for each in pair}
        self._names = {value.name: partner.name for value, partner in zip(one.inputs, other.inputs, strict=False)}
        for ours, theirs in self.pairs:
            self._names |= {a.name: b.name for a, b in zip(ours.outputs, theirs.outputs, strict=False)}

    def edits(self) -> Iterator[Edit]:
        """The operators that differ, in the order of the first network."""
        for one, other in self.pairs:
            if changes := (*_field_changes(one, other), *self._wiring(one, other)):
                yield Edit(one, other, changes)

    def same(self, ours: Value, theirs: Value) -> bool:
        """True if two values stand for each other, once what was inserted, removed or moved is left out."""
        return self._names.get(self._behind(ours.name, 0)) == self._behind(theirs.name, 1)

    def _behind(self, name: str, side: int) -> str:
        """The value before what has no place in the other network."""
        producers = self._producers[side]
        while name in producers and id(producers[name]) in self._passed and producers[name].inputs:
            name = producers[name].inputs[0].name
        return name

    def _wiring(self, one: Node, other: Node) -> Iterator[Change]:
        ours, theirs = list(one.inputs), list(other.inputs)
        if len(ours) != len(theirs):
            yield Change(INPUTS, len(ours), len(theirs))
        elif id(one) not in self._moved and not self._reads_same(one, ours, theirs):
            before, after = next((a, b) for a, b in zip(ours, theirs, strict=True) if not self.same(a, b))
            yield Change(READS, before.name.lstrip(":"), after.name.lstrip(":"))
        if bool(one.shares) != bool(other.shares):
            yield Change(SHARES, one.shares or "none", other.shares or "none")

    def _reads_same(self, node: Node, ours: Sequence[Value], theirs: Sequence[Value]) -> bool:
        """True if it reads the same values; those of a sum in any order."""
        if all(map(self.same, ours, theirs)):
            return True
        return node.operator.adds and all(any(self.same(one, other) for other in theirs) for one in ours)


def _operators(pair: Pair) -> list[Pair]:
    """The pairs of operators in a pair of modules that are built alike."""
    return list(zip(pair[0].operators_below(), pair[1].operators_below(), strict=True))


def _node(module: Module) -> Node:
    assert module.node is not None, "it is an operator"
    return module.node


def _field_changes(one: Node, other: Node) -> Iterator[Change]:
    if one.operator.word != other.operator.word:
        yield Change(OPERATOR, one.operator.word, other.operator.word)
        return
    ours, theirs = fields(one.operator), fields(other.operator)
    for name in {**ours, **theirs}:
        if ours.get(name) != theirs.get(name):
            yield Change(name, ours.get(name), theirs.get(name))


def types(node: Node) -> list[TensorType]:
    """The types of a node's outputs."""
    return [value.type for value in node.outputs]


def described(type_: TensorType) -> str:
    """A type, with the range of each dynamic size. The usual batch goes without saying."""
    dims = [dim for dim in type_.shape if isinstance(dim, SymbolicDim) and dim != BATCH]
    ranges = [f"{dim.symbol} {dim.minimum} to {dim.maximum}, usually {dim.optimum}" for dim in dims]
    return f"{type_} ({'; '.join(dict.fromkeys(ranges))})" if ranges else str(type_)


def tensors(node: Node) -> dict[str, Parameter]:
    """The tensors of a node by their own names."""
    known = {node.key(name): name for name in node.operator.tensors}
    return {known.get(tensor.path, tensor.path.rpartition(".")[2]): tensor for tensor in node.parameters}

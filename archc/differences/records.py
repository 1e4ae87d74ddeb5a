"""What a diff is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from archc.differences.changes import OPERATOR, Edit
from archc.ir.cost import GraphCost
from archc.ir.graph import Node


class Group(NamedTuple):
    """Operators that differ in the same way: where they are, and what becomes of each thing that differs."""

    edits: tuple[Edit, ...]
    where: str
    what: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        parts = (change if name == OPERATOR else f"{name} {change}" for name, change in self.what)
        return f"{self.where}: {', '.join(parts)}"


class Lone(NamedTuple):
    """Modules of one kind that only one network has, or that it has elsewhere.

    Of what was moved, `behind` are the values that the first of them reads before and after.
    """

    kind: str
    paths: tuple[str, ...]
    operators: int
    parameters: int
    behind: tuple[str, str] | None = None


class Renaming(NamedTuple):
    """A path or a class that is called otherwise, and how many operators or scopes that concerns."""

    before: str
    after: str
    times: int

    def __str__(self) -> str:
        return f"{self.before} → {self.after}" if self.after else self.before


class Tensors(NamedTuple):
    """How the weights of two networks differ: tensors that both have, and those of one alone."""

    common: int = 0
    other_key: int = 0
    other_shape: int = 0
    removed: int = 0
    inserted: int = 0


class Row(NamedTuple):
    """Operators that stand for each other, or one that stands for none; `mark` is one of `=~+->`."""

    mark: str
    one: Node | None
    other: Node | None
    edit: Edit | None = None


@dataclass(frozen=True)
class Side:
    """One of the two: what it is called, the number of its operators, and its cost."""

    name: str
    operators: int
    cost: GraphCost

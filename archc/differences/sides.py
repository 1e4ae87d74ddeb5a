"""A diff side by side: the operators of both networks in rows, those that are equal as a number."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from archc.differences.changes import OPERATOR
from archc.differences.labels import shown
from archc.differences.records import Row
from archc.differences.report import Diff
from archc.ir.graph import Node

ROLES = {"~": "inconclusive", ">": "note", "-": "failed", "+": "passed", "=": "dim"}


class Sides(NamedTuple):
    """Two texts beside each other, what is between them, and the role that gives their colour."""

    one: str
    mark: str
    other: str
    role: str


def side_by_side(diff: Diff) -> Iterator[Sides]:
    """A row for each operator that differs, and one for all equal ones between two such."""
    for mark, rows in groupby(diff.rows, lambda row: row.mark):
        if mark == "=":
            text = f"… {sum(1 for _ in rows)} equal"
            yield Sides(text, "", text, ROLES[mark])
        else:
            yield from (Sides(_text(row, row.one, 0), mark, _text(row, row.other, 1), ROLES[mark]) for row in rows)


def _text(row: Row, node: Node | None, side: int) -> str:
    """A path, its operator, and the fields that differ, or all of an operator that stands alone."""
    if node is None:
        return ""
    fields = {change.what: change[1 + side] for change in row.edit.changes} if row.edit else node.operator.attributes()
    texts = [f"{name} {shown(value)}" for name, value in fields.items() if name != OPERATOR]
    return f"{node.path} {node.operator.word}{': ' if texts else ''}{', '.join(texts)}"

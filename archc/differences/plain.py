"""A diff as plain data, for scripts."""

from __future__ import annotations

from typing import Any

from archc.differences.labels import shown
from archc.differences.records import Group, Lone, Renaming, Side
from archc.differences.report import Diff


def as_json(diff: Diff) -> dict[str, Any]:
    """All that the summary tells, with every path and every value."""
    return {
        "verdict": diff.verdict,
        "equal": diff.is_equal,
        "first": _side(diff.one),
        "second": _side(diff.other),
        "common_operators": diff.common,
        "interface": list(diff.interface),
        "changed": [_group(group) for group in diff.changed],
        "shapes_follow": diff.follow,
        "only_in_first": [_lone(lone) for lone in diff.removed],
        "only_in_second": [_lone(lone) for lone in diff.inserted],
        "moved": [_lone(lone) for lone in diff.moved],
        "renamed": [_renaming(each) for each in diff.renamed],
        "classes": [_renaming(each) for each in diff.classes],
        "initial_weights": list(diff.initial),
        "tensors": diff.tensors._asdict(),
        "notes": list(diff.notes),
    }


def _side(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "operators": side.operators,
        "parameters": side.cost.parameters,
        "multiply_adds": side.cost.multiply_adds,
        "activation_bytes": side.cost.activation_bytes,
    }


def _group(group: Group) -> dict[str, Any]:
    edits = [
        {
            "first": edit.one.path,
            "second": edit.other.path,
            "changes": {change.what: [_plain(change.before), _plain(change.after)] for change in edit.changes},
        }
        for edit in group.edits
    ]
    return {"where": group.where, "summary": dict(group.what), "operators": edits}


def _plain(value: object) -> object:
    """A field's value as JSON has it."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else shown(value)


def _lone(lone: Lone) -> dict[str, Any]:
    found = lone._asdict()
    return {key: list(value) if isinstance(value, tuple) else value for key, value in found.items()}


def _renaming(each: Renaming) -> dict[str, Any]:
    return {"names": str(each), "times": each.times}

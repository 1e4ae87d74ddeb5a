"""Notes on a spec: which item stands where, under which conditions, and what the comments beside it say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

from pydantic import BaseModel

from archc.blocks import block_model
from archc.diagnostics import Span
from archc.elaborate.naming import camel_case
from archc.operators import is_operator, operator_model
from archc.spec.language.document import BlockDefinition, Ramp, Spec
from archc.spec.language.expressions import Expression
from archc.spec.language.items import Auxiliary, Branch, Call, Composite, Group, Item, When
from archc.spec.tree import Tree


@dataclass(frozen=True)
class Note:
    """An item, and the conditions of every `when` around it, with the value that each must have."""

    item: Item
    conditions: tuple[tuple[Expression, bool], ...] = ()


@dataclass
class Notes:
    """All notes on a spec: items by place, the places inside blocks, the definition of each class; its title."""

    items: dict[Span, Note] = field(default_factory=dict)
    in_blocks: set[Span] = field(default_factory=set)
    definitions: dict[str, BlockDefinition] = field(default_factory=dict)
    ramps: Mapping[str, Ramp] = field(default_factory=dict)
    title: str = ""

    @classmethod
    def of(cls, spec: Spec) -> Notes:
        """Read a spec and the blocks that it uses."""
        notes = cls(ramps=spec.ramps, title=class_name(spec))
        notes._read(spec.items, ())
        for definition in spec.blocks.values():
            known = set(notes.items)
            notes._read(definition.items, ())
            notes.in_blocks |= set(notes.items) - known
            notes.definitions[camel_case(definition.name)] = definition
        return notes

    def fields(self, span: Span | None) -> dict[str, Tree]:
        """What the item at a place writes, by field."""
        item = self.items[span].item if span is not None and span in self.items else None
        if isinstance(item, Call) and item.short is not None:
            return {self._first_field(item.word): item.short}
        if not isinstance(item, Call | Composite) or item.fields is None:
            return {}
        return {key: entry.value for key, entry in item.fields.entries.items()}

    def _first_field(self, word: str) -> str:
        if camel_case(word) in self.definitions:
            return next(iter(self.definitions[camel_case(word)].parameters), "")
        model: type[BaseModel] = operator_model(word) if is_operator(word) else block_model(word)
        return next(iter(model.model_fields), "")

    def _read(self, items: Iterable[Item], conditions: tuple[tuple[Expression, bool], ...]) -> None:
        for item in items:
            self.items[item.span] = Note(item, conditions)
            match item:
                case Group():
                    self._read(item.items, conditions)
                case Auxiliary():
                    self._read([item.item], conditions)
                case When():
                    self._arms(item, conditions)
                case Composite():
                    for branch in item.branches:
                        self._arms(branch, conditions) if isinstance(branch, When) else self._read(
                            branch.items, conditions
                        )

    def _arms(self, when: When, conditions: tuple[tuple[Expression, bool], ...]) -> None:
        self.items[when.span] = Note(when, conditions)
        for arm, holds in ((when.then, True), (when.otherwise, False)):
            if isinstance(arm, Branch):
                self._read(arm.items, (*conditions, (when.condition, holds)))


def comment_at(span: Span | None) -> str:
    """The comment at the end of a line of a spec, or in the lines above it; empty if there is none."""
    if span is None:
        return ""
    beside = re.search(r"\s#\s?(.*)$", span.source.lines[span.line][span.end_column :])
    return beside[1].strip() if beside else " ".join(comment_above(span))


def comment_above(span: Span | None) -> list[str]:
    """The lines of the comment above a line of a spec, down to which there is nothing else."""
    found: list[str] = []
    for line in reversed(span.source.lines[: span.line] if span else []):
        if not line.strip().startswith("#") or "$schema=" in line:
            break
        found.insert(0, line.strip().lstrip("#").strip())
    return found


def first_comment(spec: Spec) -> list[str]:
    """The lines of the comment with which a spec begins."""
    lines = [line for line in spec.items[0].span.source.lines if "$schema=" not in line] if spec.items else []
    return [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]


def class_name(spec: Spec) -> str:
    """The name of a network's class, with the capitals of its first comment: `ResNet50` where this says ResNet-50."""
    return written_as(spec.name, " ".join(first_comment(spec)))


def written_as(name: str, prose: str) -> str:
    """A name in camel case; words that a text writes with capitals get these."""
    words, found = name.split("_"), ""
    while words:
        for count in range(len(words), 0, -1):
            letters = "[-/. ]?".join(map(re.escape, "".join(words[:count])))
            written = re.search(f"(?<![A-Za-z0-9]){letters}(?![a-z0-9])", prose, re.IGNORECASE)
            if written and written[0].lower() != written[0]:
                found += "".join(part[:1].upper() + part[1:] for part in re.split("[-/. ]", written[0]))
                break
        else:
            count, found = 1, found + words[0][:1].upper() + words[0][1:]
        words = words[count:]
    return camel_case(found)

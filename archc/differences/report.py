"""What differs between two networks, and the summary of it as text, in pieces that have roles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archc.differences.labels import listed
from archc.differences.records import Group, Lone, Renaming, Row, Side, Tensors

Piece = tuple[str, str]
INDENT = "  "


@dataclass(frozen=True)
class Diff:
    """What differs between two networks. As a text it is the summary that `archc diff` prints.

    `follow` operators differ only in shape, which follows from the others. `rows` are all operators side by side.
    """

    one: Side
    other: Side
    common: int
    interface: tuple[str, ...]
    changed: tuple[Group, ...]
    follow: int
    removed: tuple[Lone, ...]
    inserted: tuple[Lone, ...]
    moved: tuple[Lone, ...]
    renamed: tuple[Renaming, ...]
    classes: tuple[Renaming, ...]
    initial: tuple[str, ...]
    tensors: Tensors
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def changes_function(self) -> bool:
        """True if they compute something else, or have other inputs or outputs."""
        return bool(self.interface or self.changed or self.removed or self.inserted or self.moved)

    @property
    def is_equal(self) -> bool:
        """True if nothing differs but the network's own name."""
        return self.verdict == "equal"

    @property
    def verdict(self) -> str:
        """In a few words: equal, different, initial weights only, names only."""
        if self.changes_function:
            return "different"
        if self.renamed or self.classes or self.tensors.other_key:
            return "names and initial weights only" if self.initial else "names only"
        return "initial weights only" if self.initial else "equal"

    def __str__(self) -> str:
        return "\n".join("".join(text for text, _ in line) for line in lines(self))


def lines(diff: Diff) -> list[list[Piece]]:
    """The summary."""
    found = list(_lines(diff))
    return [*found, *([[]] if len(found) > 1 else []), *_totals(diff)]


def _lines(diff: Diff) -> Iterator[list[Piece]]:
    one, other = diff.one.name, diff.other.name
    yield [
        (f"{one} → {other}: ", "title"),
        (diff.verdict, "passed" if diff.is_equal else "inconclusive"),
        (f", {_counts(diff)}", ""),
    ]
    yield from _section("changed", [*diff.interface, *map(str, diff.changed), *_follow(diff)], "inconclusive")
    yield from _section(f"only in {one}", [_lone(each) for each in diff.removed], "failed")
    yield from _section(f"only in {other}", [_lone(each) for each in diff.inserted], "passed")
    yield from _section("moved", [f"{_lone(each)}{_new_place(each)}" for each in diff.moved], "inconclusive")
    renamed = [f"{each} ({_counted(each.times, 'operator')})" for each in diff.renamed]
    classes = [f"class {each} ({_counted(each.times, 'scope')})" for each in diff.classes]
    yield from _section("names", [*renamed, *classes], "note")
    yield from _section("initial weights", list(diff.initial), "note")
    if not diff.is_equal:
        yield from _section("weights", [_weights(diff)], "note")
    yield from _section("notes", list(diff.notes), "note")


def _section(title: str, texts: list[str], role: str) -> Iterator[list[Piece]]:
    if texts:
        yield [(title, role)]
        yield from ([(f"{INDENT}{text}", "")] for text in texts)


def _counts(diff: Diff) -> str:
    return f"{_counted(diff.common, 'operator')} in both" if not diff.is_equal else _counted(diff.common, "operator")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _follow(diff: Diff) -> list[str]:
    return [f"{_counted(diff.follow, 'more operator')} only in their shapes, which follow"] if diff.follow else []


def _lone(lone: Lone) -> str:
    size = [_counted(lone.operators, "operator")] if lone.operators > len(lone.paths) else []
    size += [f"{lone.parameters:,} parameters"] if lone.parameters else []
    places = f" {len(lone.paths)} times ({listed(lone.paths)})"
    if len(lone.paths) == 1:
        places = f" at {lone.paths[0]}" if lone.kind != lone.paths[0] else ""
    return f"{lone.kind}{places}{': ' if size else ''}{', '.join(size)}"


def _new_place(moved: Lone) -> str:
    return f", behind {moved.behind[1]} and not {moved.behind[0]}" if moved.behind else ""


def _weights(diff: Diff) -> str:
    tensors = diff.tensors
    parts = [f"{_counted(tensors.common, 'tensor')} in both"]
    parts += [f"{tensors.other_key:,} under another key"] if tensors.other_key else []
    parts += [f"{tensors.other_shape:,} of another shape"] if tensors.other_shape else []
    parts += [f"{tensors.removed:,} only in {diff.one.name}"] if tensors.removed else []
    parts += [f"{tensors.inserted:,} only in {diff.other.name}"] if tensors.inserted else []
    return ", ".join([*parts, *(["a file of weights fits both"] if len(parts) == 1 else [])])


def _totals(diff: Diff) -> list[list[Piece]]:
    """What both cost, as a table."""
    rows = [("", diff.one.name, diff.other.name, ""), *map(_total, *_figures(diff.one, diff.other))]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    texts = [f"{row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}".rstrip() for row in rows]
    return [[(text, "title" if index == 0 else "")] for index, text in enumerate(texts)]


def _figures(one: Side, other: Side) -> tuple[list[str], list[int], list[int]]:
    names = ["operators", "parameters", "multiply-adds", "activation bytes"]
    sides = (
        [side.operators, side.cost.parameters, side.cost.multiply_adds, side.cost.activation_bytes]
        for side in (one, other)
    )
    return (names, *sides)  # type: ignore[return-value]


def _total(name: str, before: int, after: int) -> tuple[str, str, str, str]:
    change = f"{(after / before - 1) * 100:+.1f} %" if before and before != after else ""
    return name, f"{before:,}", f"{after:,}", change

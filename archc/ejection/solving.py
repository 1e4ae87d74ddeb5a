"""Finds how the constants of a class follow from the arguments of its constructor.

A candidate counts only if it gives the right value in every instance. The expressions of the spec go first; then
constants, names, what earlier lines have, and a little arithmetic. What nothing explains becomes an argument.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from archc.blocks import Layer
from archc.ejection.candidates import (
    FIRST,
    Spacing,
    Unexplained,
    arithmetic,
    conditions,
    constant,
    distinct,
    fits,
    is_constant,
    is_numeric,
    ramped,
)
from archc.ejection.expressions import folded, names_in, python, simplified
from archc.ejection.lines import OF_A_USE, Line, Symbol, Unit
from archc.ejection.templates import Row, Template
from archc.elaborate.environment import SIZES
from archc.spec.language.arithmetic import Name, Node
from archc.spec.language.expressions import is_expression, parse
from archc.spec.tree import Mapping as TreeMapping
from archc.spec.tree import Scalar, Tree
from archc.spec.tree import Sequence as TreeSequence

RECENT = 24  # expressions of earlier lines that may be part of another
SMALLEST = 8  # a constant below it is a kernel or a stride, not a width that follows from another


class Solver:
    """Explains the columns of one template. `arguments` are the names that were needed, with a value for each row."""

    def __init__(
        self, template: Template, let: Mapping[str, Tree], ramps: Mapping[str, Spacing], *, root: bool, by_name: bool
    ) -> None:
        self.template, self.let, self.ramps, self.by_name = template, let, ramps, by_name
        self.used: dict[str, None] = {}
        self.fresh: list[str] = []
        self._known: list[ast.expr] = []
        names = [name for name in template.rows[0] if all(name in row for row in template.rows)]
        self.first = list(self._first(names))
        self.names = [*self.first, *(name for name in names if name not in (*FIRST, *self.first, *OF_A_USE))]
        self.alone = not root and len({repr(sorted(map(repr, row.items()))) for row in template.rows}) == 1

    def _first(self, names: Sequence[str]) -> Iterator[str]:
        """The sizes of the input; one that `let` gives another name has this."""
        plain = [name for name, tree in self.let.items() if name in names and is_name(tree)]
        for size in (name for name in FIRST if name in names):
            column = [row[size] for row in self.template.rows]
            yield next((name for name in plain if fits(ast.Name(name), self.template.rows, column)), size)

    def solve(
        self,
        rows: Sequence[Row],
        column: Sequence[Any],
        hints: Iterable[ast.expr] = (),
        label: str = "value",
        *,
        near: str = "",
        follows: bool = False,
    ) -> ast.expr:
        """An expression that gives the column. Side effect: its names are noted, and it may be part of another.

        `label` names the column, `near` the module that it is of. A column that `follows` is what a line before gave.
        """
        if follows and (given := next((known for known in self._known if fits(known, rows, column)), None)):
            hints = (*hints, given)
        found = simplified(self._found(rows, column, hints, label) or self._argument(rows, column, label, near))
        for name in names_in(found):
            self.used.setdefault(name)
        differs = any(isinstance(node, ast.Sub) for node in ast.walk(found))  # other widths hardly follow from it
        if isinstance(column[0], int) and not isinstance(found, ast.Constant) and not differs:
            shown = ast.dump(found)
            self._known = [found, *(known for known in self._known if ast.dump(known) != shown)]
        return found

    def _found(
        self, rows: Sequence[Row], column: Sequence[Any], hints: Iterable[ast.expr] = (), label: str = ""
    ) -> ast.expr | None:
        if found := self._hinted(rows, column, hints) or self._labelled(rows, column, label):
            return found
        if is_constant(column):
            return self._same(rows, column)
        if isinstance(column[0], Symbol):
            return self._symbol(rows, column)
        if len({len(each) if isinstance(each, tuple) else -1 for each in column} - {-1}) == 1:
            return self._tuple(rows, column)
        candidates = self._candidates(rows, column)
        return next((each for each in candidates if fits(each, rows, column)), None) or self._by_iteration(rows, column)

    def _hinted(self, rows: Sequence[Row], column: Sequence[Any], hints: Iterable[ast.expr]) -> ast.expr | None:
        whole = [int(each) if isinstance(each, float) and each.is_integer() else each for each in column]
        trees = [tree for hint in hints for tree in _repeated(hint, column[0])]
        hint = next((tree for tree in trees if fits(tree, rows, column) or fits(tree, rows, whole)), None)
        sizes = [ast.Name(name) for name in self.first if hint and name in names_in(hint)]
        return next((name for name in sizes if fits(name, rows, column)), hint)

    def _labelled(self, rows: Sequence[Row], column: Sequence[Any], label: str) -> ast.expr | None:
        """What the name of a column suggests: a ramp, or in Python the field of this name."""
        if label in self.ramps and (ramp := ramped(self.ramps[label], rows, column)):
            return ramp
        varies = self.by_name and label in self.names and not is_constant([row[label] for row in self.template.rows])
        return ast.Name(label) if varies and fits(ast.Name(label), rows, column) else None

    def _same(self, rows: Sequence[Row], column: Sequence[Any]) -> ast.expr:
        """A value that is the same in all rows. Of a class with one instance, a width is rather a name."""
        if isinstance(column[0], Symbol):
            return self._symbol(rows, column) or constant(column[0])
        follows = self.alone and type(column[0]) is int and column[0] >= SMALLEST
        known = [*map(ast.Name, self.names), *self._known] if follows else []
        return next((each for each in known if fits(each, rows, column)), None) or constant(column[0])

    def _tuple(self, rows: Sequence[Row], column: Sequence[Any]) -> ast.expr | None:
        """The parts of tuples of one length, one by one."""
        if not all(isinstance(each, tuple) for each in column):
            return None
        parts = [self._found(rows, part) for part in zip(*column, strict=True)]
        return ast.Tuple([part for part in parts if part]) if all(parts) else None

    def _candidates(self, rows: Sequence[Row], column: Sequence[Any]) -> Iterator[ast.expr]:
        yield from map(ast.Name, self.names)
        yield from self._known
        if all(isinstance(each, bool) for each in column):
            yield from conditions(self.names, self._numbers(rows, self._known[:6]), rows, column)
        elif all(isinstance(each, int | float) for each in column):
            counter = [ast.Name("i")] if "@row" in rows[0] else []
            numbers = self._numbers(rows, [*counter, *self._known[:RECENT]])
            halves = [
                ast.BinOp(part, ast.FloorDiv(), ast.Constant(2)) for part in numbers if isinstance(part, ast.Name)
            ]
            yield from arithmetic([*numbers, *halves], rows, column)

    def _numbers(self, rows: Sequence[Row], others: Sequence[ast.expr]) -> list[ast.expr]:
        parts = [*map(ast.Name, self.names), *others]
        return distinct([part for part in parts if is_numeric(part, rows)], rows)

    def _symbol(self, rows: Sequence[Row], column: Sequence[Any]) -> ast.expr | None:
        """A name whose layers go with these classes."""
        for name in self.names:
            pairs = {(str(row[name]), each) for row, each in zip(rows, column, strict=True)}
            layers = all(isinstance(row[name], Layer | Symbol) for row in rows)
            needed = not is_constant(column) or any(row[name] is None for row in self.template.rows)
            if layers and needed and len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs):
                meant = dict(pairs)
                for row in (*rows, *self.template.rows):
                    row[name] = meant.get(str(row[name]), row[name])
                return ast.Name(name)
        return None

    def _by_iteration(self, rows: Sequence[Row], column: Sequence[Any]) -> ast.expr | None:
        """A start and a step for each iteration of a loop."""
        if not all(
            "i" in row and "@row" in row and isinstance(each, int) for row, each in zip(rows, column, strict=True)
        ):
            return None
        starts: dict[int, int] = {
            id(row["@row"]): each for row, each in zip(rows, column, strict=True) if row["i"] == 0
        }
        steps = {
            id(row["@row"]): each - starts[id(row["@row"])]
            for row, each in zip(rows, column, strict=True)
            if row["i"] == 1
        }
        outer = list({id(row["@row"]): row["@row"] for row in rows}.values())
        if not all(id(row) in steps for row in outer):
            return None
        start = self._found(outer, [starts[id(row)] for row in outer], ())
        step = self._found(outer, [steps[id(row)] for row in outer], ())
        if start is None or step is None:
            return None
        sum_ = ast.BinOp(start, ast.Add(), ast.BinOp(ast.Name("i"), ast.Mult(), step))
        return sum_ if fits(sum_, rows, column) else None

    def _argument(self, rows: Sequence[Row], column: Sequence[Any], label: str, near: str) -> ast.expr:
        """A new argument. Raises Unexplained: it would differ between the iterations of a loop."""
        taken = {*self.names, *OF_A_USE, "self"}
        named = [label, f"{near}_{label}".replace(".", "_"), *(f"{label}{number}" for number in range(2, 100))]
        name = next(each for each in named if each.isidentifier() and each not in taken)
        for row, each in zip(rows, column, strict=True):
            owner = row.get("@row", row)
            if name in owner and owner[name] != each:
                raise Unexplained(label)
            owner[name] = row[name] = each
        unused = None if isinstance(column[0], Symbol) else column[0]  # where only steps that are absent take it
        for row in self.template.rows:
            row.setdefault(name, unused)
        self.names.append(name)
        self.fresh.append(name)
        return ast.Name(name)

    def hint(self, lines: Sequence[Line | Unit], rows: Sequence[Row], tree: Node) -> ast.expr | None:
        """An expression of the spec in the names of this class; None if one of them is not to be had here."""
        try:
            return folded(python(tree, lambda name: self._name(lines, rows, name)))
        except Unexplained:
            return None

    def _name(self, lines: Sequence[Line | Unit], rows: Sequence[Row], name: str) -> ast.expr:
        column = [_looked_up(line, row, name) for line, row in zip(lines, rows, strict=True)]
        if name in self.names and fits(ast.Name(name), rows, column):
            return ast.Name(name)
        if None in column:
            raise Unexplained(name)
        if name == "i" and "@row" in rows[0] and fits(ast.Name("i"), rows, column):
            return ast.Name("i")
        sizes = (ast.Name(size) for size in self.first if name in SIZES)
        found = next((size for size in sizes if fits(size, rows, column)), None) or self._found(rows, column, ())
        if found is None:
            raise Unexplained(name)
        return found

    def hints(self, lines: Sequence[Line | Unit], rows: Sequence[Row], trees: Iterable[Tree]) -> list[ast.expr]:
        """The expressions among the values that a spec writes."""
        found = [self.hint(lines, rows, parse(scalar).tree) for tree in trees for scalar in scalars(tree)]
        return [each for each in found if each is not None]


def _repeated(hint: ast.expr, value: Any) -> list[ast.expr]:
    """A hint, and for a tuple of one number several times the tuple of it."""
    repeats = isinstance(value, tuple) and len(value) > 1 and len(set(value)) == 1
    return [hint, ast.Tuple([hint] * len(value))] if repeats else [hint]


def is_name(tree: Tree) -> bool:
    """True for a value that is another by name alone."""
    return isinstance(tree, Scalar) and is_expression(tree) and isinstance(parse(tree).tree, Name)


def scalars(tree: Tree) -> Iterator[Scalar]:
    """The expressions in a value, with and without the whole list that they are in."""
    if isinstance(tree, Scalar) and is_expression(tree):
        yield tree
    elif isinstance(tree, TreeSequence):
        for item in tree.items:
            yield from scalars(item)
    elif isinstance(tree, TreeMapping):
        for entry in tree.entries.values():
            yield from scalars(entry.value)


def _looked_up(line: Line | Unit, row: Row, name: str) -> Any:
    names = getattr(line.around, "names", line.around)
    if name in names:
        return names[name]
    if name in SIZES and line.type is not None:
        axis, ranks = SIZES[name]
        size = line.type.shape[axis] if line.type.ndim in ranks else None
        return size if isinstance(size, int) else None
    return row.get(name)

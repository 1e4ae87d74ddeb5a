"""Candidates: expressions that may give a column of values, the simplest first."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from archc.blocks import Layer
from archc.ejection.expressions import value
from archc.ejection.lines import Symbol
from archc.ejection.templates import Row

FIRST = ("in_channels", "tokens", "height", "in_features")
"""Names of sizes of an input, which go before all others."""


class Unexplained(Exception):
    """A value follows from nothing that a class can be given."""


def arithmetic(numbers: Sequence[ast.expr], rows: Sequence[Row], column: Sequence[Any]) -> Iterator[ast.expr]:
    """Numbers, multiples and sums of one or two of them, and quotients."""
    yield from numbers
    yield from _scaled(numbers, rows[0], column[0])
    for number in numbers:
        yield from _affine(number, rows, column)
    for one, other in combinations(numbers, 2):
        for symbol in (ast.Mult(), ast.Add()):
            yield ast.BinOp(one, symbol, other)
        for left, right in ((one, other), (other, one)):
            yield ast.BinOp(left, ast.Sub(), right)
            yield ast.BinOp(left, ast.FloorDiv(), right)
    for one, other in combinations(numbers, 2):
        both = [ast.BinOp(one, symbol, other) for symbol in (ast.Mult(), ast.Add())]
        yield from _scaled([each for each in both if is_numeric(each, rows)], rows[0], column[0])


def conditions(
    names: Sequence[str], numbers: Sequence[ast.expr], rows: Sequence[Row], column: Sequence[bool]
) -> Iterator[ast.expr]:
    """Comparisons, and two of them joined."""
    layers = [name for name in names if all(isinstance(row[name], Symbol | None) for row in rows)]
    atoms: list[ast.expr] = [ast.Compare(ast.Name(name), [ast.IsNot()], [ast.Constant(None)]) for name in layers]
    for symbol, word in ((ast.NotEq(), ast.Or()), (ast.Eq(), ast.And())):
        yield from _projections(symbol, word, numbers, rows, column)
    for one, other in [*((number, ast.Constant(1)) for number in numbers), *combinations(numbers, 2)]:
        atoms += [ast.Compare(one, [symbol], [other]) for symbol in (ast.NotEq(), ast.Eq())]
    atoms += [ast.UnaryOp(ast.Not(), ast.Name(name)) for name in names]
    atoms += [
        ast.Compare(number, [ast.Gt()], [ast.Constant(limit)]) for number in numbers for limit in _limits(number, rows)
    ]
    yield from atoms
    kinds = {str([attempt(atom, row) for row in rows]): atom for atom in reversed(atoms)}
    for one, other in combinations(reversed(kinds.values()), 2):
        for word in (ast.Or(), ast.And()):
            yield ast.BoolOp(word, [one, other])


def _projections(
    symbol: ast.cmpop, word: ast.boolop, numbers: Sequence[ast.expr], rows: Sequence[Row], column: Sequence[bool]
) -> Iterator[ast.expr]:
    """A stride beside a change of width, `stride != 1 or in_channels != width`, or the opposite.

    In the network at hand one of the two may be enough; who reads the class expects both.
    """
    usual = isinstance(symbol, ast.NotEq)
    compared = [ast.Compare(ast.Name("stride"), [symbol], [ast.Constant(1)])]
    compared += [ast.Compare(number, [symbol], [other]) for number, other in combinations(numbers, 2) if _first(number)]
    found: list[ast.expr] = []
    for atom in compared:
        given = [attempt(atom, row) for row in rows]
        implied = all(wanted is usual for value, wanted in zip(given, column, strict=True) if value is usual)
        if implied and len({*given}) == 2 and not any(isinstance(value, type(None)) for value in given):
            found.append(atom)
        if len(found) == 2:
            yield ast.BoolOp(word, found)
            return


def _limits(number: ast.expr, rows: Sequence[Row]) -> list[int]:
    """The values of a number but its largest."""
    return sorted({attempt(number, row) for row in rows})[:-1]


def _first(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Name) and tree.id in FIRST


def _scaled(parts: Iterable[ast.expr], row: Row, first: Any) -> Iterator[ast.expr]:
    """Multiples, fractions and shifts of parts that are right in the first row."""
    for part in parts:
        known = attempt(part, row)
        if not isinstance(known, int) or not isinstance(first, int) or not known or not first:
            continue
        if first % known == 0:
            yield ast.BinOp(ast.Constant(first // known), ast.Mult(), part)
        if known % first == 0:
            yield ast.BinOp(part, ast.FloorDiv(), ast.Constant(known // first))
        symbol = ast.Add() if first > known else ast.Sub()
        yield ast.BinOp(part, symbol, ast.Constant(abs(first - known)))


def _affine(part: ast.expr, rows: Sequence[Row], column: Sequence[Any]) -> Iterator[ast.expr]:
    """A multiple of a part, and a number more; or a half or a quarter of such a sum."""
    points = sorted({attempt(part, row): wanted for row, wanted in zip(rows, column, strict=True)}.items())
    if len(points) < 2 or not all(type(wanted) is int for _, wanted in points):
        return
    (x, y), (u, v) = points[0], points[-1]
    for divisor in (1, 2, 4) if len(points) > 2 else (1,):
        factor = divisor * (v - y) // (u - x)
        rest = divisor * y - factor * x
        product = ast.BinOp(ast.Constant(factor), ast.Mult(), part) if factor != 1 else part
        total = ast.BinOp(ast.Constant(rest), ast.Add(), product) if rest else product
        yield total if divisor == 1 else ast.BinOp(total, ast.FloorDiv(), ast.Constant(divisor))


class Spacing(NamedTuple):
    """Values from `start` to `stop` in so many steps."""

    start: float
    stop: float
    steps: int


def ramped(spacing: Spacing, rows: Sequence[Row], column: Sequence[Any]) -> ast.expr | None:
    """One value of a ramp, or the next one in each iteration of a loop; None if these are others."""
    start, stop, steps = spacing
    for index in range(steps + 1):
        count: ast.expr = ast.Constant(index)
        if len(rows) > 1 and "i" in rows[0]:
            count = ast.BinOp(ast.Constant(index), ast.Add(), ast.Name("i")) if index else ast.Name("i")
        part = ast.BinOp(ast.BinOp(constant(stop - start), ast.Mult(), count), ast.Div(), ast.Constant(steps))
        tree = ast.BinOp(constant(start), ast.Add(), part) if start else part
        if fits(tree, rows, column):
            return tree
    return None


def fits(tree: ast.expr, rows: Sequence[Row], column: Sequence[Any]) -> bool:
    """True if an expression gives the column, each value with its type."""
    for row, wanted in zip(rows, column, strict=True):
        given = attempt(tree, row)
        if isinstance(given, list):
            given = tuple(given)
        if isinstance(given, tuple) and not isinstance(wanted, tuple) and len(set(given)) == 1:
            given = given[0]
        if type(given) is not type(wanted) or given != wanted:
            return False
    return True


def is_numeric(tree: ast.expr, rows: Sequence[Row]) -> bool:
    """True if an expression is an integer in every row."""
    return all(type(attempt(tree, row)) is int for row in rows)


def attempt(tree: ast.expr, row: Row) -> Any:
    """The value of an expression in a row; None if it has none."""
    try:
        return row.get(tree.id) if isinstance(tree, ast.Name) else value(tree, row)
    except (LookupError, TypeError, ArithmeticError, ValueError):
        return None


def distinct(parts: Iterable[ast.expr], rows: Sequence[Row]) -> list[ast.expr]:
    """The parts that differ from those before in some row."""
    found: dict[tuple[Any, ...], ast.expr] = {}
    for part in parts:
        found.setdefault(tuple([attempt(part, row) for row in rows]), part)
    return list(found.values())


def is_constant(column: Sequence[Any]) -> bool:
    """True if a column has one value, of one type."""
    return all(type(each) is type(column[0]) and each == column[0] for each in column)


def constant(value: Any) -> ast.expr:
    """A value as an expression."""
    if isinstance(value, Layer):
        raise Unexplained(str(value))
    if isinstance(value, Symbol):
        return ast.parse(value, mode="eval").body
    return ast.parse(repr(value), mode="eval").body

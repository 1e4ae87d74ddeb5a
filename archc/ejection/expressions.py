"""Expressions of specs as Python, and their values in the names of an instance."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from archc.spec.language import arithmetic
from archc.spec.language.arithmetic import FUNCTIONS

_BINARY: dict[str, ast.operator] = {
    "+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "//": ast.FloorDiv(), "/": ast.Div(), "%": ast.Mod(),
}  # fmt: skip
_COMPARED: dict[str, ast.cmpop] = {
    "==": ast.Eq(), "!=": ast.NotEq(), "<=": ast.LtE(), ">=": ast.GtE(), "<": ast.Lt(), ">": ast.Gt(),
}  # fmt: skip
MATH = ("ceil", "floor", "sqrt", "log2")
_OPERATIONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv, ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.LtE: operator.le, ast.GtE: operator.ge, ast.Lt: operator.lt, ast.Gt: operator.gt, ast.IsNot: operator.is_not,
}  # fmt: skip

MAKE_DIVISIBLE = '''
def make_divisible(x: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to x that is not below 90 % of it."""
    rounded = max(divisor, int(x + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * x else rounded
'''


def python(tree: arithmetic.Node, name: Callable[[str], ast.expr]) -> ast.expr:
    """A spec's expression as Python; `name` gives what stands for `$name`."""
    match tree:
        case arithmetic.Constant(value):
            return ast.Constant(value)  # type: ignore[arg-type]
        case arithmetic.Name(text):
            return name(text)
        case arithmetic.Logical(word, left, right):
            values = [python(side, name) for side in (left, right)]
            return ast.BoolOp(ast.And() if word == "and" else ast.Or(), values)
        case arithmetic.Conditional(condition, then, otherwise):
            return ast.IfExp(python(condition, name), python(then, name), python(otherwise, name))
        case arithmetic.Index(numbers, index):
            return ast.Subscript(python(numbers, name), python(index, name))
        case arithmetic.Application(symbol, _, arguments):
            return _applied(symbol, [python(argument, name) for argument in arguments])
    raise TypeError(f"an expression has no {type(tree).__name__}")


def _applied(symbol: str, values: list[ast.expr]) -> ast.expr:
    if symbol == "not":
        return ast.UnaryOp(ast.Not(), values[0])
    if symbol == "-" and len(values) == 1:
        return ast.UnaryOp(ast.USub(), values[0])
    if symbol in _BINARY:
        return ast.BinOp(values[0], _BINARY[symbol], values[1])
    if symbol in _COMPARED:
        return ast.Compare(values[0], [_COMPARED[symbol]], [values[1]])
    function = ast.Attribute(ast.Name("math"), symbol) if symbol in MATH else ast.Name(symbol)
    return ast.Call(function, values, [])


def value(tree: ast.expr, names: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises LookupError, TypeError or ArithmeticError: it has none.

    It is worked out here, without a compiler: thousands of candidates are tried for a network.
    """
    match tree:
        case ast.Name(name):
            return names[name]
        case ast.Constant(constant):
            return constant
        case ast.BinOp(left, symbol, right):
            return _OPERATIONS[type(symbol)](value(left, names), value(right, names))
        case ast.Compare(left, [symbol], [right]):
            return _OPERATIONS[type(symbol)](value(left, names), value(right, names))
        case ast.BoolOp(ast.And(), values):
            return all(value(each, names) for each in values)
        case ast.BoolOp(_, values):
            return any(value(each, names) for each in values)
        case ast.UnaryOp(ast.Not(), operand):
            return not value(operand, names)
        case ast.UnaryOp(ast.USub(), operand):
            return -value(operand, names)
        case ast.IfExp(condition, then, otherwise):
            return value(then if value(condition, names) else otherwise, names)
        case ast.Subscript(numbers, index):
            return value(numbers, names)[value(index, names)]
        case ast.Tuple(elements):
            return tuple([value(element, names) for element in elements])
        case ast.Call(ast.Name(name) | ast.Attribute(ast.Name("math"), name), arguments):
            return FUNCTIONS[name][0](*[value(argument, names) for argument in arguments])
    raise LookupError(ast.dump(tree))


def folded(tree: ast.expr) -> ast.expr:
    """An expression with the values of its parts without names."""
    result: ast.expr = _Folded().visit(tree)
    return simplified(result)


class _Folded(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        with suppress(LookupError, TypeError, ArithmeticError):
            if isinstance(node, ast.BinOp | ast.IfExp | ast.Subscript) and not names_in(node):
                return ast.Constant(value(node, {}))
        return node


def simplified(tree: ast.expr) -> ast.expr:
    """An expression of whole numbers without `1 * x`, `0 * x`, `x - x`, `3 * x - x`, `4 * x // 2` and `x // 2 // 2`."""
    result: ast.expr = _Simplified().visit(tree)
    return result


class _Simplified(ast.NodeTransformer):
    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        if not names_in(node):
            return node
        match node:
            case ast.BinOp(ast.Constant(1), ast.Mult(), part) | ast.BinOp(part, ast.Mult(), ast.Constant(1)):
                return part
            case ast.BinOp(ast.Constant(0) as zero, ast.Mult()) | ast.BinOp(_, ast.Mult(), ast.Constant(0) as zero):
                return zero
            case ast.BinOp(left, ast.Sub(), right) if ast.dump(left) == ast.dump(right):
                return ast.Constant(0)
            case ast.BinOp(ast.BinOp(ast.Constant(int() as times), ast.Mult(), part), ast.Sub(), right) if ast.dump(
                part
            ) == ast.dump(right):
                return self.visit_BinOp(ast.BinOp(ast.Constant(times - 1), ast.Mult(), part))
            case ast.BinOp(
                ast.BinOp(ast.Constant(int() as times), ast.Mult(), part), ast.FloorDiv(), ast.Constant(int() as by)
            ) if by and times % by == 0:
                return self.visit_BinOp(ast.BinOp(ast.Constant(times // by), ast.Mult(), part))
            case ast.BinOp(
                ast.BinOp(part, ast.FloorDiv(), ast.Constant(int() as one)), ast.FloorDiv(), ast.Constant(int() as two)
            ):
                return ast.BinOp(part, ast.FloorDiv(), ast.Constant(one * two))
        return node


def names_in(tree: ast.AST) -> list[str]:
    """The names in an expression, in order."""
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]

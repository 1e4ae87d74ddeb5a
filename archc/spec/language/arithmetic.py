"""The tree that an expression is parsed into, and what its parts compute.

Values are integers, floats, booleans, pairs of numbers (arithmetic is elementwise) and opaque values, which
can only be passed on or compared. UNKNOWN is what an earlier problem left open; what is computed from it is
unknown.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Any, Final

from archc.diagnostics import as_written, did_you_mean
from archc.diagnostics.codes import Code

Environment = Mapping[str, object]
Function = Callable[..., Any]

MAX_MAGNITUDE = 2**63
MAX_LISTED = 20  # names in a message


class Unknown(Enum):
    """The type of UNKNOWN: a value that an earlier problem, or an open parameter, hides.

    None is something else: what a spec leaves out on purpose, by the word `none`.
    """

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


class ExpressionError(Exception):
    """What is wrong with an expression; `part` is the piece of its text that is to blame, if one is, and `at` where."""

    def __init__(
        self, message: str, code: Code = "bad-expression", help: str | None = None, *, part: str = "", at: int = 0
    ) -> None:
        super().__init__(message)
        self.message, self.help, self.part, self.at = message, help, part, at
        self.code: Code = code


class Node:
    """A part of an expression."""

    def evaluate(self, environment: Environment) -> Any:
        """The value. Raises ExpressionError."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, `true` or `false`."""

    value: object

    def evaluate(self, environment: Environment) -> Any:
        """The value itself."""
        return self.value


@dataclass(frozen=True, slots=True)
class Name(Node):
    """`$name`."""

    name: str

    def evaluate(self, environment: Environment) -> Any:
        """The value that the environment has for the name."""
        return look_up(self.name, environment)


def look_up(name: str, environment: Environment) -> object:
    """The value of `$name`. Raises ExpressionError: there is none."""
    if name in environment:
        return environment[name]
    listed = [f"${other}" for other in islice(environment, MAX_LISTED)]
    more = ", …" if len(environment) > MAX_LISTED else ""
    available = f"available are {', '.join(listed)}{more}" if environment else None
    help = did_you_mean(name, environment) or available
    raise ExpressionError(f"there is no '${name}' here", "unknown-name", help, part=f"${name}")


@dataclass(frozen=True, slots=True)
class Logical(Node):
    """`and`, `or`: the right side counts only if the left does not decide."""

    word: str
    left: Node
    right: Node

    def evaluate(self, environment: Environment) -> Any:
        """A boolean, or UNKNOWN where neither side decides."""
        decisive = self.word == "or"
        left = self._boolean(self.left.evaluate(environment))
        if left is decisive:
            return left
        right = self._boolean(self.right.evaluate(environment))
        return UNKNOWN if left is UNKNOWN and right is not decisive else right

    def _boolean(self, value: Any) -> Any:
        if value is not UNKNOWN and not isinstance(value, bool):
            raise ExpressionError(f"'{self.word}' needs true or false, not {as_written(value)}")
        return value


@dataclass(frozen=True, slots=True)
class Application(Node):
    """An operator or function applied to values."""

    symbol: str
    function: Function
    arguments: tuple[Node, ...]

    def evaluate(self, environment: Environment) -> Any:
        """The result; where an argument is a pair, the pair of the results."""
        values = [argument.evaluate(environment) for argument in self.arguments]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        if self.symbol in ("==", "!="):
            return self._compare(values)
        if any(isinstance(value, tuple) for value in values) and self.symbol not in _SINGLE:
            pairs = [_as_pair(value) for value in values]
            return tuple(self._apply([pair[axis] for pair in pairs]) for axis in (0, 1))
        return self._apply(values)

    def _compare(self, values: list[Any]) -> bool:
        """Equality, in which a number equals the pair that has it twice."""
        if any(isinstance(value, tuple) for value in values):
            values = [_as_pair(value) for value in values]
        return bool(self.function(*values))

    def _apply(self, values: list[Any]) -> Any:
        wanted = "true or false" if self.symbol == "not" else "a number"
        for value in values:
            if not (isinstance(value, bool) if self.symbol == "not" else is_number(value)):
                raise ExpressionError(f"'{self.symbol}' needs {wanted}, not {as_written(value)}")
        try:
            result = self.function(*values)
        except ZeroDivisionError:
            raise ExpressionError(f"'{self.symbol}' divides by zero") from None
        if not abs(result) < MAX_MAGNITUDE:
            raise ExpressionError(f"'{self.symbol}' gives a number beyond 64 bits")
        return result


def is_number(value: object) -> bool:
    """True if a value is an integer or a float; booleans are neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_pair(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)


def _make_divisible(x: float, divisor: float = 8) -> int:
    """The multiple of `divisor` nearest to x that is not below 90 % of it.

    Source: Howard et al. 2017, the reference implementation of MobileNet; torchvision.models._utils.
    """
    if divisor < 1 or divisor != int(divisor):
        raise ExpressionError(f"make_divisible needs a divisor that is a positive integer, not {as_written(divisor)}")
    divisor = int(divisor)
    rounded = max(divisor, int(x + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * x else rounded


_SINGLE = ("<", "<=", ">", ">=", "not")  # of pairs they would give pairs of booleans, which nothing takes

FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "min": (min, 2, 8),
    "max": (max, 2, 8),
    "round": (round, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "make_divisible": (_make_divisible, 1, 2),
}
"""Functions by name, with the least and the greatest number of arguments."""

COMPARISONS: dict[str, Function] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
SUMS: dict[str, Function] = {"+": operator.add, "-": operator.sub}
PRODUCTS: dict[str, Function] = {
    "*": operator.mul,
    "//": operator.floordiv,
    "/": operator.truediv,
    "%": operator.mod,
}

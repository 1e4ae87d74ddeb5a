"""The tree that an expression is parsed into, and what its parts compute.

Values are integers, floats, booleans, lists of numbers (arithmetic is elementwise; a pair is a list of two) and
opaque values, which can only be passed on or compared. UNKNOWN is what an earlier problem left open; what is computed
from it is unknown.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

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


class Refusal(NamedTuple):
    """A name's value that cannot be used where it is asked for, such as a dynamic size."""

    message: str
    help: str
    code: Code = "shape-mismatch"


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
    """The value of `$name`. Raises ExpressionError: there is none, or it cannot be used."""
    if name in environment:
        value = environment[name]
        if isinstance(value, Refusal):
            raise ExpressionError(value.message, value.code, value.help, part=f"${name}")
        return value
    known = [other for other in environment if not _is_absent(environment[other])]
    more = ", …" if len(known) > MAX_LISTED else ""
    listed = ", ".join(f"${other}" for other in known[:MAX_LISTED])
    help = _COUNTERS if name in ("i", "n") else did_you_mean(name, known)
    help = help or (f"available are {listed}{more}" if known else None)
    raise ExpressionError(f"there is no '${name}' here", "unknown-name", help, part=f"${name}")


_COUNTERS = "$i and $n exist inside a block that is counted: hand it the list, and write $widths[$i] there"


def _is_absent(value: object) -> bool:
    """True if a name has no value here, but elsewhere."""
    return isinstance(value, Refusal) and value.code == "unknown-name"


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
class Conditional(Node):
    """`then if condition else otherwise`: the other arm does not count."""

    condition: Node
    then: Node
    otherwise: Node

    def evaluate(self, environment: Environment) -> Any:
        """The value of the chosen arm; UNKNOWN where the condition is."""
        holds = self.condition.evaluate(environment)
        if isinstance(holds, bool):
            return (self.then if holds else self.otherwise).evaluate(environment)
        if holds is not UNKNOWN:
            raise ExpressionError(f"'if' needs true or false, not {as_written(holds)}")
        for arm in (self.then, self.otherwise):  # either may be chosen, so a wrong name is wrong in both
            try:
                arm.evaluate(environment)
            except ExpressionError as error:
                if error.code == "unknown-name":
                    raise
        return UNKNOWN


@dataclass(frozen=True, slots=True)
class Index(Node):
    """`$widths[$i]`: one number of a list, counted from 0, or from the end where the index is negative."""

    numbers: Node
    index: Node

    def evaluate(self, environment: Environment) -> Any:
        """The number. Raises ExpressionError: this is no list, or it has no such number."""
        numbers, index = self.numbers.evaluate(environment), self.index.evaluate(environment)
        if UNKNOWN in (numbers, index):
            return UNKNOWN
        if not isinstance(numbers, tuple):
            raise ExpressionError(f"only a list has an index, and this is {as_written(numbers)}")
        if not isinstance(index, int) or isinstance(index, bool):
            raise ExpressionError(f"an index must be an integer, not {as_written(index)}")
        if not -len(numbers) <= index < len(numbers):
            help = f"the first is [0], the last [{len(numbers) - 1}] or [-1]"
            raise ExpressionError(f"the index is {index}, but the list has {len(numbers)} numbers", help=help)
        return numbers[index]


@dataclass(frozen=True, slots=True)
class Application(Node):
    """An operator or function applied to values."""

    symbol: str
    function: Function
    arguments: tuple[Node, ...]

    def evaluate(self, environment: Environment) -> Any:
        """The result; where an argument is a list, the list of the results."""
        values = [argument.evaluate(environment) for argument in self.arguments]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        if self.symbol in ("==", "!="):
            return self._compare(values)
        if any(isinstance(value, tuple) for value in values) and self.symbol not in _SINGLE:
            lists = _as_lists(values)
            if len({*map(len, lists)}) > 1:
                shown = " and ".join(map(as_written, lists))
                raise ExpressionError(f"'{self.symbol}' needs lists of one length, not {shown}")
            return tuple(self._apply(list(numbers)) for numbers in zip(*lists, strict=True))
        return self._apply(values)

    def _compare(self, values: list[Any]) -> bool:
        """Equality, in which a number equals the list that has nothing else."""
        if any(isinstance(value, tuple) for value in values):
            values = _as_lists(values)
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
        except ValueError:  # of sqrt and log2
            raise ExpressionError(f"'{self.symbol}' has no value for {as_written(values[0])}") from None
        if not abs(result) < MAX_MAGNITUDE:
            raise ExpressionError(f"'{self.symbol}' gives a number beyond 64 bits")
        return result


def is_number(value: object) -> bool:
    """True if a value is an integer or a float; booleans are neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_lists(values: list[Any]) -> list[tuple[Any, ...]]:
    """Values, at least one of which is a list: each number becomes a list of the same length that has nothing else."""
    length = max(len(value) for value in values if isinstance(value, tuple))
    return [value if isinstance(value, tuple) else (value,) * length for value in values]


def _make_divisible(x: float, divisor: float = 8) -> int:
    """The multiple of `divisor` nearest to x that is not below 90 % of it.

    Source: Howard et al. 2017, the reference implementation of MobileNet; torchvision.models._utils.
    """
    if divisor < 1 or divisor != int(divisor):
        raise ExpressionError(f"make_divisible needs a divisor that is a positive integer, not {as_written(divisor)}")
    divisor = int(divisor)
    rounded = max(divisor, int(x + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * x else rounded


_SINGLE = ("<", "<=", ">", ">=", "not")  # of lists they would give lists of booleans, which nothing takes

FUNCTIONS: dict[str, tuple[Function, int, int]] = {
    "min": (min, 2, 8),
    "max": (max, 2, 8),
    "round": (round, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "abs": (abs, 1, 1),
    "int": (int, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "log2": (math.log2, 1, 1),
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

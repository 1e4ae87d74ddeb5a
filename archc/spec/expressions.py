"""The arithmetic of specs: `max(8, $width * 2) // 4`, `$stride == 1 and $in_channels == $out_channels`.

A scalar that contains `$` is an expression. It is parsed into a small tree and evaluated over integers, floats, booleans,
pairs (elementwise) and opaque values; there are no strings, no powers and no way to anything else.

    or < and < not < comparison < + - < * / // % < unary - < number, true, false, $name, function(…), (…)
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from archc.diagnostics import Span, SpecError, did_you_mean
from archc.spec.tree import Scalar, Tree

MAX_DEPTH = 32
MAX_TOKENS = 256
MAX_MAGNITUDE = 2**63

Environment = Mapping[str, object]


class _Unknown:
    """The value of what an earlier problem left open; whatever is computed from it is unknown too."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and where it stands."""

    tree: _Node
    span: Span

    def evaluate(self, environment: Environment) -> Any:
        """The value; UNKNOWN if it depends on an unknown. Raises SpecError."""
        try:
            return self.tree.evaluate(environment)
        except _Wrong as error:
            raise SpecError(str(error), code=error.code, span=self.span, help=error.help) from None


def is_expression(tree: Tree) -> bool:
    """Whether a value is an expression: a scalar with a `$`."""
    return isinstance(tree, Scalar) and isinstance(tree.value, str) and "$" in tree.value


def parse(scalar: Scalar) -> Expression:
    """Parse a scalar. Raises SpecError."""
    if isinstance(scalar.value, bool | int | float):
        return Expression(_Constant(scalar.value), scalar.span)
    try:
        return Expression(_parse(scalar.text), scalar.span)
    except _Wrong as error:
        raise SpecError(str(error), code=error.code, span=scalar.span, help=error.help) from None


def substitute(text: str, environment: Environment, span: Span) -> str:
    """A name with `$i`, `$n` and parameters filled in. Raises SpecError."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            help = did_you_mean(name, environment)
            raise SpecError(f"there is no '${name}' here", code="unknown-name", span=span, help=help)
        return str(environment[name])

    return re.sub(r"\$([A-Za-z_][A-Za-z0-9_]*)", value, text)


class _Wrong(Exception):
    """What is wrong with an expression, without its position."""

    def __init__(self, message: str, code: str = "bad-expression", help: str | None = None) -> None:
        super().__init__(message)
        self.code, self.help = code, help


class _Node:
    def evaluate(self, environment: Environment) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Constant(_Node):
    value: object

    def evaluate(self, environment: Environment) -> Any:
        return self.value


@dataclass(frozen=True, slots=True)
class _Name(_Node):
    name: str

    def evaluate(self, environment: Environment) -> Any:
        if self.name not in environment:
            help = did_you_mean(self.name, environment) or _available(environment)
            raise _Wrong(f"there is no '${self.name}' here", "unknown-name", help)
        return environment[self.name]


def _available(environment: Environment) -> str | None:
    return f"available are {', '.join(f'${name}' for name in environment)}" if environment else None


@dataclass(frozen=True, slots=True)
class _Logical(_Node):
    """`and`, `or`: the right side counts only if the left does not decide."""

    word: str
    left: _Node
    right: _Node

    def evaluate(self, environment: Environment) -> Any:
        left = _boolean(self.word, self.left.evaluate(environment))
        if left is (self.word == "or"):
            return left
        right = _boolean(self.word, self.right.evaluate(environment))
        if left is UNKNOWN:
            return right if right is (self.word == "or") else UNKNOWN
        return right


@dataclass(frozen=True, slots=True)
class _Call(_Node):
    """An operator or function applied to values."""

    symbol: str
    function: Callable[..., Any]
    arguments: tuple[_Node, ...]

    def evaluate(self, environment: Environment) -> Any:
        values = [argument.evaluate(environment) for argument in self.arguments]
        if UNKNOWN in values:
            return UNKNOWN
        return _elementwise(self.symbol, self.function, values)


def _elementwise(symbol: str, function: Callable[..., Any], values: list[Any]) -> Any:
    """Apply to numbers; where one is a pair, to both of its elements (comparisons compare pairs as a whole)."""
    if symbol in ("==", "!="):
        return function(*(_as_pair(v) if any(isinstance(w, tuple) for w in values) else v for v in values))
    if any(isinstance(value, tuple) for value in values):
        pairs = [_as_pair(value) for value in values]
        return tuple(_elementwise(symbol, function, [pair[i] for pair in pairs]) for i in (0, 1))
    for value in values:
        boolean = isinstance(value, bool)
        if boolean != (symbol == "not") or not isinstance(value, bool | int | float):
            wanted = "true or false" if symbol == "not" else "a number"
            raise _Wrong(f"'{symbol}' needs {wanted}, not {_shown(value)}")
    return _checked(symbol, function, values)


def _checked(symbol: str, function: Callable[..., Any], values: list[Any]) -> Any:
    try:
        result = function(*values)
    except ZeroDivisionError:
        raise _Wrong(f"'{symbol}' divides by zero") from None
    except (OverflowError, ValueError):
        raise _Wrong(f"'{symbol}' gives no finite number") from None
    if isinstance(result, int | float) and not abs(result) < MAX_MAGNITUDE:
        raise _Wrong(f"'{symbol}' gives a number beyond 64 bits")
    return result


def _as_pair(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value, value)


def _boolean(word: str, value: Any) -> Any:
    if value is not UNKNOWN and not isinstance(value, bool):
        raise _Wrong(f"'{word}' needs true or false, not {_shown(value)}")
    return value


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _make_divisible(x: float, divisor: float = 8) -> int:
    """The multiple of `divisor` nearest to x that is not below 90 % of it.

    Source: Howard et al. 2017, the reference implementation of MobileNet.
    """
    rounded = max(int(divisor), int(x + divisor / 2) // int(divisor) * int(divisor))
    return rounded + int(divisor) if rounded < 0.9 * x else rounded


_FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int]] = {
    "min": (min, 2, 8),
    "max": (max, 2, 8),
    "round": (round, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "make_divisible": (_make_divisible, 1, 2),
}
_BINARY: tuple[dict[str, Callable[..., Any]], ...] = (
    {
        "==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "//": operator.floordiv, "/": operator.truediv, "%": operator.mod},
)  # fmt: skip
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|\$(?P<name>[A-Za-z_]\w*)|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<symbol>//|==|!=|<=|>=|[-+*/%<>(),]))"
)


@lru_cache(4096)
def _parse(text: str) -> _Node:
    return _Parser(text).parse()


class _Parser:
    """Recursive descent over at most MAX_DEPTH levels."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._tokenize()
        self._position = 0
        self._depth = 0

    def parse(self) -> _Node:
        tree = self._or()
        if self._next() is not None:
            self._fail()
        return tree

    def _tokenize(self) -> list[tuple[str, str]]:
        tokens, position, text = [], 0, self._text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise _Wrong(f"cannot read '{text[position:].strip()}' in the expression '{text}'")
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            position = match.end()
        if len(tokens) > MAX_TOKENS:
            raise _Wrong(f"the expression has more than {MAX_TOKENS} words and symbols")
        return tokens

    def _next(self) -> tuple[str, str] | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self, *accepted: str) -> str | None:
        token = self._next()
        if token and token[0] in ("symbol", "word") and token[1] in accepted:
            self._position += 1
            return token[1]
        return None

    def _fail(self) -> NoReturn:
        token = self._next()
        help = None
        if token is None and self._text.count("(") > self._text.count(")"):
            help = "in {…} a comma ends the value: quote the whole expression"
        what = f"'{token[1]}' is not expected here" if token else "it ends too early"
        raise _Wrong(f"the expression '{self._text}' is wrong: {what}", help=help)

    def _or(self) -> _Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Wrong(f"the expression is nested deeper than {MAX_DEPTH} levels")
        tree = self._and()
        while self._take("or"):
            tree = _Logical("or", tree, self._and())
        self._depth -= 1
        return tree

    def _and(self) -> _Node:
        tree = self._not()
        while self._take("and"):
            tree = _Logical("and", tree, self._not())
        return tree

    def _not(self) -> _Node:
        negations = 0
        while self._take("not"):
            negations += 1
        tree = self._binary(0)
        for _ in range(min(negations, MAX_DEPTH)):
            tree = _Call("not", operator.not_, (tree,))
        return tree

    def _binary(self, level: int) -> _Node:
        if level == len(_BINARY):
            return self._unary()
        tree = self._binary(level + 1)
        while symbol := self._take(*_BINARY[level]):
            tree = _Call(symbol, _BINARY[level][symbol], (tree, self._binary(level + 1)))
            if level == 0:
                break
        return tree

    def _unary(self) -> _Node:
        negative = False
        while self._take("-"):
            negative = not negative
        tree = self._atom()
        return _Call("-", operator.neg, (tree,)) if negative else tree

    def _atom(self) -> _Node:
        token = self._next()
        if token is None:
            self._fail()
        kind, text = token
        self._position += 1
        if kind == "number":
            return _Constant(_number(text))
        if kind == "name":
            return _Name(text)
        if kind == "word" and text in ("true", "false"):
            return _Constant(text == "true")
        if kind == "word" and self._take("("):
            return self._function(text)
        if text == "(":
            tree = self._or()
            self._expect(")")
            return tree
        self._position -= 1
        if kind == "word":
            raise _Wrong(
                f"'{text}' is no value; write ${text} for a parameter", help=did_you_mean(text, _FUNCTIONS)
            )
        self._fail()

    def _function(self, name: str) -> _Node:
        if name not in _FUNCTIONS:
            help = did_you_mean(name, _FUNCTIONS) or f"the functions are {', '.join(_FUNCTIONS)}"
            raise _Wrong(f"there is no function '{name}'", "unknown-function", help)
        arguments = [self._or()]
        while self._take(","):
            arguments.append(self._or())
        self._expect(")")
        function, fewest, most = _FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            count = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise _Wrong(f"{name} takes {count} arguments, not {len(arguments)}")
        return _Call(name, function, tuple(arguments))

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            self._fail()


def _number(text: str) -> int | float:
    value = int(text) if text.isdigit() else float(text)
    if not abs(value) < MAX_MAGNITUDE:
        raise _Wrong(f"the number {text} is beyond 64 bits")
    return value

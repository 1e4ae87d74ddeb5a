"""The arithmetic of specs: `max(8, $width * 2) // 4`, `$stride == 1 and $in_channels == $out_channels`.

    is_expression(tree) -> bool                     a scalar with a `$`, a call of a function, or `… if … else …`
    parse(scalar) -> Expression                     raises SpecError
    Expression.evaluate(environment) -> value       raises SpecError; UNKNOWN if something it needs is unknown
    substitute(text, environment, span) -> str      a name with its `$i`, `$n` and parameters filled in

There are no strings, no powers and no way to anything else. Loosest to tightest:

    if else < or < and < not < comparison < + - < * / // % < unary -
    < …[index] < number, true, false, $name, function(…), (…)
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from archc.diagnostics import Span, SpecError, as_written, did_you_mean
from archc.spec.language.arithmetic import (
    COMPARISONS,
    FUNCTIONS,
    MAX_MAGNITUDE,
    PRODUCTS,
    SUMS,
    UNKNOWN,
    Application,
    Conditional,
    Constant,
    Environment,
    ExpressionError,
    Function,
    Index,
    Logical,
    Name,
    Node,
    Unknown,
    look_up,
)
from archc.spec.language.names import is_path
from archc.spec.repair.hints import function_meant, symbol_meant
from archc.spec.tree import Scalar, Tree

__all__ = ["UNKNOWN", "Environment", "Expression", "Unknown", "is_expression", "parse", "substitute"]

MAX_DEPTH = 32
MAX_TOKENS = 256

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+)|\$(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<symbol>//|==|!=|<=|>=|[-+*/%<>(),\[\]]))"
)
_TEMPLATE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_FUNCTION_CALL = re.compile(rf"\s*({'|'.join(FUNCTIONS)})\s*\(")


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression and where it stands."""

    tree: Node
    span: Span

    def evaluate(self, environment: Environment) -> Any:
        """The value; UNKNOWN if it depends on an unknown. Raises SpecError."""
        try:
            return self.tree.evaluate(environment)
        except ExpressionError as error:
            raise _placed(error, self.span) from None


def is_expression(tree: Tree) -> bool:
    """True if a value is an expression: a scalar that contains `$`, that calls a function, or that chooses by `if`."""
    if not isinstance(tree, Scalar) or not isinstance(tree.value, str):
        return False
    text = tree.value
    return "$" in text or _FUNCTION_CALL.match(text) is not None or (" if " in text and " else " in text)


def parse(scalar: Scalar) -> Expression:
    """Parse a scalar. Raises SpecError."""
    if isinstance(scalar.value, bool | int | float):
        return Expression(Constant(scalar.value), scalar.span)
    try:
        return Expression(_parse(scalar.text), scalar.span)
    except ExpressionError as error:
        raise _placed(error, scalar.span) from None


def substitute(text: str, environment: Environment, span: Span) -> str | Unknown:
    """A name with `$i`, `$n` and parameters filled in; UNKNOWN if one of them is.

    Raises: SpecError: a name that is not there, a value that cannot be part of one, or a result that is no
    name.
    """
    try:
        values = [_part_of_name(match[1], environment) for match in _TEMPLATE.finditer(text)]
        if UNKNOWN in values:
            return UNKNOWN
        parts = iter(values)
        name = _TEMPLATE.sub(lambda match: str(next(parts)), text)
        if not is_path(name):
            raise ExpressionError(f"'{text}' gives '{name}', which is not a name", "bad-name")
    except ExpressionError as error:
        raise _placed(error, span) from None
    return name


def _part_of_name(name: str, environment: Environment) -> object:
    value = look_up(name, environment)
    if not isinstance(value, int | str | Unknown):
        raise ExpressionError(f"'${name}' is {as_written(value)}, which cannot be part of a name", "bad-name")
    return value


def _placed(error: ExpressionError, span: Span) -> SpecError:
    """The error with its position: that of the part that is to blame, where the text stands in one line as it is."""
    if error.part and span.line == span.end_line:
        text = span.source.lines[span.line][: span.end_column]
        begin = text.find(error.part, span.column + error.at)
        if begin >= 0:
            span = Span(span.source, span.line, begin, span.line, begin + len(error.part))
    return SpecError(error.message, code=error.code, span=span, help=error.help)


@lru_cache(4096)
def _parse(text: str) -> Node:
    return _Parser(text).parse()


class _Parser:
    """Precedence by recursive descent, over at most MAX_DEPTH levels of brackets."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []
        self._tokens = self._tokenize()
        self._position = 0
        self._depth = 0

    def parse(self) -> Node:
        """The tree of the whole text. Raises ExpressionError."""
        tree = self._conditional()
        if self._next() is not None:
            self._fail()
        return tree

    def _tokenize(self) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position, text = 0, self._text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                rest = text[position:].lstrip()
                message = f"cannot read '{rest}' in the expression '{text}'"
                raise ExpressionError(message, help=symbol_meant(rest), part=rest, at=position)
            tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            self._starts.append(match.start(str(match.lastgroup)))
            position = match.end()
            if len(tokens) > MAX_TOKENS:
                raise ExpressionError(f"an expression of more than {MAX_TOKENS} words and symbols")
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
        what = f"'{token[1]}' is not expected here" if token else "it ends too early"
        message = f"cannot read the expression '{self._text}': {what}"
        raise ExpressionError(message, help=self._advice(), **self._blamed(self._position))

    def _blamed(self, index: int) -> dict[str, Any]:
        """The token to which an error points."""
        inside = index < len(self._tokens)
        return {"part": self._tokens[index][1], "at": self._starts[index]} if inside else {}

    def _advice(self) -> str | None:
        """What to write for what other languages have."""
        symbol = ("symbol", "*")
        if self._tokens[max(0, self._position - 1) : self._position + 1] == [symbol, symbol]:
            return "there are no powers: write a product, such as $x * $x"
        token = self._next()
        if not token and ("word", "if") in self._tokens:
            return "a conditional has two values, such as 1 if $deep else 2"
        if token and token[1] in COMPARISONS and any(text in COMPARISONS for _, text in self._tokens[: self._position]):
            return "join two comparisons by 'and', such as 0 < $x and $x < 8"
        return None

    def _conditional(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"an expression of more than {MAX_DEPTH} levels of brackets and conditions")
        tree = self._logical("or", self._and)
        if self._take("if"):
            condition = self._logical("or", self._and)
            self._expect("else")
            tree = Conditional(condition, tree, self._conditional())
        self._depth -= 1
        return tree

    def _and(self) -> Node:
        return self._logical("and", self._not)

    def _logical(self, word: str, operand: Callable[[], Node]) -> Node:
        tree = operand()
        while self._take(word):
            tree = Logical(word, tree, operand())
        return tree

    def _not(self) -> Node:
        negations = 0
        while self._take("not"):
            negations += 1
        tree = self._comparison()
        for _ in range(negations):
            tree = Application("not", operator.not_, (tree,))
        return tree

    def _comparison(self) -> Node:
        tree = self._sum()
        if symbol := self._take(*COMPARISONS):
            tree = Application(symbol, COMPARISONS[symbol], (tree, self._sum()))
        return tree

    def _sum(self) -> Node:
        return self._binary(SUMS, lambda: self._binary(PRODUCTS, self._unary))

    def _binary(self, operators: dict[str, Function], operand: Callable[[], Node]) -> Node:
        tree = operand()
        while symbol := self._take(*operators):
            tree = Application(symbol, operators[symbol], (tree, operand()))
        return tree

    def _unary(self) -> Node:
        negations = 0
        while self._take("-"):
            negations += 1
        tree = self._atom()
        for _ in range(negations):
            tree = Application("-", operator.neg, (tree,))
        return tree

    def _atom(self) -> Node:
        kind, text = self._next() or self._fail()
        if kind == "number":
            tree: Node = Constant(_number(text))
        elif kind == "name":
            tree = Name(text)
        elif kind == "word" and text in ("true", "false"):
            tree = Constant(text == "true")
        else:
            return self._indexed(self._brackets(kind, text))
        self._position += 1
        return self._indexed(tree)

    def _indexed(self, tree: Node) -> Node:
        while self._take("["):
            tree = Index(tree, self._conditional())
            self._expect("]")
        return tree

    def _brackets(self, kind: str, text: str) -> Node:
        """`(…)` or `function(…)`."""
        if kind == "word" and self._tokens[self._position + 1 : self._position + 2] == [("symbol", "(")]:
            self._position += 2
            return self._function(text, self._blamed(self._position - 2))
        if kind == "word" and text not in ("and", "or", "not", "if", "else"):
            hint = did_you_mean(text, FUNCTIONS) or f"write '${text}' for a parameter"
            raise ExpressionError(f"'{text}' is not a value", help=hint, **self._blamed(self._position))
        if not self._take("("):
            self._fail()
        tree = self._conditional()
        self._expect(")")
        return tree

    def _function(self, name: str, blamed: dict[str, Any]) -> Node:
        if name not in FUNCTIONS:
            help = function_meant(name, FUNCTIONS)
            raise ExpressionError(f"there is no function '{name}'", "unknown-function", help, **blamed)
        arguments = [self._conditional()]
        while self._take(","):
            arguments.append(self._conditional())
        self._expect(")")
        function, fewest, most = FUNCTIONS[name]
        if not fewest <= len(arguments) <= most:
            count = "1 argument" if fewest == most == 1 else f"{fewest} to {most} arguments"
            raise ExpressionError(f"{name} takes {count}, not {len(arguments)}", **blamed)
        return Application(name, function, tuple(arguments))

    def _expect(self, symbol: str) -> None:
        if not self._take(symbol):
            self._fail()


def _number(text: str) -> int | float:
    value = int(text) if text.isdigit() and len(text) <= 64 else float(text)
    if not abs(value) < MAX_MAGNITUDE:
        raise ExpressionError(f"the number {text} is beyond 64 bits")
    return value

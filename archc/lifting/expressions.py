"""Short expressions that give a column of values from others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import combinations, permutations
from operator import add, mul, sub

from archc.lifting.items import Data
from archc.lifting.templates import Column
from archc.spec.language.arithmetic import FUNCTIONS

Function = Callable[[int], Data]

FACTORS = (2, 4, 3, 8, 6, 16)
GROUP_WIDTHS = (8, 16, 24, 32, 48, 64)
LEAST = 8  # of a size that may be a multiple of another
ALONE = ("stride", "dilation", "count", "output_size", "kernel_size", "groups", "p", "index")
"""Fields that are no multiple of something else."""


def is_integer(value: Data) -> bool:
    """True for an integer; a boolean is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def expression(column: Column, sources: Mapping[str, Column], *, field: str = "") -> str | None:
    """`$name`, or arithmetic with one or two names, that gives every value of the column; None if none does."""
    covering = {name: source for name, source in sources.items() if source.keys() >= column.keys()}
    for name, source in covering.items():
        if all(source[k] == value and type(source[k]) is type(value) for k, value in column.items()):
            return f"${name}"
    if not all(is_integer(value) for value in column.values()):
        return None
    integers = {n: s for n, s in covering.items() if all(is_integer(s[k]) for k in column)}
    if field == "padding":
        return _first(column, _halves(integers))
    if field in ALONE or min(column.values()) < LEAST:
        return _first(column, _ratios(integers)) if field == "groups" else None
    return _first(column, _arithmetic(integers))


def _first(column: Column, tried: Iterator[tuple[str, Function]]) -> str | None:
    return next((text for text, function in tried if all(function(k) == v for k, v in column.items())), None)


def _halves(sources: Mapping[str, Column]) -> Iterator[tuple[str, Function]]:
    return ((f"${name} // 2", partial(_quotient, a, 2, exact=False)) for name, a in sources.items() if "kernel" in name)


def _ratios(sources: Mapping[str, Column]) -> Iterator[tuple[str, Function]]:
    for name, a in sources.items():
        yield from ((f"${name} // {q}", partial(_quotient, a, q)) for q in GROUP_WIDTHS)
    for (one, a), (two, b) in permutations(sources.items(), 2):
        yield f"${one} // ${two}", partial(_quotient, a, b)


def _arithmetic(sources: Mapping[str, Column]) -> Iterator[tuple[str, Function]]:
    for name, a in sources.items():
        for q in FACTORS:
            yield f"{q} * ${name}", partial(_applied, mul, a, q)
            yield f"${name} // {q}", partial(_quotient, a, q)
        yield from ((f"make_divisible(${name} // {q})", partial(_divisible, a, q)) for q in FACTORS)
    for (one, a), (two, b) in combinations(sources.items(), 2):
        yield f"${one} * ${two}", partial(_applied, mul, a, b)
        yield f"${one} + ${two}", partial(_applied, add, a, b)
    for (one, a), (two, b) in permutations(sources.items(), 2):
        yield f"${one} // ${two}", partial(_quotient, a, b)
        yield f"${one} - ${two}", partial(_applied, sub, a, b)
        yield f"make_divisible(${one} // ${two})", partial(_divisible, a, b)


def _applied(function: Callable[[int, int], int], a: Column, b: Column | int, k: int) -> int:
    return function(a[k], _number(b, k))


def _number(b: Column | int, k: int) -> int:
    number: int = b if isinstance(b, int) else b[k]
    return number


def _quotient(a: Column, b: Column | int, k: int, *, exact: bool = True) -> int | None:
    divisor = _number(b, k)
    if not divisor or (exact and a[k] % divisor):
        return None
    quotient: int = a[k] // divisor
    return quotient


def _divisible(a: Column, b: Column | int, k: int) -> int | None:
    divisor = _number(b, k)
    return int(FUNCTIONS["make_divisible"][0](a[k] // divisor)) if divisor else None


def condition(column: Column, sources: Mapping[str, Column], inputs: Mapping[str, Column], gives: Column) -> str | None:
    """A condition that holds for the instances for which the column is true; `gives` are the channels of the result."""
    if len(set(column.values())) == 1:
        return str(next(iter(column.values()))).lower()
    atoms = list(_atoms(column, sources, inputs, gives))
    fitting = [text for text, function in atoms if all(function(k) == value for k, value in column.items())]
    if fitting:
        return fitting[0]
    for word, decide in (("or", any), ("and", all)):
        for (one, f), (two, g) in combinations(atoms, 2):
            if all(decide((f(k), g(k))) == value for k, value in column.items()):
                return f"{one} {word} {two}"
    return None


def shortcut(text: str, column: Column, sources: Mapping[str, Column], channels: Column, gives: Column) -> str:
    """A condition for a projection in place of the identity: it holds wherever the channels differ as well."""
    written = expression(gives, sources) if gives.keys() >= column.keys() else None
    if written is None or "in_channels" in text or not channels.keys() >= column.keys():
        return text
    wider = all(held or channels[k] == gives[k] for k, held in column.items())
    return f"{text} or $in_channels != {written}" if wider else text


def strided(text: str, column: Column, sources: Mapping[str, Column]) -> str:
    """A condition for a projection in place of the identity: it holds wherever a stride is not 1 as well."""
    for name, source in sources.items():
        if "stride" in name and all(held or source.get(k) == 1 for k, held in column.items()):
            return f"${name} != 1 or {text}"
    return text


def _atoms(
    column: Column, sources: Mapping[str, Column], inputs: Mapping[str, Column], gives: Column
) -> Iterator[tuple[str, Function]]:
    strides = [name for name in sources if "stride" in name]
    for name in [*strides, *(name for name in sources if name not in strides)]:
        source = sources[name]
        if not source.keys() >= column.keys():
            continue
        if all(isinstance(source[k], bool) for k in column):
            yield f"${name}", source.__getitem__
            yield f"not ${name}", partial(_is, source, False)
        elif all(is_integer(source[k]) for k in column):
            yield f"${name} != 1", partial(_is_not, source, 1)
            yield f"${name} == 1", partial(_is, source, 1)
            yield from _compared({} if name in strides else inputs, f"${name}", source, column)
    written = expression(gives, sources) if gives.keys() >= column.keys() else None
    if written:
        yield from _compared(inputs, written, gives, column)


def _compared(
    inputs: Mapping[str, Column], text: str, source: Column, column: Column
) -> Iterator[tuple[str, Function]]:
    for other, channels in inputs.items():
        if channels.keys() >= column.keys():
            yield f"${other} != {text}", partial(_is_not, source, channels)
            yield f"${other} == {text}", partial(_is, source, channels)


def _is(a: Column, b: Column | int, k: int) -> bool:
    return bool(a[k] == (b if isinstance(b, int) else b[k]))


def _is_not(a: Column, b: Column | int, k: int) -> bool:
    return not _is(a, b, k)

"""Shipped specs with a few edits that know lines and tokens, but nothing of the language."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from random import Random

from archc.spec.bundled import bundled_specs
from tests.campaigns.fuzz.texts import EXPRESSIONS, NUMBERS, random_piece

Lines = list[str]

EDITS = (1, 1, 1, 2, 2, 3, 5)  # how many; most single ones are refused already
_TOKEN = re.compile(r"[\w.]+|[^\w\s]")
_NUMBER = re.compile(r"(?<!\w)-?\d[\d.]*(e-?\d+)?")


@cache
def shipped() -> tuple[str, ...]:
    """The texts of the bundled specs."""
    return tuple(path.read_text(encoding="utf-8") for path in bundled_specs().values())


def mutated(random: Random) -> bytes:
    """A shipped spec after one edit or several."""
    lines = random.choice(shipped()).splitlines(keepends=True)
    for _ in range(random.choice(EDITS)):
        random.choice(_EDITS)(random, lines)
    data = "".join(lines).encode("utf-8", "surrogatepass")
    return _flip_bytes(random, data) if random.random() < 0.1 else data


def _flip_bytes(random: Random, data: bytes) -> bytes:
    changed = bytearray(data or b" ")
    for _ in range(random.randint(1, 3)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _swap_lines(random: Random, lines: Lines) -> None:
    if len(lines) > 1:
        first, second = random.sample(range(len(lines)), 2)
        lines[first], lines[second] = lines[second], lines[first]


def _duplicate_lines(random: Random, lines: Lines) -> None:
    """A few lines once more; seldom hundreds of times."""
    begin, length = random.randrange(len(lines) + 1), random.randint(1, 4)
    times = random.randint(2, 500) if random.random() < 0.02 else 1
    lines[begin:begin] = lines[begin : begin + length] * times


def _delete_lines(random: Random, lines: Lines) -> None:
    begin = random.randrange(len(lines) + 1)
    del lines[begin : begin + random.randint(1, 3)]


def _indent_lines(random: Random, lines: Lines) -> None:
    begin, shift = random.randrange(len(lines) + 1), random.choice((-2, -1, 1, 2, 4))
    for index in range(begin, min(len(lines), begin + random.randint(1, 4))):
        lines[index] = " " * shift + lines[index] if shift > 0 else lines[index].replace(" ", "", -shift)


def _replace_token(random: Random, lines: Lines) -> None:
    """A token of one line becomes another of the same spec, or a random piece."""
    places = _places(_TOKEN, lines)
    if places:
        other = random.choice(places)[1][0] if random.random() < 0.5 else random_piece(random)
        _replace(lines, *random.choice(places), other)


def _replace_number(random: Random, lines: Lines) -> None:
    places = _places(_NUMBER, lines)
    if places:
        _replace(lines, *random.choice(places), random.choice(random.choice((NUMBERS, NUMBERS, EXPRESSIONS))))


def _insert_piece(random: Random, lines: Lines) -> None:
    if lines:
        index = random.randrange(len(lines))
        column = random.randrange(len(lines[index]) + 1)
        lines[index] = lines[index][:column] + random_piece(random) + lines[index][column:]


def _splice(random: Random, lines: Lines) -> None:
    """The end of another spec in place of the end, or some of its lines among these."""
    other = random.choice(shipped()).splitlines(keepends=True)
    begin, cut = random.randrange(len(lines) + 1), random.randrange(len(other))
    if random.random() < 0.5:
        lines[begin:] = other[cut:]
    else:
        lines[begin:begin] = other[cut : cut + random.randint(1, 8)]


def _places(pattern: re.Pattern[str], lines: Lines) -> list[tuple[int, re.Match[str]]]:
    return [(index, match) for index, line in enumerate(lines) for match in pattern.finditer(line)]


def _replace(lines: Lines, index: int, match: re.Match[str], text: str) -> None:
    lines[index] = lines[index][: match.start()] + text + lines[index][match.end() :]


_EDITS: tuple[Callable[[Random, Lines], None], ...] = (
    _swap_lines, _duplicate_lines, _delete_lines, _indent_lines, _replace_token, _replace_token, _replace_number,
    _replace_number, _insert_piece, _splice,
)  # fmt: skip

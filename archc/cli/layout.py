"""Lays tables out. A cell or a line is text in pieces, each with the role that gives its colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import wrap

Piece = tuple[str, str]
"""A text and its role: a name in `archc.cli.output.STYLES`, or nothing."""
Line = str | Sequence[Piece]
Cell = str | Piece
Table = list[list[Piece]]

GAP = "  "
UNFOLDED = 12
"""A column of text is never folded to fewer characters, nor to less than half of its longest text."""


def pieces(line: Line) -> list[Piece]:
    """The pieces of a line; a plain text is one without a role."""
    return [(line, "")] if isinstance(line, str) else list(line)


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], width: int | None, least_important: Sequence[str] = ()
) -> list[list[Piece]]:
    """The lines of a table. Columns of numbers are aligned on the right.

    Without a width each column is as wide as its longest cell. With one, headers and texts are folded where the table
    would be wider. If that is not enough, columns are left out in the order of `least_important`, and the last line
    names them. A number is never folded.
    """
    names = list(header)
    table = [[(name, "title") for name in names], *([_piece(cell) for cell in row] for row in rows)]
    left_out: list[str] = []
    while width and _total(_widths(table, width)) > width and len(left_out) < len(least_important):
        left_out.append(least_important[len(left_out)])
        column = names.index(left_out[-1])
        del names[column]
        for row in table:
            del row[column]
    widths = _widths(table, width)
    numbers = [_is_number(table, column) for column in range(len(widths))]
    lines = [line for row in table for line in _row_lines(row, widths, numbers)]
    return [*lines, [(f"left out, for lack of width: {', '.join(left_out)}", "dim")]] if left_out else lines


def _piece(cell: Cell) -> Piece:
    return (cell, "") if isinstance(cell, str) else cell


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _widths(table: Table, width: int | None) -> list[int]:
    """The width of each column: that of its longest cell, or less if the table is wider than it may be."""
    longest = [max(len(text) for text, _ in cells) for cells in zip(*table, strict=True)]
    if width is None or _total(longest) <= width:
        return longest
    bodies = [max((len(row[column][0]) for row in table[1:]), default=0) for column in range(len(longest))]
    words = [max(map(len, re.findall(r"(?:\W )?[^\s-]+-?", name)), default=0) for name, _ in table[0]]
    widths = [max(pair) for pair in zip(bodies, words, strict=True)]
    least = [
        min(own, max(UNFOLDED, body // 2, word)) if _is_text(table, column) else own
        for column, (own, body, word) in enumerate(zip(widths, bodies, words, strict=True))
    ]
    while _total(widths) > width and widths != least:
        spare = [own if own > fewest else 0 for own, fewest in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def halves(rows: Sequence[tuple[Piece, str, Piece]], width: int | None) -> list[list[Piece]]:
    """Two columns of text, with a sign between them. With a width each is folded to half of it."""
    half = max((len(text) for one, _, other in rows for text, _ in (one, other)), default=0)
    widths = [min(half, (width - 2 * len(GAP) - 1) // 2) if width else half] * 2
    widths.insert(1, 1)
    return [line for one, sign, other in rows for line in _row_lines([one, (sign, ""), other], widths, [False] * 3)]


def _is_number(table: Table, column: int) -> bool:
    texts = [row[column][0] for row in table[1:]]
    return column > 0 and all(not text or text[0].isdigit() or text[0] == "-" for text in texts)


def _is_text(table: Table, column: int) -> bool:
    """True if cells of the column may be folded: they are neither numbers nor shapes."""
    return not _is_number(table, column) and not any(row[column][0].startswith("[") for row in table[1:])


def _row_lines(row: Sequence[Piece], widths: Sequence[int], numbers: Sequence[bool]) -> list[list[Piece]]:
    columns = [_folded(text, width) for (text, _), width in zip(row, widths, strict=True)]
    lines = []
    for index in range(max(map(len, columns))):
        line: list[Piece] = []
        for texts, (_, role), width, number in zip(columns, row, widths, numbers, strict=True):
            text = texts[index] if index < len(texts) else ""
            line += [(GAP, "")] if line else []
            line.append((text.rjust(width) if number else text.ljust(width), role))
        lines.append(_stripped(line))
    return lines


def _folded(text: str, width: int) -> list[str]:
    """The text in lines of this width, broken at spaces, else after a dot or dash, else anywhere."""
    lines = wrap(text, width, break_long_words=False, break_on_hyphens=False) if len(text) > width else [text]
    broken = re.compile(rf".{{1,{max(width, 1)}}}(?:(?<=[-./_,])|$)|.{{1,{max(width, 1)}}}")
    return [part for line in lines for part in (broken.findall(line) if len(line) > width else [line])]


def _stripped(line: list[Piece]) -> list[Piece]:
    while line and not line[-1][0].strip():
        line.pop()
    return [*line[:-1], (line[-1][0].rstrip(), line[-1][1])] if line else []

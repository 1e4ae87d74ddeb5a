"""Prints. No other module of archc does: results go to standard output, problems and progress to standard error.

A pipe gets plain text, complete and never wrapped, and is written to without rich. A terminal gets colours and lines
that fit its width; rich knows what NO_COLOR, FORCE_COLOR and TERM ask for. Text may come from a stranger's file: what
steers a terminal is shown as Python would write it, and nothing in it is markup.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import StringIO
from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING, Any, TextIO

from archc.cli.layout import Cell, Line, Piece, halves, pieces, table_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from archc.diagnostics import ArchcError

STYLES = {
    "title": "bold",
    "where": "bold",
    "error": "bold red",
    "warning": "bold yellow",
    "gutter": "blue",
    "caret": "bold red",
    "note": "bold cyan",
    "help": "bold green",
    "passed": "green",
    "failed": "bold red",
    "inconclusive": "yellow",
    "dim": "dim",
}
"""The role of a piece of text → its style, as rich writes it."""
PARAGRAPH = 100
"""Characters in a line of a paragraph, where no terminal is narrower."""
HANGING = 4  # columns by which the rest of a long line is indented
MARGIN = 12  # columns beside the excerpt of a source line, at most
USUAL_WIDTH = 80  # of a terminal that does not say


def print_lines(*lines: Line, wrap: bool = True, stream: TextIO | None = None) -> None:
    """Print lines, on standard output if no stream is given.

    A terminal folds long ones at spaces unless `wrap` is false: a command to be copied must stay one line.
    """
    stream = stream or sys.stdout
    if stream is None:  # a process without a console
        return
    shown = [[(printable(text), role) for text, role in pieces(line)] for line in lines]
    columns = width(stream) if wrap else None
    if _needs_rich(shown, stream, columns):
        console = _console(stream)
        for line in shown:
            for row in _rows(line, console, columns):
                console.print(row, soft_wrap=True)
        return
    print("".join(f"{''.join(text for text, _ in line)}\n" for line in shown), end="", file=stream, flush=True)


def print_problems(*errors: ArchcError, count: str = "") -> None:
    """Print every diagnostic on standard error, and then the count, or on a terminal how many there are."""
    from archc.diagnostics import MAX_EXCERPT, diagnostic_lines

    columns = width(sys.stderr)
    excerpt = min(MAX_EXCERPT, max(columns - MARGIN, MARGIN)) if columns else MAX_EXCERPT
    diagnostics = [diagnostic for error in errors for diagnostic in error.diagnostics]
    lines: list[Line] = []
    for diagnostic in diagnostics:
        lines += ["", *diagnostic_lines(diagnostic, excerpt)]
    if columns and len(diagnostics) > 1:
        count = count or f"{len(diagnostics)} problems"
    lines += ["", [(count, "title")]] if count else []
    print_lines(*lines[1:], stream=sys.stderr)


def print_alarm(text: str) -> None:
    """Print what is not archc's own text on standard error, such as a traceback or a warning of a package."""
    print_lines(*text.rstrip("\n").split("\n"), wrap=False, stream=sys.stderr)


def print_misuse(show: Callable[[TextIO], None]) -> None:
    """Print what the parser of the command line has to say about arguments."""
    text = StringIO()
    show(text)
    print_alarm(text.getvalue())


def print_verbatim(text: str) -> None:
    """Print a text as it is, such as JSON: every character of it is archc's own, or escaped."""
    print(text, end="")


def print_notice(sentence: str) -> None:
    """Print what a command did beside its task, on standard error so that no script's output changes."""
    print_lines([("note: ", "note"), (sentence, "")], stream=sys.stderr)


def print_json(data: Any) -> None:
    """Print data for a script."""
    from archc.builds.json_text import json_text

    print_verbatim(json_text(data))


def problems_as_json(error: ArchcError) -> list[dict[str, Any]]:
    """Every diagnostic of an error, as plain data."""
    from archc.diagnostics import as_json

    return [as_json(diagnostic) for diagnostic in error.diagnostics]


def print_title(text: str) -> None:
    """Print the heading of what follows."""
    print_lines([(text, "title")])


def print_note(text: str) -> None:
    """Print a remark about the result."""
    print_lines([("  note: ", "note"), (text, "")])


def print_table(header: Sequence[str], rows: Sequence[Sequence[Cell]], least_important: Sequence[str] = ()) -> None:
    """Print aligned columns. A terminal that is too narrow gets them folded, or without the least important ones."""
    print_lines(*table_lines(header, rows, width(sys.stdout), least_important), wrap=False)


def print_halves(rows: Sequence[tuple[Piece, str, Piece]]) -> None:
    """Print two columns of text beside each other, which share the width of a terminal."""
    print_lines(*halves(rows, width(sys.stdout)), wrap=False)


def print_fields(*fields: tuple[str, str]) -> None:
    """Print names and values below each other."""
    longest = max((len(name) for name, _ in fields), default=0)
    print_lines(*([(f"  {name.ljust(longest)}  ", "dim"), (value, "")] for name, value in fields))


def print_paragraph(text: str, indent: str = "") -> None:
    """Print a text in lines of at most 100 characters."""
    columns = min(PARAGRAPH, width(sys.stdout) or PARAGRAPH)
    print_lines(*fill(text, columns, initial_indent=indent, subsequent_indent=indent).splitlines())


def print_page(page: str) -> None:
    """Print a page in Markdown. On a terminal its tables and long paragraphs are as wide as there is room."""
    columns = width(sys.stdout)
    for kind, group in groupby(page.splitlines(), _kind):
        lines = list(group)
        if columns is None or (kind != "table" and max(map(len, lines)) <= columns):
            print_lines(*lines)
        elif kind == "table":
            header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
            print_table(header, rows)
        elif any(line.startswith(" ") for line in lines):
            print_lines(*lines)
        else:
            print_paragraph(" ".join(lines))


def _kind(line: str) -> str:
    return "table" if line.startswith("|") else "text" if line else "space"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on standard error that tells what is being done, and disappears; nothing if that is not a terminal."""
    if not width(sys.stderr):
        yield lambda message: None
        return
    from rich.text import Text

    with _console(sys.stderr).status("") as status:
        yield lambda message: status.update(Text(printable(message)))


def width(stream: TextIO | None) -> int | None:
    """The columns of a terminal; None for anything else."""
    if stream is None or not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    return (int(told) if told.isdecimal() else os.get_terminal_size(stream.fileno()).columns) or USUAL_WIDTH


def printable(text: str) -> str:
    """The text with its control characters as Python would write them."""
    if text.isprintable():
        return text
    from archc.diagnostics import printable

    return printable(text)


def _needs_rich(lines: Sequence[Sequence[Piece]], stream: TextIO, columns: int | None) -> bool:
    """True if lines have to be coloured or folded. Importing rich takes as long as checking a spec."""
    if any(role for line in lines for _, role in line) and (stream.isatty() or os.environ.get("FORCE_COLOR")):
        return True
    return columns is not None and any(sum(len(text) for text, _ in line) > columns for line in lines)


@lru_cache(maxsize=2)
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, markup=False, emoji=False, highlight=False)


def _rows(line: Sequence[Piece], console: Console, columns: int | None) -> Iterator[Text]:
    """A line, folded at spaces if it is longer than this, and if all its words are shorter: a path stays whole."""
    from rich.text import Text

    text = Text.assemble(*((text, STYLES.get(role, "")) for text, role in line))
    room = (columns or 0) - HANGING
    if columns is None or text.cell_len <= columns or max(map(len, text.plain.split()), default=0) > room:
        yield text
        return
    first, *rest = text.wrap(console, room)
    yield first
    for row in rest:
        yield Text(" " * HANGING) + row

"""How a diagnostic is shown: as text with the line and a caret, as plain data, as an annotation of a pull request.

What is shown may come from a stranger's file: characters that are invisible or that steer a terminal are
never passed on, and long lines are cut around the caret.
"""

from __future__ import annotations

from typing import Any
from unicodedata import combining, east_asian_width

from archc.diagnostics.diagnostic import Diagnostic
from archc.diagnostics.spans import Span

MAX_EXCERPT = 200
"""Characters of a source line that are shown at most."""


def render(diagnostic: Diagnostic) -> str:
    """A diagnostic as text: position, code, message, the source line with a caret, notes and help."""
    return "\n".join("".join(text for text, _ in line) for line in diagnostic_lines(diagnostic))


def diagnostic_lines(diagnostic: Diagnostic, excerpt: int = MAX_EXCERPT) -> list[list[tuple[str, str]]]:
    """The lines of a diagnostic, as pieces of text with their roles.

    These are where, error or warning, message, gutter, caret, note and help. At most `excerpt` characters of a source
    line are shown.
    """
    head = [
        (f"{diagnostic.severity}[{diagnostic.code}]", diagnostic.severity),
        (f": {printable(diagnostic.message)}", "message"),
    ]
    lines = [_where(diagnostic.span) + head]
    spans = [span for span in (diagnostic.span, *(note.span for note in diagnostic.notes)) if span]
    width = max((len(str(span.line + 1)) for span in spans), default=1)
    margin = (f"{' ' * width} = ", "gutter")
    if diagnostic.span:
        lines += _excerpt(diagnostic.span, width, excerpt)
    for note in diagnostic.notes:
        lines.append([margin, ("note: ", "note"), *_where(note.span), (printable(note.message), "")])
        if note.span:
            lines += _excerpt(note.span, width, excerpt)
    if diagnostic.help:
        lines.append([margin, ("help: ", "help"), (printable(diagnostic.help), "")])
    return lines


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data; lines and columns count from 1."""
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "message": diagnostic.message,
        **_place(diagnostic.span),
        "notes": [{"message": note.message, **_place(note.span)} for note in diagnostic.notes],
        "help": diagnostic.help,
    }


def as_annotation(diagnostic: Diagnostic) -> str:
    """A diagnostic as a workflow command of GitHub Actions, which shows it at its line of a pull request."""
    place = _place(diagnostic.span) if diagnostic.span else {}
    if diagnostic.span and diagnostic.span.line != diagnostic.span.end_line:  # columns are those of one line
        place = {key: place[key] for key in ("file", "line", "end_line")}
    names = {"end_line": "endLine", "column": "col", "end_column": "endColumn"}
    fields = {names.get(key, key): value for key, value in place.items()} | {"title": f"archc: {diagnostic.code}"}
    told = ",".join(f"{key}={_encoded(str(value), ':,')}" for key, value in fields.items())
    notes = [
        f"note: {note.message} ({note.span})" if note.span else f"note: {note.message}" for note in diagnostic.notes
    ]
    helps = [f"help: {diagnostic.help}"] if diagnostic.help else []
    text = "\n".join(printable(line) for line in (diagnostic.message, *notes, *helps))
    return f"::{diagnostic.severity} {told}::{_encoded(text)}"


def _encoded(text: str, separators: str = "") -> str:
    for character in "%\r\n" + separators:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _place(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None}
    return {
        "file": span.source.name,
        "line": span.line + 1,
        "column": span.column + 1,
        "end_line": span.end_line + 1,
        "end_column": span.end_column + 1,
    }


def _where(span: Span | None) -> list[tuple[str, str]]:
    return [(f"{printable(str(span))}: ", "where")] if span else []


def printable(message: str) -> str:
    """One line of text: what cannot be printed is shown as Python would write it."""
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


def _excerpt(span: Span, width: int, limit: int) -> list[list[tuple[str, str]]]:
    """The source line of a span, and carets under it. A span of several lines shows its first."""
    lines = span.source.lines
    line = lines[span.line] if span.line < len(lines) else ""
    end = max(span.end_column if span.end_line == span.line else len(line), span.column + 1)
    begin, stop = 0, len(line)
    if len(line) > limit:
        begin = max(0, span.column - limit // 4)
        end = min(end, span.column + limit // 2)
        stop = min(end + limit // 4, len(line)) if begin else limit
    before, marked = _visible(line[begin : span.column]), _visible(line[span.column : end])
    before = f"…{before}" if begin else before
    text = f"{before}{marked}{_visible(line[end:stop])}{'…' if stop < len(line) else ''}"
    # Tabs stay tabs, so that the caret stands below its token however wide the terminal shows them.
    indent = "".join(character if character == "\t" else " " * _columns(character) for character in before)
    carets = "^" * max(1, sum(_columns(character) for character in marked.rstrip()))
    margin = " " * width
    return [
        [(f"{margin} |", "gutter")],
        [(f"{span.line + 1:>{width}} |", "gutter"), (f" {text}".rstrip(), "")],
        [(f"{margin} |", "gutter"), (f" {indent}", ""), (carets, "caret")],
    ]


def _visible(line: str) -> str:
    """The line with one sign in place of each character that is invisible or steers the terminal."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)


def _columns(character: str) -> int:
    """How many columns a terminal gives a character."""
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1

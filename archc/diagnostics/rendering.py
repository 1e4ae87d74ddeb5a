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
    lines = [f"{_where(diagnostic.span)}error[{diagnostic.code}]: {_escaped(diagnostic.message)}"]
    spans = [span for span in (diagnostic.span, *(note.span for note in diagnostic.notes)) if span]
    width = max((len(str(span.line + 1)) for span in spans), default=1)
    if diagnostic.span:
        lines += _excerpt(diagnostic.span, width)
    for note in diagnostic.notes:
        lines.append(f"{' ' * width} = note: {_where(note.span)}{_escaped(note.message)}")
        if note.span:
            lines += _excerpt(note.span, width)
    if diagnostic.help:
        lines.append(f"{' ' * width} = help: {_escaped(diagnostic.help)}")
    return "\n".join(lines)


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """A diagnostic as plain data; lines and columns count from 1."""
    return {
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
    text = "\n".join(_escaped(line) for line in (diagnostic.message, *notes, *helps))
    return f"::error {told}::{_encoded(text)}"


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


def _where(span: Span | None) -> str:
    return f"{_escaped(str(span))}: " if span else ""


def _escaped(message: str) -> str:
    """One line of text: what cannot be printed is shown as Python would write it."""
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


def _excerpt(span: Span, width: int) -> list[str]:
    """The source line of a span, and carets under it. A span of several lines shows its first."""
    lines = span.source.lines
    line = lines[span.line] if span.line < len(lines) else ""
    end = max(span.end_column if span.end_line == span.line else len(line), span.column + 1)
    begin, stop = 0, len(line)
    if len(line) > MAX_EXCERPT:
        begin = max(0, span.column - MAX_EXCERPT // 4)
        end = min(end, span.column + MAX_EXCERPT // 2)
        stop = min(end + MAX_EXCERPT // 4, len(line))
    before, marked = _visible(line[begin : span.column]), _visible(line[span.column : end])
    before = f"…{before}" if begin else before
    text = f"{before}{marked}{_visible(line[end:stop])}{'…' if stop < len(line) else ''}"
    # Tabs stay tabs, so that the caret stands below its token however wide the terminal shows them.
    indent = "".join(character if character == "\t" else " " * _columns(character) for character in before)
    carets = "^" * max(1, sum(_columns(character) for character in marked.rstrip()))
    margin = " " * width
    shown = [f"{margin} |", f"{span.line + 1:>{width}} | {text}", f"{margin} | {indent}{carets}"]
    return [line.rstrip() for line in shown]


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

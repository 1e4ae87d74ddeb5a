"""What is wrong with a person's input, where it stands, and how it is shown.

Every complaint is a `Diagnostic` with a stable code and a `Span`; `ArchcError` carries one or more of them and knows
the exit status of the command line. Nothing here knows about YAML, graphs or weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar
from unicodedata import combining, east_asian_width


@dataclass(eq=False)
class Source:
    """A text that positions refer to: `name` as the user typed it (a path, `<string>`), and the text itself."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; lines end at ``\\n``, ``\\r\\n`` or ``\\r`` only, as in YAML 1.2."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a source. Lines and columns count from 0 (they are shown from 1); the end is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"


@dataclass(frozen=True, slots=True)
class Note:
    """A second position that explains a diagnostic, such as the line that produced a value."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: a stable code such as `unknown-field`, a sentence, the place, and how to mend it."""

    code: str
    message: str
    span: Span | None = None
    notes: tuple[Note, ...] = ()
    help: str | None = None


class ArchcError(Exception):
    """Problems with a person's input: one diagnostic or more; `exit_status` is the command line's."""

    exit_status: ClassVar[int] = 1

    def __init__(
        self,
        problems: str | Iterable[Diagnostic],
        *,
        code: str = "error",
        span: Span | None = None,
        notes: tuple[Note, ...] = (),
        help: str | None = None,
    ) -> None:
        if isinstance(problems, str):
            problems = (Diagnostic(code, problems, span, notes, help),)
        self.diagnostics = tuple(sorted(problems, key=_position))
        super().__init__("\n\n".join(map(render, self.diagnostics)))


class SpecError(ArchcError):
    """A spec is wrong."""

    exit_status = 2


class UsageError(ArchcError):
    """A command or call cannot be meant as it stands."""

    exit_status = 2


class BuildError(ArchcError):
    """Weights do not fit, or a build cannot be read."""

    exit_status = 3


class ExportError(ArchcError):
    """An artefact cannot be written or read."""

    exit_status = 4


class VerificationFailed(ArchcError):
    """An artefact does not compute its network's function."""

    exit_status = 5


class MissingDependency(ArchcError):
    """An optional package is not installed."""

    exit_status = 6


class Inconclusive(ArchcError):
    """A comparison proves nothing either way."""

    exit_status = 7


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """`did you mean 'x'?` for the nearest candidate, or None if none is near."""
    near = get_close_matches(word, list(candidates), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else None


def render(diagnostic: Diagnostic) -> str:
    """A diagnostic as text: position, code, message, the source line with a caret, notes and help."""
    head = f"{diagnostic.span}: " if diagnostic.span else ""
    lines = [f"{head}error[{diagnostic.code}]: {diagnostic.message}"]
    spans = [span for span in (diagnostic.span, *(note.span for note in diagnostic.notes)) if span]
    width = max((len(str(span.line + 1)) for span in spans), default=1)
    if diagnostic.span:
        lines += _excerpt(diagnostic.span, width)
    for note in diagnostic.notes:
        where = f"{note.span}: " if note.span else ""
        lines.append(f"{' ' * width} = note: {where}{note.message}")
        if note.span:
            lines += _excerpt(note.span, width)
    if diagnostic.help:
        lines.append(f"{' ' * width} = help: {diagnostic.help}")
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


def _position(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.span
    return (span.source.name, span.line, span.column) if span else ("", 0, 0)


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


def _excerpt(span: Span, width: int) -> list[str]:
    lines = span.source.lines
    text = lines[span.line] if span.line < len(lines) else ""
    end = span.end_column if span.end_line == span.line else len(text)
    before, marked = text[: span.column], text[span.column : max(end, span.column + 1)]
    # Tabs stay tabs, so that the caret stands below its token however wide the terminal shows them.
    indent = "".join(character if character == "\t" else " " * _columns(character) for character in before)
    carets = "^" * max(1, sum(_columns(character) for character in marked.rstrip()))
    margin = " " * width
    return [f"{margin} |", f"{span.line + 1:>{width}} | {text}", f"{margin} | {indent}{carets}"]


def _columns(character: str) -> int:
    """How many columns a terminal gives a character."""
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1

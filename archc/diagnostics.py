"""What is wrong with a person's input, where it stands, and how it is shown.

Every complaint is a `Diagnostic` with a stable code and a `Span`; `ArchcError` carries one or more of them
and knows the exit status of the command line. Nothing here knows about YAML, graphs or weights.

What is shown may come from a stranger's file: characters that are invisible or that steer a terminal are
never passed on, and long lines are cut around the caret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher, get_close_matches
from functools import cached_property
from itertools import islice, takewhile
from typing import Any, ClassVar, NamedTuple
from unicodedata import combining, east_asian_width

from archc.codes import Code

MAX_EXCERPT = 200
"""Characters of a source line that are shown at most."""

MAX_PROBLEMS = 100
"""Problems of a spec that are told at most."""

_LONGEST_QUOTED = 80

_LONG_TEXT = re.compile(rf"'[^']{{{_LONGEST_QUOTED},}}(?P<end>')|(?<!\S)[^\s'/]{{{_LONGEST_QUOTED},}}(?!\S)")
_NEAR = 0.6
_EQUALLY_NEAR = 8  # candidates that are compared
_LONGEST_WORD = 64
_MOST_CANDIDATES = 1000


@dataclass(eq=False)
class Source:
    """A text that positions refer to, and its name as the user typed it (a path, `<string>`).

    `repeated` has places whose content also stands elsewhere, through an alias, and where: at most MAX_PROBLEMS.
    """

    name: str
    text: str = field(repr=False)
    repeated: dict[Span, Span] = field(default_factory=dict, repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends; lines end at ``\\n``, ``\\r\\n`` or ``\\r`` only, as in YAML 1.2."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class Span(NamedTuple):
    """A stretch of a source. Lines and columns count from 0 (they are shown from 1); the end is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line + 1}:{self.column + 1}"


class Note(NamedTuple):
    """A second position that explains a diagnostic, such as the line that produced a value."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: a stable code such as `unknown-field`, a sentence, the place, and how to mend it."""

    code: Code
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
        code: Code | None = None,
        span: Span | None = None,
        notes: tuple[Note, ...] = (),
        help: str | None = None,
    ) -> None:
        if isinstance(problems, str):
            assert code is not None, "a problem has a code"
            problems = (Diagnostic(code, problems, span, notes, help),)
        self.diagnostics = self._told(sorted(problems, key=_position))
        super().__init__("\n\n".join(map(render, self.diagnostics)))

    def _told(self, problems: list[Diagnostic]) -> tuple[Diagnostic, ...]:
        return tuple(problems)


class SpecError(ArchcError):
    """A spec is wrong. What its author wrote is cut in messages, since it may be long."""

    exit_status = 2

    def _told(self, problems: list[Diagnostic]) -> tuple[Diagnostic, ...]:
        told = [
            replace(problem, message=_with_short_quotes(problem.message), notes=_with_alias(problem))
            for problem in problems[:MAX_PROBLEMS]
        ]
        last = Note(f"no more than {MAX_PROBLEMS} problems are told, and there may be more")
        if len(told) == MAX_PROBLEMS and last not in told[-1].notes:
            told[-1] = replace(told[-1], notes=(*told[-1].notes, last))
        return tuple(told)


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


def _with_alias(problem: Diagnostic) -> tuple[Note, ...]:
    """The notes, and where an alias repeats the place."""
    span = problem.span
    repeated = span.source.repeated.items() if span else ()
    aliases = [alias for place, alias in repeated if span and _lies_in(span, place)]
    notes = (Note("this alias stands for it", alias) for alias in aliases[:1])
    return (*problem.notes, *(note for note in notes if note not in problem.notes))


def _lies_in(inner: Span, outer: Span) -> bool:
    begins = (outer.line, outer.column) <= (inner.line, inner.column)
    return begins and (inner.line, inner.column) < (outer.end_line, outer.end_column)


def _with_short_quotes(message: str) -> str:
    """The message, in which quoted texts and single words end where they become too long."""
    if len(message) <= _LONGEST_QUOTED:
        return message
    return _LONG_TEXT.sub(lambda match: f"{match[0][: _LONGEST_QUOTED - 2]}…{match['end'] or ''}", message)


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a misspelt word is likely to mean, whatever its case; None if none is near.

    Of several that are equally near it is the one that begins most like the word.
    """
    if len(word) > _LONGEST_WORD:  # the comparison takes time quadratic in the length
        return None
    by_lower = {candidate.lower(): candidate for candidate in islice(candidates, _MOST_CANDIDATES)}
    near = get_close_matches(word.lower(), by_lower, n=_EQUALLY_NEAR, cutoff=_NEAR)
    return by_lower[max(near, key=lambda other: _likeness(other, word.lower()))] if near else None


def _likeness(candidate: str, word: str) -> tuple[float, int]:
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(candidate, word, strict=False))
    return SequenceMatcher(None, candidate, word).ratio(), len(list(alike))


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """`did you mean 'x'?` for the nearest candidate, or None if none is near."""
    near = nearest(word, candidates)
    return f"did you mean '{near}'?" if near else None


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

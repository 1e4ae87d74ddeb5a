"""The errors that carry diagnostics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from archc.diagnostics.codes import Code
from archc.diagnostics.diagnostic import Diagnostic, Note
from archc.diagnostics.rendering import render
from archc.diagnostics.spans import Span

MAX_PROBLEMS = 100
"""Problems of a spec that are told at most."""

_LONGEST_QUOTED = 80

_LONG_TEXT = re.compile(rf"'[^']{{{_LONGEST_QUOTED},}}(?P<end>')|(?<!\S)[^\s'/]{{{_LONGEST_QUOTED},}}(?!\S)")


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

    def __reduce__(self) -> tuple[type[ArchcError], tuple[tuple[Diagnostic, ...]]]:
        """How another process gets it."""
        return type(self), (self.diagnostics,)

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


class SpecWarning(ArchcError):
    """A spec says what is hardly meant; it is accepted."""

    exit_status = 0


class BuildError(ArchcError):
    """Weights do not fit, or a build cannot be read."""

    exit_status = 3


class ExportError(ArchcError):
    """An artefact cannot be written or read."""

    exit_status = 4


class LiftError(ArchcError):
    """A module cannot be written as a spec."""

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
    aliases = [alias for place, alias in repeated if span and span.begins_in(place)]
    notes = (Note("this alias stands for it", alias) for alias in aliases[:1])
    return (*problem.notes, *(note for note in notes if note not in problem.notes))


def _with_short_quotes(message: str) -> str:
    """The message, in which quoted texts and single words end where they become too long."""
    if len(message) <= _LONGEST_QUOTED:
        return message
    return _LONG_TEXT.sub(lambda match: f"{match[0][: _LONGEST_QUOTED - 2]}…{match['end'] or ''}", message)


def _position(diagnostic: Diagnostic) -> tuple[str, int, int]:
    span = diagnostic.span
    return (span.source.name, *span.begin) if span else ("", 0, 0)

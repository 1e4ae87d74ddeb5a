"""What is wrong with a person's input, where it stands, and how it is shown.

Every complaint is a `Diagnostic` with a stable code and a `Span`; `ArchcError` carries one or more of them and knows
the exit status of the command line. Nothing here knows about YAML, graphs or weights.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from typing import ClassVar


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

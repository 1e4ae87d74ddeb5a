"""Texts, and stretches of them: where something stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple


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

"""A diagnostic: one problem with its code, place and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from archc.diagnostics.codes import Code
from archc.diagnostics.spans import Span


class Note(NamedTuple):
    """A second position that explains a diagnostic, such as the line that produced a value."""

    message: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: a stable code such as `unknown-field`, a sentence, the place, and how to mend it.

    A `warning` is no mistake for sure.
    """

    code: Code
    message: str
    span: Span | None = None
    notes: tuple[Note, ...] = ()
    help: str | None = None
    warning: bool = False

    @property
    def severity(self) -> str:
        """The word before the code."""
        return "warning" if self.warning else "error"

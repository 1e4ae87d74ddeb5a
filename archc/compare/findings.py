"""What one part of a comparison found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from archc.compare.report import Check, Difference, Status

SHOWN = 5


@dataclass
class Findings:
    """Differences and notes of one check.

    `detail` says on what it was tried; `rounding` is the largest error within rounding, in units of the largest value.
    """

    check: str
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    detail: str = ""
    rounding: float = 0.0
    skipped: bool = False

    def all_notes(self) -> list[str]:
        """The notes, and how large rounding was."""
        told = f"{self.check}: equal up to rounding, at most {self.rounding:.0e} of the largest value apart"
        return [*self.notes, *([told] if self.rounding else [])]

    def result(self) -> Check:
        """The check with its status."""
        if self.differences:
            return Check(self.check, Status.DIFFERENT, self.detail)
        if self.skipped:
            return Check(self.check, Status.SKIPPED, self.detail)
        if self.rounding:
            return Check(self.check, Status.ROUNDING, self.detail)
        return Check(self.check, Status.EQUAL, self.detail)


def several(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"

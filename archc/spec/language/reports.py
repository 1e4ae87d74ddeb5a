"""What is wrong with a spec, as its readers tell it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from archc.diagnostics import MAX_PROBLEMS, Diagnostic, Span, SpecError
from archc.diagnostics.codes import Code
from archc.spec.tree import Tree, Unreadable


class Refused(Exception):
    """An item is wrong, which has been reported."""


class Reports:
    """Collects `problems`."""

    def __init__(self, problems: Iterable[Diagnostic] = ()) -> None:
        self.problems = [*problems]

    def add(self, *problems: Diagnostic) -> None:
        """Collect problems. Raises SpecError: there are too many to go on."""
        self.problems.extend(problems)
        if len(self.problems) >= MAX_PROBLEMS:
            raise SpecError(self.problems)

    def report(self, code: Code, message: str, at: Span | Tree, help: str | None = None) -> None:
        """Add a problem at a place or value, unless the value could not be read, which the loader has reported."""
        if not isinstance(at, Unreadable):
            self.add(Diagnostic(code, message, at if isinstance(at, Span) else at.span, help=help))

    def refuse(self, code: Code, message: str, at: Span | Tree, help: str | None = None) -> NoReturn:
        """Add a problem, and give the item up. Raises Refused."""
        self.report(code, message, at, help)
        raise Refused

"""Collects what is wrong with a spec, so that one run reports all of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from archc.diagnostics import MAX_PROBLEMS, Diagnostic, Note, Span, SpecError
from archc.diagnostics.codes import Code


class Problems:
    """The diagnostics so far; each place of a spec is reported once, however often a block is used."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, object], Diagnostic] = {}
        self._uses: list[tuple[str, Span]] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(
        self,
        code: Code,
        message: str,
        span: Span | None,
        *,
        notes: tuple[Note, ...] = (),
        help: str | None = None,
    ) -> None:
        """Record a problem; inside a block's definition, with the uses that led there, the innermost first.

        Raises: SpecError: there are too many to go on.
        """
        uses = (Note(f"{block} is used here", use) for block, use in reversed(self._uses) if use != span)
        place = (span.source.name, span.line, span.column) if span else message
        self._found.setdefault((code, place), Diagnostic(code, message, span, (*notes, *dict.fromkeys(uses)), help))
        if len(self._found) >= MAX_PROBLEMS:
            self.raise_if_any()

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Record diagnostics that somebody else made."""
        for found in diagnostics:
            self.add(found.code, found.message, found.span, notes=found.notes, help=found.help)

    @contextmanager
    def inside(self, block: str, use: Span) -> Iterator[None]:
        """Problems found meanwhile lie in the definition of a block that is used at `use`."""
        self._uses.append((block, use))
        try:
            yield
        finally:
            self._uses.pop()

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Record the diagnostics of a SpecError raised meanwhile."""
        try:
            yield
        except SpecError as error:
            self.extend(error.diagnostics)

    def raise_if_any(self) -> None:
        """Raise SpecError with everything found."""
        if self._found:
            raise SpecError(tuple(self._found.values()))

"""Values that have a name: those that a body marks, what a block is given, and the network's inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from archc.diagnostics import Note, Span, did_you_mean
from archc.elaborate.problems import Problems
from archc.ir.graph import Value
from archc.spec.language.expressions import UNKNOWN, Unknown
from archc.spec.tree import Scalar

Values = dict[str, tuple[Value | Unknown, Span]]


class Marks:
    """The names that hold in each body, the innermost last; a block sees none of those outside."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._bodies: list[Values] = [{}]

    @contextmanager
    def body(self, given: Mapping[str, tuple[Value | Unknown, Span]]) -> Iterator[None]:
        """The body of a block, which is given these values by name."""
        self._bodies.append(dict(given))
        try:
            yield
        finally:
            self._bodies.pop()

    def set(self, name: Scalar, value: Value | Unknown, *, once: bool = True) -> None:
        """Give the current value a name; with `once` it is a mistake to give the name twice."""
        known = self._bodies[-1]
        if name.text in known and once:
            notes = (Note("it is given here", known[name.text][1]),)
            self._problems.add("name-taken", f"there is already a value '{name.text}' here", name.span, notes=notes)
        known[name.text] = value, name.span

    def __contains__(self, name: str) -> bool:
        """True if a value has this name here."""
        return name in self._bodies[-1]

    def known(self) -> dict[str, Value]:
        """The values that have a name here."""
        return {name: value for name, (value, _) in self._bodies[-1].items() if value is not UNKNOWN}

    def lose(self, names: Iterable[Scalar]) -> None:
        """Make the names known whose values something wrong would have given."""
        for name in names:
            self._bodies[-1].setdefault(name.text, (UNKNOWN, name.span))

    def get(self, name: Scalar) -> Value | Unknown:
        """The value with a name; what is wrong is recorded."""
        known, text = self._bodies[-1], name.text.removeprefix("$")
        if text in known:
            return known[text][0]
        listed = f"known here: {', '.join(known)}" if known else f"write '- mark: {text}' where the value is"
        help = did_you_mean(text, known) or listed
        self._problems.add("unknown-name", f"there is no value '{text}' here", name.span, help=help)
        return UNKNOWN

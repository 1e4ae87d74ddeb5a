"""Values that a flow collection has cut at a comma.

`{out_channels: max(8, 4)}` is, to YAML, the key `out_channels` with the text `max(8`, and a key `4)` without
a value. Here the pieces are recognised and put together again, so that there is one complaint, which says
what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice, takewhile

from archc.diagnostics import Diagnostic
from archc.spec.tree import Entry, Scalar, Tree, Unreadable

MOST_PIECES = 16


def join_cut_entries(entries: dict[str, Entry]) -> list[Diagnostic]:
    """Join the pieces in a flow mapping, in place; one diagnostic for each value that was cut."""
    problems: list[Diagnostic] = []
    written = list(entries.values())
    for index, entry in enumerate(written):
        following = takewhile(lambda other: _is_absent(other.value), written[index + 1 : index + MOST_PIECES])
        pieces = _pieces(entry.value, (other.key for other in following))
        if pieces:
            for piece in pieces[1:]:
                del entries[piece.text]
            whole = _join(pieces)
            entries[entry.key.text] = Entry(entry.key, whole)
            problems.append(_problem(whole))
    return problems


def join_cut_items(items: list[Tree]) -> list[Diagnostic]:
    """Join the pieces in a flow list, in place; one diagnostic for each value that was cut."""
    problems: list[Diagnostic] = []
    for index, item in enumerate(items):
        pieces = _pieces(item, items[index + 1 : index + MOST_PIECES])
        if pieces:
            whole = _join(pieces)
            items[index : index + len(pieces)] = [whole]
            problems.append(_problem(whole))
    return problems


def goes_on(entries: dict[str, Entry]) -> bool:
    """True if the next key of a flow mapping is a piece of a value that a comma has cut."""
    still_open = 0
    for entry in islice(reversed(entries.values()), MOST_PIECES):
        if not _is_absent(entry.value):
            return isinstance(entry.value, Scalar) and _open_brackets(entry.value) + still_open > 0
        still_open += _open_brackets(entry.key)
    return False


def _pieces(first: Tree, others: Iterable[Tree]) -> list[Scalar | Unreadable]:
    """The pieces of one value: up to where its brackets are closed. None at all if it was not cut."""
    if not isinstance(first, Scalar | Unreadable) or _open_brackets(first) <= 0 or _is_quoted(first):
        return []
    pieces, still_open = [first], _open_brackets(first)
    for other in others:
        if not isinstance(other, Scalar | Unreadable) or _is_quoted(other):
            return []
        pieces.append(other)
        still_open += _open_brackets(other)
        if still_open <= 0:
            return pieces
    return []


def _join(pieces: list[Scalar | Unreadable]) -> Unreadable:
    text = ", ".join(piece.text for piece in pieces)
    span = pieces[0].span.to(pieces[-1].span)
    return Unreadable(text, span, meant=Scalar(text, text, span))


def _problem(whole: Unreadable) -> Diagnostic:
    message = "inside {…} and […] a comma ends the value, so this one is cut in pieces"
    pair = whole.text.startswith("(") and "$" not in whole.text
    help = f"a pair is written [{whole.text.strip('()')}]" if pair else f'quote it: "{whole.text}"'
    return Diagnostic("cut-expression", message, whole.span, help=help)


def _open_brackets(scalar: Scalar | Unreadable) -> int:
    return scalar.text.count("(") - scalar.text.count(")")


def _is_absent(tree: Tree) -> bool:
    return isinstance(tree, Scalar) and tree.value is None and tree.text == ""


def _is_quoted(scalar: Scalar | Unreadable) -> bool:
    line = scalar.span.source.lines[scalar.span.line]
    return line[scalar.span.column : scalar.span.column + 1] in ("'", '"')

"""Marks that nothing uses, which are mistakes wherever they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archc.diagnostics import Diagnostic, Span
from archc.operators import is_operator
from archc.spec.language.items import Auxiliary, Branch, Call, Composite, From, Group, Item, Mark, When
from archc.spec.tree import Mapping, Scalar


def unused_marks(items: Iterable[Item], results: Iterable[str] = ()) -> Iterator[Diagnostic]:
    """A diagnostic for each mark of a body that is neither used in it nor one of its results, given by name."""
    marks: dict[str, Span] = {}
    used = set(results)
    for item in _all(items):
        if isinstance(item, Mark):
            marks.setdefault(item.name.text, item.name.span)
        else:
            used.update(_names(item))
    for name in marks.keys() - used:
        help = f"write '- from: {name}' where the value is needed, or leave the mark out"
        yield Diagnostic("unused", f"nothing uses the value '{name}'", marks[name], help=help)


def _all(items: Iterable[Item]) -> Iterator[Item]:
    """The items of a body and all that lie within."""
    for item in items:
        yield item
        yield from _all(_inside(item))


def _inside(item: Item) -> Iterator[Item]:
    match item:
        case Group():
            yield from item.items
        case Auxiliary():
            yield item.item
        case When():
            yield from _of_arms(item)
        case Composite():
            for branch in item.branches:
                yield from branch.items if isinstance(branch, Branch) else _of_arms(branch)


def _of_arms(when: When) -> Iterator[Item]:
    for arm in (when.then, when.otherwise):
        yield from arm.items if arm else ()


def _names(item: Item) -> Iterator[str]:
    """The names that an item may use: that of a `from`, a field's value, such as a block's `skip: c4`, or its word."""
    if isinstance(item, From):
        yield item.name.text.removeprefix("$")
    if isinstance(item, Call) and not is_operator(item.word):  # which has been reported, or is a block
        yield item.word
    fields = item.fields if isinstance(item, Call | Composite) else None
    values = [entry.value for entry in fields.entries.values()] if isinstance(fields, Mapping) else []
    values += [item.short] if isinstance(item, Call) and item.short else []
    yield from (value.text for value in values if isinstance(value, Scalar))

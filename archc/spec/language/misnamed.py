"""Sequences whose name promises branches: `residual: […]` adds nothing, for its items follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from archc.diagnostics import Diagnostic
from archc.spec.language.document import Spec
from archc.spec.language.items import Auxiliary, From, Group, Item, When
from archc.spec.repair.foreign import JOINS_BY_NAME


def misnamed_sequences(spec: Spec) -> Iterator[Diagnostic]:
    """A warning for each of them in a list that no composite joins.

    In a branch such a name is right, and so it is where a value with a name is taken up again to be joined later.
    """
    for items in (spec.items, *(definition.items for definition in spec.blocks.values())):
        yield from _in_list(items)


def _in_list(items: Iterable[Item]) -> Iterator[Diagnostic]:
    before: Item | None = None
    for item in items:
        match item:
            case Group(name, parts):
                if name and item.numbered and name.text in JOINS_BY_NAME and not isinstance(before, From):
                    yield _warning(item, name.text)
                yield from _in_list(parts)
            case Auxiliary():
                yield from _in_list([item.item])
            case When():
                for arm in (item.then, item.otherwise):
                    yield from _in_list(arm.items if arm else ())
        before = item


def _warning(group: Group, name: str) -> Diagnostic:
    meant, done = JOINS_BY_NAME[name]
    message = f"'{name}' is a name here: its items follow one another, and nothing is {done}"
    help = f"write '- {meant}' for branches, or '- {name}: {{layers: […]}}' for a name"
    return Diagnostic("likely-mistake", message, group.span, help=help, warning=True)

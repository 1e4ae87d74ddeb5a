"""Blocks whose definitions use themselves, found in the definitions alone, whatever a network comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from archc.spec.language.document import BlockDefinition, Spec
from archc.spec.language.items import Auxiliary, Branch, Call, Composite, Group, Item, When


def recursive_calls(spec: Spec) -> Iterator[Call]:
    """The calls of a block inside its own expansion, in the order in which the network comes to them."""
    done: set[str] = set()
    yield from _walk(spec.items, spec.blocks, done)
    for name, definition in spec.blocks.items():
        if name not in done:
            yield from _walk([Call(name, definition.span)], spec.blocks, done)


def _walk(items: Iterable[Item], blocks: Mapping[str, BlockDefinition], done: set[str]) -> Iterator[Call]:
    """Depth first, without Python's own stack, since a thousand blocks may use one another."""
    expanding = {"": _calls(items)}
    while expanding:
        word, pending = next(reversed(expanding.items()))
        call = next(pending, None)
        if call is None:
            expanding.pop(word)
            done.add(word)
        elif call.word in expanding:
            yield call
        elif call.word in blocks and call.word not in done:
            expanding[call.word] = _calls(blocks[call.word].items)


def _calls(items: Iterable[Item | When | Branch | None]) -> Iterator[Call]:
    for item in items:
        match item:
            case Call():
                yield item
            case Group() | Branch():
                yield from _calls(item.items)
            case Composite():
                yield from _calls(item.branches)
            case When():
                yield from _calls((item.then, item.otherwise))
            case Auxiliary():
                yield from _calls((item.item,))

"""Leaves out the names that the language gives by itself."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from archc.ir.builder import Frame
from archc.ir.graph import Scope
from archc.lifting.items import Auxiliary, Call, Group, Item, When, bodies
from archc.operators import is_operator, operator_model

SEQUENCE = "sequence"


def without_usual_names(items: list[Item]) -> None:
    """Remove each name that an item would have without it."""
    _in_scope(items, Scope("", ""))


def _in_scope(items: list[Item], scope: Scope) -> None:
    _in_frame(items, Frame(scope), {name for item in _siblings(items) if (name := getattr(item, "name", None))})


def _siblings(items: list[Item]) -> Iterator[Item]:
    """The items of one scope, in branches as well."""
    for item in items:
        yield item
        if not isinstance(item, Group):
            for body in bodies(item):
                yield from _siblings(body)


def _in_frame(items: list[Item], frame: Frame, explicit: set[str]) -> None:
    for item in items:
        match item:
            case Call():
                for branch in item.branches:
                    _in_frame(branch, frame, explicit)
                _name(item, frame, explicit)
            case Group():
                _name_group(item, frame)
            case Auxiliary():
                _in_frame([item.item], frame, explicit)
            case When():
                for arm in (item.then, item.otherwise):
                    _in_frame(arm or [], frame, explicit)


def _name(call: Call, frame: Frame, explicit: set[str]) -> None:
    if is_composite(call.word):
        frame.label(call.word)
        return
    module = not is_source(call.word)
    if call.name is not None and not module and "." in call.name:
        return  # it lies in another item, which may be a layer
    usual = frame.usual(call.word, module=module)
    if call.name is None and usual in explicit:  # a sibling further on has this name
        call.name = next(name for n in count(1) if (name := f"{call.word}_{n}") not in {*explicit, *frame.taken})
    frame.take(call.word, call.name, None, module=module)
    if call.name == usual:
        call.name = None


def _name_group(group: Group, frame: Frame) -> None:
    usual = frame.usual(SEQUENCE)
    frame.take(SEQUENCE, group.name, None)
    group.is_usual = group.name == usual and frame.scope.sequence
    if group.name == usual and group.numbered:
        group.name = None
    _in_scope(group.items, Scope("", "", sequence=group.numbered))


def is_composite(word: str) -> bool:
    """True for an operator that joins branches."""
    return is_operator(word) and operator_model(word).is_composite()


def is_source(word: str) -> bool:
    """True for an operator without inputs, which is no module."""
    return is_operator(word) and operator_model(word).arity == 0

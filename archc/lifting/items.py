"""The items of a spec that is being written, before they are text.

Values have names of the graph until `names_of_marks` gives them names that a person would choose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from archc.ir.types import TensorType

Data = Any
"""Plain data of a YAML document: mappings, lists and scalars."""


@dataclass
class Item:
    """One item. `gives` is the value that the list has after it."""

    gives: str = field(default="", kw_only=True)


@dataclass
class Call(Item):
    """An operator or a block. `branches` are those of a composite, in the order of its fields that hold branches.

    `init` is by the tensor's name; `tensors` too, and has the initializers of those that `init` lacks. `values`
    are the values that a block is given by name, `results` those that it gives beside its own. `path` is the module's
    path. `received` and `gave` are the types of the current value before and after it.
    """

    word: str
    fields: dict[str, Data] = field(default_factory=dict)
    name: str | None = None
    branches: list[list[Item]] = field(default_factory=list)
    init: dict[str, Data] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)
    like: str = ""
    path: str = ""
    received: TensorType | None = None
    gave: TensorType | None = None
    tensors: dict[str, Data] = field(default_factory=dict)
    receives: dict[int, TensorType | None] = field(default_factory=dict)  # of a template, by instance


@dataclass
class Group(Item):
    """A module with items: numbered ones, or attributes. `takes` is the value that its first item is applied to.

    It has no `name` where a list in its place would have its name without being given it; `is_usual`: a block as well.
    """

    name: str | None
    class_name: str
    numbered: bool
    items: list[Item]
    takes: str = ""
    path: str = ""
    received: TensorType | None = None
    gave: TensorType | None = None
    is_usual: bool = False

    def call(self, word: str, fields: dict[str, Data]) -> Call:
        """A call of a block in the module's place."""
        name = None if self.is_usual else self.name or self.path.rpartition(".")[2]
        return Call(word, fields, name, path=self.path, received=self.received, gave=self.gave, gives=self.gives)


@dataclass
class From(Item):
    """A value with a name, in place of the current one; `gives` says which."""


@dataclass
class Mark(Item):
    """The current value has a name from here on; `gives` says which value."""


@dataclass
class Share(Item):
    """The item of this name once more."""

    name: str = ""


@dataclass
class Output(Item):
    """The current value is an output."""

    name: str = ""


@dataclass
class Auxiliary(Item):
    """A head that exists in training only."""

    item: Item = field(default_factory=Item)


@dataclass
class When(Item):
    """`then` where the condition holds, else `otherwise`; None leaves an arm out.

    Until there is a condition, `holds` says for which instances of a block it does.
    """

    condition: str = ""
    then: list[Item] | None = None
    otherwise: list[Item] | None = None
    holds: dict[int, bool] = field(default_factory=dict)


@dataclass
class Choice(Item):
    """A layer that differs between the instances of a block: `parameter` gives it, under a name of the block's."""

    layers: dict[int, Data] = field(default_factory=dict)
    name: str | None = None
    parameter: str = ""


def bodies(item: Item) -> Iterator[list[Item]]:
    """The lists of items inside an item."""
    match item:
        case Call():
            yield from item.branches
        case Group():
            yield item.items
        case Auxiliary():
            yield [item.item]
        case When():
            yield from (arm for arm in (item.then, item.otherwise) if arm is not None)


def walk(items: Iterable[Item]) -> Iterator[Item]:
    """Every item, each before those inside it."""
    for item in items:
        yield item
        for body in bodies(item):
            yield from walk(body)


def calls(items: Iterable[Item]) -> Iterator[Call]:
    """Every call."""
    return (item for item in walk(items) if isinstance(item, Call))

"""The items that a network is written with, as a small syntax tree.

Names and fields are not yet looked up or evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from archc.diagnostics import Span
from archc.spec.language.expressions import Expression
from archc.spec.tree import Mapping, Scalar, Sequence, Tree, Unreadable


@dataclass(frozen=True, slots=True)
class Call:
    """`- relu`, `- conv2d: {…}` or `- linear: 1000`: an operator or block applied to the current value.

    `fields` excludes the keys that every call may have: `name`, `count`, `init`, `keys` and `results`. `short` is the
    short form, the value of the call's first field. `span` covers the word. If the call is not whole, the loader could
    not read a part of it: the rest is checked, and its result is unknown.
    """

    word: str
    span: Span
    fields: Mapping | None = None
    short: Scalar | Unreadable | Sequence | None = None
    name: Scalar | None = None
    count: Scalar | None = None
    init: Tree | None = None
    keys: Mapping | None = None
    results: tuple[Scalar, ...] | None = None
    is_whole: bool = True


class Group(NamedTuple):
    """`- features: […]`, or `- sequence: […]` (`name` is None): a module that numbers its items.

    One that is not `numbered`, `- features: {layers: […]}`, has them as attributes. `span` covers the key.
    """

    name: Scalar | None
    items: tuple[Item, ...]
    span: Span
    numbered: bool = True


class Branch(NamedTuple):
    """One arm of a composite: items in order; none at all is the identity."""

    items: tuple[Item, ...]
    span: Span


class Composite(NamedTuple):
    """`- sum: […]` and the like: branches from the same value, joined by the operator `kind`.

    `fields` are its others, and `names` those of the fields that hold the branches, where each has one.
    """

    kind: str
    branches: tuple[Branch | When, ...]
    span: Span
    fields: Mapping | None = None
    names: tuple[str, ...] = ()


class When(NamedTuple):
    """`- {when: EXPR, then: …, else: …}`. An arm that is None is absent (`none`, or no `else`)."""

    condition: Expression
    then: Branch | None
    otherwise: Branch | None
    span: Span


class OutputMark(NamedTuple):
    """`- output: NAME`: the current value is also an output of the network."""

    name: Scalar
    span: Span


class Auxiliary(NamedTuple):
    """`- aux: item`: a head that exists in training only; its output has the item's name."""

    item: Item
    span: Span


class Reference(NamedTuple):
    """`- $parameter`: the operator or block that the caller gave for a parameter of type `layer`.

    `- $parameter: {name: NAME}` says what it is called here.
    """

    parameter: str
    span: Span
    name: Scalar | None = None


class Mark(NamedTuple):
    """`- mark: NAME`: the current value has a name in this body from here on."""

    name: Scalar
    span: Span


class From(NamedTuple):
    """`- from: NAME`: a value that has a name, in place of the current one."""

    name: Scalar
    span: Span


class Share(NamedTuple):
    """`- share: NAME`: the item of this name once more, with the same tensors."""

    name: Scalar
    span: Span


class Unread(NamedTuple):
    """An item that is wrong, which has been reported. The value after it is unknown."""

    span: Span


Item = Call | Group | Composite | When | OutputMark | Auxiliary | Reference | Mark | From | Share | Unread

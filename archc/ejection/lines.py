"""Lines and units: what each module of a network constructs and what its `forward` does, as Python syntax."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archc.diagnostics import Span
from archc.ir.graph import Node, Parameter
from archc.ir.types import TensorType

OF_A_USE = ("i", "n")
"""Names with the number of a copy, which differ between the uses of a block."""


class Symbol(str):
    """The name of a class, as a value."""

    __slots__ = ()


@dataclass
class Line:
    """One step of a `forward`, with what it needs of the constructor.

    `call` constructs a layer or a child, or is the expression itself; its slots are names `_0`, `_1`, …, and the
    variables of an expression `x0`, `x1`, …. `tensors` are the parameters and buffers of its own that an expression
    reads. `slots` maps the name of an argument to its value.
    """

    key: tuple[Any, ...]
    bare: tuple[Any, ...]
    role: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    span: Span | None
    around: Mapping[str, Any]
    call: ast.expr
    slots: dict[str, Any] = field(default_factory=dict)
    tensors: tuple[Parameter, ...] = ()
    child: Unit | None = None
    node: Node | None = None
    again: bool = False
    training: bool = False
    type: TensorType | None = None
    bodies: list[Unit] = field(default_factory=list)


@dataclass
class Unit:
    """One module of a network, as an instance of a class.

    `names` are those of the block that it is; `marked` maps values to the names that the spec gives them.
    """

    word: str
    path: str
    lines: list[Line]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    names: dict[str, Any]
    chain: bool
    numbered: bool
    span: Span | None
    type: TensorType | None = None
    marked: Mapping[str, str] = field(default_factory=dict)

    @property
    def around(self) -> Mapping[str, Any]:
        """The names that its lines see."""
        return self.names


def number_keys(lines: list[Line]) -> None:
    """Side effect: lines of the same key get a number at its end."""
    seen: dict[tuple[Any, ...], int] = {}
    for line in lines:
        seen[line.key] = seen.get(line.key, -1) + 1
        line.key = (*line.key, seen[line.key])

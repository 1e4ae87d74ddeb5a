"""The names that an expression sees: those of its block or network, and the sizes of the value where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

from archc.diagnostics import Span
from archc.ir.graph import Value
from archc.ir.types import TensorType
from archc.spec.language.arithmetic import Refusal
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown

SIZES = {
    "channels": (1, range(2, 99)),
    "features": (-1, range(2, 99)),
    "height": (-2, (4, 5)),
    "width": (-1, (4, 5)),
    "depth": (2, (5,)),
    "length": (2, (3,)),
    "tokens": (1, (3,)),
}
"""Names of sizes -> the axis, and the ranks of the values that have it."""


class Parameters(dict[str, object]):
    """The values of the network's parameters, and where they are declared."""

    declared: Mapping[str, Span]


@final
class Here(Mapping[str, object]):
    """The names of a block or network, which go first, and the sizes of a value, worked out when asked for."""

    __slots__ = ("names", "type")

    def __init__(self, names: Environment, x: TensorType | Unknown) -> None:
        self.names: Environment = names.names if type(names) is Here else names  # faster than isinstance of an ABC
        self.type = x

    def __getitem__(self, name: str) -> object:
        if name in self.names:
            return self.names[name]
        axis, ranks = SIZES[name]
        if self.type is UNKNOWN:
            return UNKNOWN
        if self.type.ndim in ranks:
            return size(name, axis, self.type)
        return Refusal(f"there is no '${name}' here", f"the value here is {self.type}")

    def __contains__(self, name: object) -> bool:
        return name in self.names or name in SIZES

    def __iter__(self) -> Iterator[str]:
        yield from self.names
        for name, (_, ranks) in SIZES.items():
            if name not in self.names and (self.type is UNKNOWN or self.type.ndim in ranks):
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)


def at(names: Environment, x: Value | Unknown) -> Here:
    """The names where an item is applied to this value."""
    return Here(names, UNKNOWN if x is UNKNOWN else x.type)


def size(name: str, axis: int, x: TensorType) -> object:
    """The size of an axis, as the value of `$name`; it cannot be used if it is dynamic."""
    dim = x.shape[axis]
    return dim if isinstance(dim, int) else Refusal(f"${name} is dynamic here", f"the value here is {x}")


def declared(environment: Environment) -> Mapping[str, Span]:
    """Where the names of a network are declared."""
    names = environment.names if type(environment) is Here else environment
    return names.declared if isinstance(names, Parameters) else {}

"""The graph: a flat list of nodes in topological order, and scopes that give them their place in the module tree."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from archc.diagnostics import Span
from archc.ir.dtype import FLOAT32, DType
from archc.ir.initializers import Initializer
from archc.ir.operator import Operator
from archc.ir.types import TensorType


class Value(NamedTuple):
    """What flows along an edge.

    `name` is unique in its graph: the path of the node that produced it, or the input's. The outputs of a node that has
    several are numbered (`split:0`).
    """

    name: str
    type: TensorType


class Derivation(ABC):
    """How a tensor that a pass introduced follows from others; subclasses are frozen dataclasses."""

    @property
    @abstractmethod
    def sources(self) -> tuple[str, ...]:
        """The `state_dict` keys that `compute` needs, in its order."""

    @property
    def sliced(self) -> bool:
        """True if all have one length along axis 0, and a slice of the sources gives that slice of the result."""
        return True

    @abstractmethod
    def compute(self, *arrays: Any) -> Any:
        """The tensor, from NumPy arrays or torch tensors (only their operators are used)."""


@dataclass(frozen=True)
class Stored(Derivation):
    """The tensor that the network has under a key."""

    path: str

    @property
    def sources(self) -> tuple[str, ...]:
        """Itself."""
        return (self.path,)

    def compute(self, *arrays: Any) -> Any:
        """The same."""
        return arrays[0]


class Parameter(NamedTuple):
    """A named tensor of the network: a parameter, or a buffer such as running statistics.

    `path` is its `state_dict` key. With `derived` it has no values of its own; they follow from other tensors.
    """

    path: str
    shape: tuple[int, ...]
    initializer: Initializer
    dtype: DType = FLOAT32
    buffer: bool = False
    derived: Derivation | None = None


def tensor_key(module: str, keys: tuple[tuple[str, str], ...], name: str) -> str:
    """The key of a module's tensor of this name; the module's path for an empty one."""
    return dict(keys).get(name) or (f"{module}.{name}" if name else module)


@dataclass(frozen=True, slots=True)
class Node:
    """An operator applied to values.

    `path` is the module path (`layer1.0.conv1`). Composites (sum, concat, product) take no part in naming; their path
    is the enclosing scope's followed by a colon and a label (`layer1.0:sum`), which no module can have. `shares` is the
    path of an earlier node whose module and tensors it uses again. `keys` are the `state_dict` keys of its tensors, by
    local name, where they do not follow from the path.
    """

    path: str
    operator: Operator
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    scope: str
    span: Span | None = field(compare=False, default=None)
    parameters: tuple[Parameter, ...] = ()
    shares: str = ""
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def output(self) -> Value:
        """The only output."""
        (output,) = self.outputs
        return output

    @property
    def kind(self) -> tuple[Operator, tuple[TensorType, ...]]:
        """What decides how the node is computed: the operator and the types of its inputs."""
        return self.operator, tuple([value.type for value in self.inputs])

    @property
    def position(self) -> str | None:
        """The file and line that the node comes from, as messages name it."""
        return f"{self.span.source.name}:{self.span.line + 1}" if self.span else None

    @property
    def name(self) -> str:
        """The module's path below the enclosing scope; empty for a composite."""
        if ":" in self.path:
            return ""
        return self.module.removeprefix(f"{self.scope}.") if self.scope else self.module

    @property
    def module(self) -> str:
        """The path of the module that computes it."""
        return self.shares or self.path

    def key(self, name: str) -> str:
        """The `state_dict` key of its tensor of this name; the module's path for an empty one."""
        return tensor_key(self.module, self.keys, name)

    def parameter(self, name: str) -> Parameter | None:
        """Its tensor of this name, or None."""
        path = self.key(name)
        return next((p for p in self.parameters if p.path == path), None)


@dataclass(frozen=True, slots=True)
class Scope:
    """A module that contains others. `sequence` scopes number their items by position.

    `shares` is the path of an earlier scope that is run again, on other values.
    """

    path: str
    class_name: str
    parent: str = ""
    sequence: bool = False
    span: Span | None = field(compare=False, default=None)
    shares: str = ""

    @property
    def name(self) -> str:
        """The path of its module below the enclosing scope."""
        path = self.shares or self.path
        return path.removeprefix(f"{self.parent}.") if self.parent else path


class Output(NamedTuple):
    """A named result of the network. Auxiliary heads exist in training only."""

    name: str
    value: Value
    training_only: bool = False


@dataclass(frozen=True)
class Graph:
    """A network: inputs, nodes in topological order, scopes parent before child, at least one output.

    The first input is the image, or whatever the network is about: receptive fields are on it.
    """

    name: str
    inputs: tuple[Value, ...]
    nodes: tuple[Node, ...]
    scopes: tuple[Scope, ...]
    outputs: tuple[Output, ...]

    @property
    def input(self) -> Value:
        """The first input."""
        return self.inputs[0]

    def values(self) -> Iterator[Value]:
        """Every value: the inputs, then what each node produces."""
        yield from self.inputs
        for node in self.nodes:
            yield from node.outputs

    def depending(self) -> set[str]:
        """The names of the values that depend on an input; the others are the same for all images."""
        found = {value.name for value in self.inputs}
        for node in self.nodes:
            if any(value.name in found for value in node.inputs):
                found.update(value.name for value in node.outputs)
        return found

    def parameters(self) -> Iterator[Parameter]:
        """Every parameter and buffer once, in `state_dict` order."""
        owners = [node for node in self.nodes if node.parameters and not node.shares]
        found = [parameter for node in owners for parameter in node.parameters]
        modules = all(not node.keys and node.operator.arity != 0 for node in owners)
        return iter(found if modules else _in_module_order(found))

    def only(self, outputs: tuple[Output, ...]) -> Graph:
        """The graph that computes these outputs alone: every node contributes to one of them."""
        if outputs == self.outputs:
            return self
        needed = {output.value.name for output in outputs}
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if any(value.name in needed for value in node.outputs):
                needed.update(value.name for value in node.inputs)
                kept.append(node)
        return replace(self, nodes=tuple(reversed(kept)), outputs=outputs)

    def at_inference(self) -> Graph:
        """The graph outside training: without the outputs that exist in training only, and what nothing else needs."""
        return self.only(tuple([output for output in self.outputs if not output.training_only]))


def _in_module_order(parameters: list[Parameter]) -> list[Parameter]:
    """As a `state_dict` has them: of each module its own parameters, its buffers, then those of the modules inside."""
    places: dict[str, int] = {}
    for parameter in parameters:
        parts = parameter.path.split(".")
        for end in range(1, len(parts)):
            places.setdefault(".".join(parts[:end]), len(places))

    def order(parameter: Parameter) -> list[tuple[int, int]]:
        parts = parameter.path.split(".")
        above = [(2, places[".".join(parts[:end])]) for end in range(1, len(parts))]
        return [*above, (int(parameter.buffer), 0)]

    return sorted(parameters, key=order)

"""Builds a graph node by node: infers types, keeps the scopes, and decides every name.

The naming rules (LANGUAGE: "Names"):
1. An explicit name wins; it may be dotted.
2. In a numbered scope an item is named by its position, and every named item takes a position too. What is no module
   (a source, an item that is used again) takes none.
3. Elsewhere it has the callee's own word: `relu`, `relu_1`.
Siblings differ, and no path may go through another operator's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from archc.diagnostics import Span
from archc.ir.dtype import INT64
from archc.ir.graph import Graph, Node, Output, Parameter, Scope, Value, tensor_key
from archc.ir.initializers import Initializer
from archc.ir.module_names import RESERVED_NAMES
from archc.ir.operator import Operator, Range, ShapeError
from archc.ir.types import TensorType


class NameTaken(Exception):
    """A name cannot be used; `span` is where the sibling that has it stands."""

    def __init__(self, message: str, span: Span | None = None) -> None:
        super().__init__(message)
        self.message, self.span = message, span


class TooManyNodes(Exception):
    """The graph grew beyond its limit."""


@dataclass
class Frame:
    """A scope under construction: the names that its items have, and what the next one may be called."""

    scope: Scope
    position: int = 0
    taken: dict[str, Span | None] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)  # `a` and `a.b` for a taken `a.b.c`
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, word: str, name: str | None, span: Span | None, *, module: bool = True) -> str:
        """The name of the next item; what is no module takes no position. Raises NameTaken."""
        name = self.usual(word, module=module) if name is None else name
        self.position += module
        self._refuse(name)
        self.taken[name] = span
        for prefix in _prefixes(name):
            self.prefixes[prefix] = name
        return name

    def usual(self, word: str, *, module: bool = True) -> str:
        """The name of the next item if it is given none."""
        return str(self.position) if self.scope.sequence and module else self.unused(word)

    def label(self, word: str) -> str:
        """The label of the next composite; labels begin with a colon and so are apart from names."""
        label = self.unused(f":{word}")
        self.taken[label] = None
        return label

    def unused(self, word: str) -> str:
        """The word itself, or with the first number that makes it a name of its own."""
        name, number = word, self.counts[word]
        while name in self.taken or name in self.prefixes:
            number += 1
            name = f"{word}_{number}"
        self.counts[word] = max(number - 1, 0)  # where the search begins next time
        return name

    def _refuse(self, name: str) -> None:
        if name in self.taken:
            raise NameTaken(f"the name '{name}' is taken {self._where}", self.taken[name])
        for part in name.split("."):
            if part in RESERVED_NAMES or part.startswith("_"):
                raise NameTaken(f"the name '{name}' is reserved: torch.nn.Module has an attribute '{part}'")
        other = self.prefixes.get(name) or next((p for p in _prefixes(name) if p in self.taken), None)
        if other is not None:
            raise NameTaken(f"the names '{name}' and '{other}' {self._where} lie within one another", self.taken[other])

    @property
    def _where(self) -> str:
        return f"in {self.scope.path}" if self.scope.path else "at the top level"


def _prefixes(name: str) -> list[str]:
    if "." not in name:
        return []
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _refuse_integers(operator: Operator, inputs: Sequence[TensorType]) -> None:
    """Raise ShapeError if an operator that computes is given integers."""
    integers = next((type for type in inputs if type.dtype == INT64), None)
    if integers is not None and not operator.moves:
        raise ShapeError(f"computes with numbers of float32, received {integers}", help="an index is for gather")


class GraphBuilder:
    """Collects nodes and scopes; `finish` gives the graph."""

    def __init__(
        self,
        name: str,
        inputs: TensorType | Mapping[str, TensorType],
        *,
        class_name: str = "Network",
        max_nodes: int = 100_000,
    ) -> None:
        types = {"input": inputs} if isinstance(inputs, TensorType) else inputs
        self.name = name
        self.inputs = tuple([Value(name, type) for name, type in types.items()])
        self._input_names = frozenset(types)
        self.nodes: list[Node] = []
        self.scopes: list[Scope] = []
        self.outputs: list[Output] = []
        self.max_nodes = max_nodes
        self._ranges: dict[str, Range] = {}  # of the integers that values hold, by the values' names
        self._again: list[tuple[str, str]] = []  # the paths of items that are used again, and where they are now
        self._frames = [Frame(Scope("", class_name))]
        self.scopes.append(self._frames[0].scope)

    @property
    def input(self) -> Value:
        """The first input."""
        return self.inputs[0]

    @property
    def path(self) -> str:
        """Path of the scope that is being filled."""
        return self._frames[-1].scope.path

    @contextmanager
    def scope(
        self,
        word: str,
        name: str | None,
        class_name: str,
        *,
        sequence: bool = False,
        span: Span | None = None,
    ) -> Iterator[Scope]:
        """Open a scope under the current one; its name follows the rules above. Raises NameTaken."""
        path = self._take(word, name, span)
        scope = Scope(path, class_name, self.path, sequence, span, self._shared(path))
        self.scopes.append(scope)
        self._frames.append(Frame(scope))
        try:
            yield scope
        finally:
            self._frames.pop()

    @contextmanager
    def again(self, name: str) -> Iterator[None]:
        """The next item of this scope with this name uses the modules and tensors of the one that has it already."""
        self._again.append((self._below(name), ""))
        try:
            yield
        finally:
            self._again.pop()

    def _take(self, word: str, name: str | None, span: Span | None, *, module: bool = True) -> str:
        """The path of the next item of this scope. Raises NameTaken."""
        frame = self._frames[-1]
        if name is None or not self._again or self._again[-1] != (self._below(name), ""):
            return self._below(frame.take(word, name, span, module=module))
        path = self._below(frame.take(word, frame.unused(name), span, module=False))
        self._again[-1] = self._again[-1][0], path
        return path

    def _shared(self, path: str) -> str:
        """The path of the item whose tensors this one uses; empty for its own."""
        first = path
        for earlier, now in reversed(self._again):
            if now and (first == now or first.startswith(f"{now}.")):
                first = earlier + first.removeprefix(now)
        return first if first != path else ""

    def add(
        self,
        operator: Operator,
        *inputs: Value,
        name: str | None = None,
        span: Span | None = None,
        initializers: Mapping[str, Initializer] | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> Value:
        """Append an operator and return its only output; see `apply`."""
        return self.apply(operator, *inputs, name=name, span=span, initializers=initializers, keys=keys).output

    def apply(
        self,
        operator: Operator,
        *inputs: Value,
        name: str | None = None,
        span: Span | None = None,
        initializers: Mapping[str, Initializer] | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> Node:
        """Append an operator and return its node.

        By the tensor's local name, `initializers` replaces the operator's own, and `keys` gives others below the scope.
        Raises: ShapeError, NameTaken, TooManyNodes.
        """
        if len(self.nodes) >= self.max_nodes:
            raise TooManyNodes
        frame = self._frames[-1]
        if operator.is_composite():
            path = frame.scope.path + frame.label(operator.word)
        else:
            if operator.arity == 0 and name is not None and "." in name:
                self._open(name.rpartition(".")[0])
            path = self._take(operator.word, name, span, module=operator.arity != 0)
            if path in self._input_names:  # the names of values differ
                raise NameTaken(f"the name '{path}' is that of the network's input")
        types = tuple([value.type for value in inputs])
        try:
            _refuse_integers(operator, types)
            outputs, weights = operator.typed(*types)
            operator.check_ranges(types, [self._ranges.get(value.name) for value in inputs])
        except ShapeError as error:
            error.path = path
            raise
        chosen, shared = initializers or {}, self._shared(path)
        own = tuple([(name, self._key(key, span, shared)) for name, key in (keys or {}).items()])
        parameters = tuple(
            [
                Parameter(tensor_key(shared or path, own, name), shape, chosen.get(name, initializer), dtype, buffer)
                for name, shape, initializer, dtype, buffer in weights
            ]
        )
        if len(outputs) == 1:
            values: tuple[Value, ...] = (Value(path, outputs[0]),)
        else:
            values = tuple([Value(f"{path}:{index}", type) for index, type in enumerate(outputs)])
        node = Node(path, operator, inputs, values, frame.scope.path, span, parameters, shared, own)
        self.nodes.append(node)
        if found := self._range(node):
            self._ranges[node.output.name] = found
        return node

    def _range(self, node: Node) -> Range | None:
        """The range of the integers that a node gives, if it is known."""
        if any(value.type.dtype != INT64 for value in node.outputs):
            return None
        if computed := node.operator.computed():
            return Range(int(min(computed.values)), int(max(computed.values)))
        return self._ranges.get(node.inputs[0].name) if node.operator.moves else None

    def _open(self, name: str) -> None:
        """Make room for a tensor below a layer: the layer's own become tensors beside it, and it no module."""
        frame, path = self._frames[-1], self._below(name)
        place = next((index for index, node in enumerate(self.nodes) if node.path == path), None)
        if place is None or not self.nodes[place].operator.functional:
            return
        node = self.nodes[place]
        names = [weight for weight in node.operator.tensors if node.parameter(weight)]
        self.nodes[place] = replace(node, keys=tuple([(weight, node.key(weight)) for weight in names]))
        span = frame.taken.pop(name, None)
        for weight in names:
            if node.key(weight) == f"{path}.{weight}" and f"{name}.{weight}" not in frame.taken:
                frame.take("", f"{name}.{weight}", span, module=False)

    def _key(self, key: str, span: Span | None, shared: str) -> str:
        """The `state_dict` key below this scope; the scope's of the tensors that are used again. Raises NameTaken."""
        scope = self._frames[-1].scope
        if not shared:
            self._frames[-1].take("", key, span, module=False)
        parent = scope.shares or scope.path
        return f"{parent}.{key}" if parent else key

    def output(self, name: str, value: Value, training_only: bool = False) -> None:
        """Declare an output."""
        self.outputs.append(Output(name, value, training_only))

    def finish(self) -> Graph:
        """The graph."""
        return Graph(self.name, self.inputs, tuple(self.nodes), tuple(self.scopes), tuple(self.outputs))

    def _below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

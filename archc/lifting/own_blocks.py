"""Modules that are what one of archc's own blocks gives, with the fields that make it so.

A block guesses its fields from the operators inside. The guess is compiled, and counts if it gives the same nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from archc.blocks import Layer, block_model, block_words
from archc.diagnostics import ArchcError, Source
from archc.elaborate.elaborator import elaborate
from archc.ir.graph import Graph, Node
from archc.lifting.document import written_input
from archc.lifting.items import Call, Data, Group, Item, calls
from archc.lifting.structure import UNNAMED
from archc.operators.join import Product, Sum
from archc.spec.format import format_document
from archc.spec.loading import parse_text

INPUT, OUTPUT = "input", "output"
PROBE = "probe"

Key = tuple[object, ...]


class Recognizer:
    """Tells which modules of a graph are archc's own blocks; `defaults` are those of the document."""

    def __init__(self, graph: Graph, defaults: Mapping[str, Data]) -> None:
        self._defaults = defaults
        self._nodes: dict[str, list[Node]] = {}
        for node in graph.nodes:
            for scope in _lineage(node.scope):
                self._nodes.setdefault(scope, []).append(node)
        self._probes: dict[str, Key | None] = {}

    def call(self, group: Group) -> Call | None:
        """The call of a block that gives this module; None if there is none."""
        if group.received is None or any(call.init or call.keys for call in calls(group.items)):
            return None
        layers = list(_layers(group.items))
        for word in block_words():
            model = block_model(word)
            fields = model.recognized(layers) if model.numbered == group.numbered else None
            if fields is not None and self._gives(word, fields, group):
                return group.call(word, dict(fields))
        return None

    def _gives(self, word: str, fields: Mapping[str, Data], group: Group) -> bool:
        nodes = self._nodes[group.path]
        mine = _key(nodes, group.path, group.takes, group.gives)
        return mine is not None and mine == self._probe(word, fields, group)

    def _probe(self, word: str, fields: Mapping[str, Data], group: Group) -> Key | None:
        assert group.received is not None, "it was asked before"
        call = {word: {"name": PROBE, **fields}}
        data = {"name": PROBE, "input": written_input(group.received), "defaults": self._defaults, "layers": [call]}
        text = format_document({key: value for key, value in data.items() if value})
        if text not in self._probes:
            try:
                graph = elaborate(parse_text(Source(f"{PROBE}.yaml", text), Path()), {})
                self._probes[text] = _key(graph.nodes, PROBE, INPUT, graph.outputs[0].value.name)
            except ArchcError:
                self._probes[text] = None
        return self._probes[text]


def _lineage(scope: str) -> Iterator[str]:
    while scope:
        yield scope
        scope = scope.rpartition(".")[0]


def _layers(items: Sequence[Item]) -> Iterator[Layer]:
    """The operators inside, in the order in which they run."""
    for item in items:
        if isinstance(item, Call):
            for branch in item.branches:
                yield from _layers(branch)
            yield Layer(item.word, dict(item.fields))
        elif isinstance(item, Group):
            yield from _layers(item.items)


def _key(nodes: Sequence[Node], path: str, takes: str, gives: str) -> Key | None:
    """What nodes compute from one value and under which names: equal for equal modules. None for several inputs."""
    keys: dict[str, Key] = {takes: (INPUT,)}
    for node in nodes:
        if not all(value.name in keys for value in node.inputs):
            return None
        inputs = [keys[value.name] for value in node.inputs]
        if isinstance(node.operator, Sum | Product) and len(inputs) == 2:
            inputs.sort(key=repr)  # the same to the last bit in either order
        named = bool(node.parameters) and UNNAMED not in node.path
        name = node.path.removeprefix(f"{path}.") if named else ""
        keys[node.output.name] = (node.operator, name, *inputs)
    return keys.get(gives)

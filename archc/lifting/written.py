"""What a node's fields, initializers and keys are in a spec."""

from __future__ import annotations

from archc.ir.graph import Node
from archc.ir.initializers import Initializer
from archc.ir.operator import Operator
from archc.lifting.items import Data


def fields_of(operator: Operator) -> dict[str, Data]:
    """The fields that differ from their defaults, as YAML has them, in the operator's order."""
    return {name: plain(value) for name, value in operator.attributes().items()}


def plain(value: object) -> Data:
    """A value with lists in place of tuples."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return {key: plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def init_of(node: Node) -> dict[str, Data]:
    """The initializers that are not the operator's own, by the tensor's name."""
    own, found = own_initializers(node), ((name, node.parameter(name)) for name in node.operator.tensors)
    started = {name: written_initializer(parameter.initializer) for name, parameter in found if parameter is not None}
    return {name: each for name, each in started.items() if name in own and each != own[name]}


def own_initializers(node: Node) -> dict[str, Data]:
    """The initializers that the operator's tensors have if none are written, by the tensor's name."""
    _, weights = node.operator.typed(*[value.type for value in node.inputs])
    return {weight.name: written_initializer(weight.initializer) for weight in weights if node.parameter(weight.name)}


def written_initializer(initializer: Initializer) -> Data:
    """A word, or a word with the fields that differ from their defaults."""
    fields = initializer.model_dump(exclude_defaults=True)
    first = next(iter(type(initializer).model_fields), None)
    if not fields:
        return initializer.word
    alone = first is not None and list(fields) == [first]
    return {initializer.word: next(iter(fields.values())) if alone else fields}

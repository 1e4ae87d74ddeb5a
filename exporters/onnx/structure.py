"""Holds an ONNX file to the exporter's, apart from the tensors' values: interface, opset, and node for node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archc.ir.graph import Graph, Node

from .builder import OnnxBuilder

if TYPE_CHECKING:
    import onnx


class Origins:
    """Where the nodes and tensors of an emitted graph come from."""

    def __init__(self, graph: Graph, emitted: OnnxBuilder) -> None:
        nodes = {value.name: node for node in graph.nodes for value in node.outputs}
        values = {name: node.value for node in emitted.nodes for name in (node.name, *node.outputs)}
        values |= {initializer.name: initializer.value for initializer in emitted.initializers}
        self._nodes = {name: nodes[value] for name, value in values.items() if value in nodes}

    def of(self, name: str) -> str:
        """` (conv2d layer1.0.conv1, specs/resnet18.yaml:18)` for a name in the file; nothing for one of no node."""
        node = self._nodes.get(name)
        return f" ({', '.join(filter(None, (_called(node), node.position)))})" if node else ""


def structure_differences(model: onnx.ModelProto, expected: onnx.ModelProto, origins: Origins) -> list[str]:
    """What is otherwise in a file than in the exporter's message; the order of nodes does not count."""
    return [
        *_header(model, expected),
        *_values("input", model.graph.input, expected.graph.input),
        *_values("output", model.graph.output, expected.graph.output),
        *_nodes(model.graph, expected.graph, origins),
        *_declarations(model.graph.value_info, expected.graph.value_info, origins),
    ]


def _header(model: onnx.ModelProto, expected: onnx.ModelProto) -> Iterator[str]:
    opsets, wanted = ({entry.domain: entry.version for entry in each.opset_import} for each in (model, expected))
    if opsets != wanted:
        yield f"the file is of opset {_listed(opsets)}, not {_listed(wanted)}"
    if model.ir_version != expected.ir_version:
        yield f"the file is of IR version {model.ir_version}, not {expected.ir_version}"
    if model.functions or model.graph.sparse_initializer:
        yield "the file has functions or sparse tensors, which archc does not write"


def _listed(opsets: Mapping[str, int]) -> str:
    return ", ".join(f"{domain} {version}".strip() for domain, version in sorted(opsets.items()))


def _values(what: str, found: Any, expected: Any) -> Iterator[str]:
    """Differences of the graph's inputs or outputs, whose order counts."""
    names, wanted = ([value.name for value in values] for values in (found, expected))
    if names != wanted:
        yield f"the file's {what}s are {', '.join(names)}, not {', '.join(wanted)}"
        return
    for value, other in zip(found, expected, strict=True):
        if value.type != other.type:
            yield f"the {what} {value.name} is declared as {_type(value)}, not {_type(other)}"


def _declarations(found: Any, expected: Any, origins: Origins) -> Iterator[str]:
    """Differences of the declared types of what lies between the nodes, whose order does not count."""
    declared, wanted = ({value.name: value for value in values} for values in (found, expected))
    for name, value in wanted.items():
        if name not in declared:
            yield f"the tensor {name} is not declared{origins.of(name)}"
        elif declared[name].type != value.type:
            yield f"the tensor {name} is declared as {_type(declared[name])}, not {_type(value)}{origins.of(name)}"
    yield from (f"the file declares the tensor {name}, which no node gives" for name in declared if name not in wanted)
    if len(declared) < len(found):
        yield "the file declares a tensor twice"


def _type(value: onnx.ValueInfoProto) -> str:
    from onnx import TensorProto

    tensor = value.type.tensor_type
    dims = (dim.dim_param or str(dim.dim_value) for dim in tensor.shape.dim)
    return f"{TensorProto.DataType.Name(tensor.elem_type).lower()} [{', '.join(dims)}]"


def _nodes(graph: onnx.GraphProto, expected: onnx.GraphProto, origins: Origins) -> Iterator[str]:
    found, wanted = ({node.name: node for node in each.node} for each in (graph, expected))
    for name, node in wanted.items():
        if name not in found:
            yield f"{name} is missing{origins.of(name)}"
        else:
            yield from (f"{name} {what}{origins.of(name)}" for what in _changes(found[name], node))
    yield from (f"{name or 'a node without a name'} is not in the network" for name in found if name not in wanted)
    if len(found) < len(graph.node):
        yield "several nodes have the same name"


def _changes(node: onnx.NodeProto, expected: onnx.NodeProto) -> Iterator[str]:
    for what in ("op_type", "domain", "input", "output"):
        mine, others = getattr(node, what), getattr(expected, what)
        if mine != others:
            yield f"has {what} {_shown(mine)}, not {_shown(others)}"
    attributes, wanted = ({attribute.name: attribute for attribute in each.attribute} for each in (node, expected))
    for name in sorted(attributes.keys() | wanted.keys()):
        mine, others = attributes.get(name), wanted.get(name)
        if mine != others:
            yield f"has {name} {_value(mine)}, not {_value(others)}"


def _shown(value: Any) -> str:
    return value or "none" if isinstance(value, str) else ", ".join(value)


def _value(attribute: onnx.AttributeProto | None) -> str:
    from onnx import helper

    if attribute is None:
        return "none"
    try:
        value = helper.get_attribute_value(attribute)
    except ValueError:  # of a type that ONNX does not have, or another function's
        return "a value that cannot be read"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        value = list(value)
    return str(value)


def _called(node: Node) -> str:
    return f"{node.operator.word} {node.path}"

"""The printed form of a graph: stable, complete, made to be read and compared."""

from __future__ import annotations

import hashlib

from archc.ir.graph import Graph, Node, Output
from archc.ir.types import SymbolicDim


def print_graph(graph: Graph, *, positions: bool = False) -> str:
    """One line for each node: value, operator with the fields that differ from their defaults, inputs, and type.

    A value has the path of the module that gives it; where a pass changed that, the module's path follows the operator.

    With `positions`, each line ends in the position of the item that produced the node.
    """
    rows = [_row(node, positions) for node in graph.nodes]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    lines = [f"graph {graph.name}", *(f"  {value.name}: {value.type}" for value in graph.inputs)]
    lines += [f"  {size}" for size in _dynamic_sizes(graph)]
    lines += ["  " + _aligned(row, widths) for row in rows]
    lines += [f"  {_output(output)}" for output in graph.outputs]
    return "\n".join(lines) + "\n"


def fingerprint(graph: Graph) -> str:
    """SHA-256 of the structure: the printed form without the network's name, and every parameter's key and shape."""
    digest = hashlib.sha256(print_graph(graph).partition("\n")[2].encode())
    for parameter in graph.parameters():
        digest.update(f"{parameter.path} {parameter.dtype}{list(parameter.shape)}\n".encode())
    return digest.hexdigest()


def _dynamic_sizes(graph: Graph) -> list[str]:
    """The ranges of dynamic heights and widths; the batch's range is a hint to runtimes, not part of the structure."""
    dims = (dim for value in graph.inputs for dim in value.type.shape[1:] if isinstance(dim, SymbolicDim))
    lines = (f"{dim.symbol}: {dim.minimum} to {dim.maximum}, usually {dim.optimum}" for dim in dims)
    return list(dict.fromkeys(lines))


def _row(node: Node, positions: bool) -> list[str]:
    inputs = ", ".join(value.name for value in node.inputs)
    names = ", ".join(value.name for value in node.outputs)
    folded = f" {node.path}" if len(node.outputs) == 1 and node.path != names else ""
    call = node.operator.word + folded + _fields(node)
    position = f"  # {node.span.source.name}:{node.span.line + 1}" if positions and node.span else ""
    types = ", ".join(str(value.type) for value in node.outputs)
    return [names, f"{call}({inputs})", f"{types}{position}"]


def _fields(node: Node) -> str:
    fields = node.operator.attributes()
    return f"[{', '.join(f'{name}={_literal(value)}' for name, value in fields.items())}]" if fields else ""


def _literal(value: object) -> str:
    # A tuple stands in Python's brackets, as it does in the fingerprints that builds carry.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _aligned(row: list[str], widths: list[int]) -> str:
    return f"{row[0]:<{widths[0]}} = {row[1]:<{widths[1]}} : {row[2]}"


def _output(output: Output) -> str:
    return f"return {output.name} = {output.value.name}{'  (training only)' if output.training_only else ''}"

"""A module that archc built, lifted again, and what its graph has in common with that of the spec.

What a module does not show is left out: the order of nodes that do not depend on each other, so that each names its
inputs by place; how a move of axes is written; the size of the input where a spec repeats it; a stride that is the
kernel's size; and one size for both axes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from archc.diagnostics import Source
from archc.elaborate.elaborator import elaborate
from archc.ir.graph import Graph, Node
from archc.ir.types import TensorType
from archc.lifting.decompile import spec_text
from archc.lifting.lift import traced
from archc.operators.arrangement import Permute
from archc.operators.rearrangement import Rearrange, parse
from archc.spec.loading import parse_text


def lifted_again(module: nn.Module, graph: Graph) -> Graph:
    """The graph of the spec to which the module of a graph is lifted. Raises: LiftError; SpecError."""
    found, _ = traced(module, {value.name: shape(value.type) for value in graph.inputs}, graph.name)
    spec = parse_text(Source("lifted.yaml", spec_text(found, foreign=True)), Path())
    return elaborate(spec, spec.resolve({}))


def shape(type: TensorType) -> list[int]:
    """The sizes without the batch; a dynamic one as its optimum."""
    return [size if isinstance(size, int) else size.at(size.optimum) for size in type.shape[1:]]


def lines(graph: Graph) -> list[list[str]]:
    """What each node computes of what, with which tensors: by how far it is from the inputs, and then by its text."""
    places = {value.name: str(index) for index, value in enumerate(graph.inputs)}
    depths = dict.fromkeys(places, 0)
    levels: dict[int, list[Node]] = {}
    for node in graph.nodes:
        depth = 1 + max((depths[value.name] for value in node.inputs), default=0)
        depths |= {value.name: depth for value in node.outputs}
        levels.setdefault(depth, []).append(node)
    found = []
    for depth in sorted(levels):
        ordered = sorted(levels[depth], key=lambda node: _line(node, places))
        found.append([_line(node, places) for node in ordered])
        for node in ordered:
            places |= {value.name: str(len(places)) for value in node.outputs}
    return [*found, [f"{places[output.value.name]} {output.training_only}" for output in graph.outputs]]


def _line(node: Node, places: Mapping[str, str]) -> str:
    inputs = ", ".join(places[value.name] for value in node.inputs)
    tensors = ", ".join(f"{each.path}: {each.shape}" for each in node.parameters)
    return f"{_move(node) or _operator(node)} of {inputs} is {shape(node.output.type)} by {tensors}"


def _move(node: Node) -> str | None:
    """A move of axes as the sizes of the pieces that they are cut into, by their new order; those of 1 are nowhere."""
    x = node.inputs[0].type if node.inputs else node.output.type
    match node.operator:
        case Permute(dims=dims):
            pieces, order = x.shape, list(dims)
        case Rearrange() as rearrange:
            pattern, known = parse(rearrange.pattern), rearrange.known(x)
            pieces = tuple(known[name] for name in pattern.names)
            order = [pattern.names.index(name) for group in pattern.right for name in group]
        case _:
            return None
    real = [place for place, size in enumerate(pieces) if size != 1]
    return f"move {[str(pieces[place]) for place in real]} to {[real.index(place) for place in order if place in real]}"


def _operator(node: Node) -> str:
    """The text of an operator, with defaults as what they mean."""
    text = f"{node.operator.word} {node.operator}"
    text = re.sub(r"kernel_size=(\([\d, ]*\)) stride=None", r"kernel_size=\1 stride=\1", text)
    text = re.sub(r" size=\((\d+),\)", r" size=(\1, \1)", text)
    return re.sub(r" (in_features|in_channels)=\d+", r" \1=None", text)

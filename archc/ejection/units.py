"""Reads the regions of a graph as units.

The constants of a line (numbers, texts) are its slots: where a class has several instances they may differ.
"""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from archc.blocks import Layer, block_model, block_words
from archc.diagnostics import Span
from archc.ejection.constructors import constructor, single
from archc.ejection.inlined import expression
from archc.ejection.lines import OF_A_USE, Line, Unit, number_keys
from archc.ejection.notes import Notes
from archc.elaborate import Trace
from archc.ir.graph import Graph, Node, Value
from archc.ir.types import TensorType
from archc.nn.build import overwritable
from archc.nn.regions import Region, Step, cut
from archc.operators.arrangement import Flatten


def read(graph: Graph, trace: Trace, notes: Notes) -> Unit:
    """The whole network as one unit, with the others inside."""
    unit = _Reader(graph, trace, notes).unit(cut(graph))
    return replace(unit, outputs=tuple([output.value.name for output in graph.outputs]), chain=False)


class _Reader:
    def __init__(self, graph: Graph, trace: Trace, notes: Notes) -> None:
        self._trace, self._notes = trace, notes
        self._overwritable = overwritable(graph)
        self._types = {value.name: value.type for value in graph.values()}
        self._kept = {node.path for node in graph.at_inference().nodes}
        self._python = {block_model(word).__name__ for word in block_words()}

    def unit(self, region: Region, in_python: bool = False, marked: Mapping[str, Value] | None = None) -> Unit:
        """A region as a unit; `marked` are the values with names around it."""
        scope, traced = region.scope, region.scope.path in self._trace.inside
        marked = self._trace.marked.get(scope.path, marked or {})
        in_python = scope.class_name in self._python or (in_python and not traced)
        lines = list(self._lines(region, in_python, marked))
        sequence = region.is_sequence()
        if not sequence:
            _share(lines)
        number_keys(lines)
        self._complete(lines)
        taken = self._types[region.inputs[0]] if region.inputs else None
        names = _of_last_axis(self._names(region, taken, in_python), lines, taken)
        return Unit(
            scope.class_name if traced else re.sub("[0-9]+$", "", scope.class_name) or scope.class_name,
            scope.path, lines, region.inputs, region.outputs, names,
            sequence and region.is_chain(), sequence, scope.span, taken,
            {value.name: name for name, value in marked.items() if not keyword.iskeyword(name)},
        )  # fmt: skip

    def _lines(self, region: Region, in_python: bool, marked: Mapping[str, Value]) -> Iterator[Line]:
        children = {child.scope.path: child for child in region.children}
        paths = {part.scope.path if isinstance(part, Region) else part.path: None for part in region.parts}
        for path, step in zip(paths, region.steps, strict=True):
            if path not in children:
                line = self._node(step, region)
            elif step.used:
                line = _shared(step)
            else:
                unit = self.unit(children[path], in_python, marked)
                line = self._child(children[path], unit, step, region.is_sequence())
            yield replace(line, key=line.bare, span=None) if in_python else line

    def _complete(self, lines: list[Line]) -> None:
        """Side effect: lines get the types of their inputs; where all run in training only, that is said outside."""
        whole = all(line.training for line in lines)
        for line in lines:
            line.training &= not whole
            line.type = self._types[line.inputs[0]] if line.inputs else None

    def _names(self, region: Region, taken: TensorType | None, in_python: bool) -> dict[str, Any]:
        scope = region.scope
        around = self._trace.around.get(scope.path, {})
        names, traced = _plain(self._trace.inside.get(scope.path, around), in_python), scope.path in self._trace.inside
        if scope.path and taken and taken.ndim > 1 and (not traced or self._takes_another(region, names)):
            names |= _plain({"in_channels": taken.shape[1], "in_features": taken.shape[-1]})
        return names

    def _takes_another(self, region: Region, names: Mapping[str, Any]) -> bool:
        """True if a block computes from one value, which is given by name and not the one before."""
        shape = self._types[region.inputs[0]].shape
        return len(region.inputs) == 1 and names.get("in_channels", shape[1]) != shape[1]

    def _key(self, span: Span | None, bare: tuple[Any, ...]) -> tuple[Any, ...]:
        """What tells a line from others of its unit: its place in a block, if it has one, else its name."""
        return (span[1:], bare[1]) if span is not None and span in self._notes.in_blocks else bare

    def _child(self, region: Region, unit: Unit, step: Step, sequence: bool) -> Line:
        plain = unit.chain and unit.word == "Sequential"
        name = re.sub("[0-9]+", "#", "" if sequence and step.name.isdigit() else step.name)
        bare, span = (name, "group" if plain else unit.word), region.scope.span
        return Line(
            self._key(span, bare), bare, "group" if plain else "block", step.name, step.inputs, step.outputs, span,
            self._trace.around.get(region.scope.path, {}), ast.Call(ast.Name(unit.word), [], []), child=unit,
            training=not any(node.path in self._kept for node in region.nodes),
        )  # fmt: skip

    def _module(self, step: Step, region: Region) -> Line:
        """An expression that is a module of its own."""
        line = self._node(replace(step, inline=True), region)
        assert line.node is not None, "an expression is a node"
        word, type_ = type(line.node.operator).__name__, self._types[step.inputs[0]]
        number_keys([inner := replace(line, name="", type=type_, key=(line.node.operator.word, "expression"))])
        unit = Unit(word, line.node.path, [inner], step.inputs, step.outputs, {}, False, False, None, type_)
        key = (*line.key[:1], word)
        return replace(line, key=key, role="block", call=ast.Name(word), slots={}, tensors=(), child=unit, node=None)

    def _node(self, step: Step, region: Region) -> Line:
        node = step.node
        assert node is not None, "a region is a child"
        flattens = isinstance(node.operator, Flatten) and not region.is_sequence() and "." not in step.name
        inlined = node.operator.is_expression() or bool(node.keys) or (flattens and not step.used)
        if inlined and not (step.inline or flattens):
            return self._module(step, region)
        role, call, slots, tensors = ("expression", *expression(node, region)) if inlined else self._layer(node, step)
        kind = _kind(role, call, slots)
        own = "" if kind == "layer" or (region.is_sequence() and step.name.isdigit()) else step.name
        own = own or (node.operator.word if inlined else "")
        bare = (re.sub("[0-9]+", "#", own), kind)
        return Line(
            self._key(node.span, bare), bare, role, step.name, step.inputs, step.outputs, node.span,
            self._trace.around.get(node.path, {}), call, slots, tensors, node=node, again=step.used,
            training=node.path not in self._kept,
        )  # fmt: skip

    def _layer(self, node: Node, step: Step) -> tuple[str, ast.expr, dict[str, Any], tuple[()]]:
        call, slots = constructor(node)
        if node.operator.in_place and step.inputs[0] in self._overwritable:
            slots["inplace"] = True
        return "layer", call, slots, ()


def _of_last_axis(names: dict[str, Any], lines: list[Line], taken: TensorType | None) -> dict[str, Any]:
    """The names, where axis 1 is no channels if all layers work along the last axis."""
    other = {3: "tokens", 4: "height"}.get(taken.ndim if taken else 0, "in_channels")
    if other in names or {"in_channels", "num_features", "num_channels"} & (arguments := set(_arguments(lines))):
        return names
    last = bool({"in_features", "normalized_shape"} & arguments)
    return {other if last and name == "in_channels" else name: value for name, value in names.items()}


def _arguments(lines: list[Line]) -> Iterator[str]:
    """The names of what layers are constructed with, those inside of others included."""
    for line in lines:
        if line.child:
            yield from _arguments(line.child.lines)
        elif line.role == "layer":
            yield from line.slots


def _shared(step: Step) -> Line:
    """A module that is run again."""
    key = ("shared", "")
    return Line(
        key, key, "layer", step.name, step.inputs, step.outputs, None, {}, ast.Name("shared"), again=True
    )  # fmt: skip


def _kind(role: str, call: ast.expr, slots: Mapping[str, Any]) -> str:
    """What a line must share with another that is to be the same line of a class."""
    if role == "layer" and set(slots) <= {"inplace"}:
        return "layer"  # any without arguments: an activation, which a block may be given
    return f"{role} {ast.unparse(call)}"


def _share(lines: list[Line]) -> None:
    """Side effect: a layer without tensors or a name of its own is the one before that is the same."""
    known: dict[str, str] = {}
    for line in lines:
        if line.role == "layer" and line.node and not line.node.parameters and not line.again:
            said = f"{re.sub(r'_[0-9]+$', '', line.name)} {ast.dump(line.call)} {line.slots}"
            line.again = said in known
            line.name = known.setdefault(said, line.name)


def _plain(names: Mapping[str, Any], in_python: bool = False) -> dict[str, Any]:
    """The values that a constructor may be given; of a block in Python, which has pairs only, one number for two."""
    kinds = (bool, int, float, str, tuple, Layer, type(None))
    known = dict(getattr(names, "names", names))
    found = {name: value for name, value in known.items() if isinstance(value, kinds) and name not in OF_A_USE}
    return {name: single(name, value) for name, value in found.items()} if in_python else found

"""Finds where two sides part: the first value that one computes and the other never does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from archc.compare.outputs import tensors
from archc.compare.places import attributes, module_place, node_name, node_place, submodule
from archc.compare.report import Difference
from archc.compare.sides import Sides, comparable
from archc.compare.trace import Call, Known, Print, Printer, Recorder, Step, apart, leading, node_steps
from archc.ir.graph import Graph, Node


def part(
    sides: Sides,
    inputs: Sequence[torch.Tensor],
    check: str,
    message: str,
    *,
    training: bool,
    uniform: float | None = None,
) -> Difference:
    """The difference in outputs that `message` tells, with the first place on either side.

    Values are looked up on the other side, so that an expression between modules is found as well as a module.
    """
    node, call = _first(sides, inputs, training, uniform)
    path = node.module if node and ":" not in node.path else call.path if call else node.scope if node else ""
    details = [f"they part at {_named(node, call)}"] if node or call else []
    details += attributes(submodule(sides.ours, path), submodule(sides.theirs, path))
    place = node_place(node) if node else None
    return Difference(check, message, path, place, _call_place(sides, call) if call else None, tuple(details))


def _first(
    sides: Sides, inputs: Sequence[torch.Tensor], training: bool, uniform: float | None
) -> tuple[Node | None, Call | None]:
    for module in (sides.ours, sides.theirs):
        module.train(training)
    graph = sides.graph if training else sides.graph.at_inference()
    with torch.no_grad(), comparable():
        with Recorder(sides.theirs, uniform) as theirs:
            results = _results(sides.theirs, inputs)
        with Recorder(sides.ours, uniform):
            ours = node_steps(graph, sides.ours, inputs)
    given = Printer().prints(inputs)
    way = leading(theirs.steps, theirs.of(results) or range(len(theirs.steps)))
    node = next(apart(ours, range(len(ours)), _known(theirs.steps, way, given)), None)
    call = next(apart(theirs.steps, way, _known(ours, range(len(ours)), given)), None)
    return (_earlier(graph, node, call) if node else None), call


def _known(steps: Sequence[Step[Any]], way: Sequence[int], given: Sequence[Print]) -> Known:
    return Known([*given, *(each for index in way for each in steps[index].prints)])


def _earlier(graph: Graph, node: Node, call: Call | None) -> Node:
    """The node that leaves the module, or that of the module in which the call does, if it comes first.

    In training a dropout's own value is its input, so that the node behind it would be the first.
    """
    own = (each for each in graph.nodes if call and each.name and each.module == call.path)
    return min(node, next(own, node), key=graph.nodes.index)


def _results(module: nn.Module, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The outputs; none if the module fails on its way, up to where it was recorded."""
    try:
        return [each.tensor for each in tensors(module(*[each.clone() for each in inputs]))]
    except Exception:
        return []


def _named(node: Node | None, call: Call | None) -> str:
    if node is None:
        return f"the module's {call.name}, after all that the spec computes" if call else ""
    return f"the {node_name(node)}{'' if call else ', which the module does not compute'}"


def _call_place(sides: Sides, call: Call) -> str:
    where = module_place(sides.theirs, call.path)
    return f"{call.name} in {where}{f', called at {call.line}' if call.line else ''}"

"""Evaluates single nodes of a graph, from inputs that the caller chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from archc.ir.graph import Graph, Node
from archc.nn.lowering import EXPRESSIONS


class Interpreter:
    """The nodes of a graph with the layers of a module that was built from it, in the module's precision and mode."""

    def __init__(self, graph: Graph, module: nn.Module) -> None:
        self._producers = {node.output.name: node for node in graph.nodes}
        self._module = module

    def value(self, name: str, given: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """A value computed from given ones, through all nodes that lie between.

        Raises KeyError if it depends on a value that is neither given nor computed by a node.
        """
        known = dict(given)
        with torch.no_grad():
            for node in self._between(name, given):
                known[node.output.name] = self._apply(node, [known[value.name] for value in node.inputs])
        return known[name]

    def _between(self, name: str, given: Mapping[str, torch.Tensor]) -> list[Node]:
        """The nodes that lead from given values to this one, in topological order."""
        order: dict[str, Node] = {}
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in given or current in order:
                waiting.pop()
                continue
            node = self._producers[current]
            missing = [v.name for v in node.inputs if v.name not in given and v.name not in order]
            if missing:
                waiting.extend(missing)
            else:
                order[current] = node
                waiting.pop()
        return list(order.values())

    def _apply(self, node: Node, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        if node.operator.word in EXPRESSIONS:
            names = [f"x{index}" for index in range(len(inputs))]
            result: torch.Tensor = _function(EXPRESSIONS[node.operator.word](node.operator, *names), len(inputs))(
                *inputs
            )
            return result
        # A ReLU may work in place, and the inputs are the caller's.
        layer = self._module.get_submodule(node.path)
        output: torch.Tensor = layer(*(x.clone() if getattr(layer, "inplace", False) else x for x in inputs))
        return output


@cache
def _function(expression: str, arity: int) -> Callable[..., Any]:
    names = ", ".join(f"x{index}" for index in range(arity))
    function: Callable[..., Any] = eval(f"lambda {names}: {expression}", {"torch": torch})
    return function

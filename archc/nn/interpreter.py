"""Evaluates single nodes of a graph, from inputs that the caller chooses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import nn

from archc.ir.graph import Graph, Node
from archc.nn.codegen import NAMESPACE, node_source


class Interpreter:
    """The nodes of a graph with the layers of a module that was built from it, in the module's mode.

    They compute in the module's precision.
    """

    def __init__(self, graph: Graph, module: nn.Module) -> None:
        self._producers = {value.name: node for node in graph.nodes for value in node.outputs}
        self._module = module

    def value(self, name: str, given: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """A value computed from given ones, through all nodes that lie between.

        Raises KeyError if it depends on a value that is neither given nor computed by a node.
        """
        known = dict(given)
        with torch.no_grad():
            for node in self.between(name, given):
                outputs = self._apply(node, [known[value.name] for value in node.inputs])
                known.update(zip([value.name for value in node.outputs], outputs, strict=True))
        return known[name]

    def between(self, name: str, given: Collection[str]) -> list[Node]:
        """The nodes that lead from given values to this one, in topological order."""
        order: dict[str, Node] = {}  # by path
        computed: set[str] = set(given)
        waiting = [name]
        while waiting:
            if waiting[-1] in computed:
                waiting.pop()
                continue
            node = self._producers[waiting[-1]]
            missing = [value.name for value in node.inputs if value.name not in computed]
            if missing:
                waiting.extend(missing)
            else:
                order[node.path] = node
                computed.update(value.name for value in node.outputs)
        return list(order.values())

    def _apply(self, node: Node, inputs: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        if node.operator.is_expression() or node.keys:
            names = [f"x{index}" for index in range(len(inputs))]
            own: dict[str, str] = {}  # names in the expression, by key
            source = node_source(node, names, lambda key: own.setdefault(key, f"own{len(own)}"))
            used = [key for key, name in own.items() if name in source]
            function = _function(source, (*[own[key] for key in used], *names))
            outputs = function(*map(self._tensor, used), *inputs)
        else:  # it may work in place, and the inputs are the caller's
            layer = self._module.get_submodule(node.module)
            given = tuple([x.clone() if getattr(layer, "inplace", False) else x for x in inputs])
            outputs = layer(*given)
        return outputs if len(node.outputs) > 1 else (outputs,)

    def _tensor(self, key: str) -> torch.Tensor:
        path, _, name = key.rpartition(".")
        tensor: torch.Tensor = getattr(self._module.get_submodule(path), name)
        return tensor.detach()


@cache
def _function(expression: str, names: tuple[str, ...]) -> Callable[..., Any]:
    function: Callable[..., Any] = eval(f"lambda {', '.join(names)}: {expression}", dict(NAMESPACE))
    return function

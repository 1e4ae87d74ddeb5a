"""Assembles the module tree of a graph and gives it its weights."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from archc.ir.graph import Graph, Node
from archc.nn.codegen import class_source, forward_source, new_module
from archc.nn.lowering import EXPRESSIONS, MODULES
from archc.nn.regions import Region, cut
from archc.ir.inference import inference_graph

_PRODUCERS_WITHOUT_SAVED_OUTPUT = {"batch_norm", "conv2d", "sum"}


def build_module(graph: Graph, weights: Mapping[str, np.ndarray]) -> nn.Module:
    """The network as nested modules, in training mode, with these weights (their memory is shared, not copied).

    Every scope is a module that can be called alone; scopes whose items form a chain are nn.Sequential. A network with
    several outputs returns a NamedTuple; auxiliary heads run in training mode only.
    """
    region = cut(graph)
    module = _assemble(region, _overwritable(graph), root_of=graph)
    for node in graph.nodes:
        _give_weights(module, node, weights)
    return module


def _assemble(region: Region, overwritable: set[str], root_of: Graph | None = None) -> nn.Module:
    if region.scope.sequence and region.scope.class_name == "Sequential" and region.is_chain():
        module: nn.Module = nn.Sequential()
    else:
        module = new_module(region.scope.class_name, _source(region, root_of))
    children = {child.scope.name: child for child in region.children.values()}
    for step in region.steps:
        if step.name in children:
            _attach(module, step.name, _assemble(children[step.name], overwritable))
        elif step.node is not None and step.node.operator.word not in EXPRESSIONS:
            _attach(module, step.name, _layer(step.node, overwritable))
    return module


def _source(region: Region, root_of: Graph | None) -> str:
    if root_of is None:
        body = list(forward_source(region.inputs, region.steps, [(name, name) for name in region.outputs]))
        return class_source(region.scope.class_name, [body], region.inputs, [])
    graphs = [root_of, inference_graph(root_of)]
    bodies, tuples = [], []
    for graph, name in zip(graphs, ("TrainingOutputs", "Outputs"), strict=True):
        outputs = [(output.name, output.value.name) for output in graph.outputs]
        bodies.append(list(forward_source(region.inputs, cut(graph).steps, outputs, name)))
        if len(outputs) > 1:
            tuples.append(f"{name} = namedtuple({name!r}, {[output for output, _ in outputs]})")
    if len(graphs[0].outputs) == len(graphs[1].outputs):
        bodies, tuples = bodies[1:], tuples[1:]
    return class_source(region.scope.class_name, bodies, region.inputs, tuples)


def _attach(module: nn.Module, path: str, child: nn.Module) -> None:
    *containers, name = path.split(".")
    for container in containers:
        if container not in module._modules:
            module.add_module(container, nn.Module())
        module = module.get_submodule(container)
    module.add_module(name, child)


def _layer(node: Node, overwritable: set[str]) -> nn.Module:
    module = MODULES[node.operator.word](node.operator, node)
    if isinstance(module, nn.ReLU) and node.inputs[0].name in overwritable:
        module.inplace = True
    return module


def _overwritable(graph: Graph) -> set[str]:
    """Values that a ReLU may overwrite: used once, in the scope that produced them, by an operator whose backward pass
    does not need its output."""
    uses = [value.name for node in graph.nodes for value in node.inputs]
    uses += [output.value.name for output in graph.outputs]
    shared = {name for name, following in pairwise(sorted(uses)) if name == following}
    scopes = {node.inputs[0].name: node.scope for node in graph.nodes}
    return {
        node.output.name
        for node in graph.nodes
        if node.operator.word in _PRODUCERS_WITHOUT_SAVED_OUTPUT
        and node.output.name not in shared
        and scopes.get(node.output.name) == node.scope
    }


def _give_weights(root: nn.Module, node: Node, weights: Mapping[str, np.ndarray]) -> None:
    if not node.parameters:
        return
    module = root.get_submodule(node.path)
    for parameter in node.parameters:
        tensor = torch.from_numpy(weights[parameter.path])
        name = parameter.path.removeprefix(f"{node.path}.")
        if parameter.buffer:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = nn.Parameter(tensor)

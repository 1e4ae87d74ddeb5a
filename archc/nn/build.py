"""Assembles the module tree of a graph and gives it its weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from archc.ir.graph import Graph, Node
from archc.nn.codegen import (
    FixedSequential,
    GeneratedModule,
    GeneratedSequential,
    class_source,
    forward_source,
    new_module,
    parameters,
)
from archc.nn.prototypes import computed, new_layer
from archc.nn.regions import Region, Step, cut

ONLY = "input"  # what an input is called that a spec gives no name


def build_module(graph: Graph, weights: Mapping[str, np.ndarray], *, named_outputs: bool = True) -> nn.Module:
    """The network as nested modules, in training mode, with these weights (their memory is shared, not copied).

    Every scope is a module that can be called alone; scopes whose items form a chain are nn.Sequential. A network with
    several outputs returns a NamedTuple, or without `named_outputs` a plain tuple; auxiliary heads run in training
    only.
    """
    module = assemble_module(graph, named_outputs=named_outputs)
    give_weights(module, graph, weights)
    return module


def assemble_module(graph: Graph, *, named_outputs: bool = True) -> nn.Module:
    """The same modules, whose tensors have no values yet: `give_weights` follows."""
    region = cut(graph)
    return _assemble(region, _network_source(graph, region, named_outputs), overwritable(graph))


def give_weights(module: nn.Module, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
    """Give an assembled module its tensors; their memory is shared, not copied."""
    for node in graph.nodes:
        _give_weights(module, node, weights)


def _assemble(region: Region, source: str, overwritable: set[str]) -> nn.Module:
    module = new_module(region.scope.class_name, source) if source else nn.Sequential()
    children = {child.scope.name: child for child in region.children if not child.scope.shares}
    for step in region.steps:
        if step.used:
            continue
        if step.name in children:
            child = children[step.name]
            _attach(module, step.name, _assemble(child, _source(child), overwritable))
        elif not step.inline:
            _attach(module, step.name, _layer(step, overwritable))
        elif step.node and step.node.keys:
            for parameter in step.node.parameters:
                below = parameter.path.removeprefix(f"{region.scope.path}.") if region.scope.path else parameter.path
                _container(module, below.split(".")[:-1])
        elif step.node and step.node.operator.arity == 0 and not step.node.parameters:
            *containers, name = step.name.split(".")
            _container(module, containers).register_buffer(name, computed(step.node.operator), persistent=False)
    return module


def _source(region: Region) -> str:
    """Source of a scope's class; empty where that is nn.Sequential itself."""
    name = region.scope.class_name
    if region.is_sequence() and region.is_chain():
        return "" if name == "Sequential" else class_source(name, [], [], base=GeneratedSequential)
    body = list(forward_source(region.inputs, region.steps, [(name, name) for name in region.outputs]))
    base = FixedSequential if region.is_sequence() else GeneratedModule
    return class_source(name, [body], parameters(region.inputs), base=base)


def _network_source(graph: Graph, region: Region, named_outputs: bool) -> str:
    """Source of the whole network's class: one body, or one for training and one for inference."""
    inference = graph.at_inference()
    named_inputs = list(region.inputs) != [ONLY]
    variants = {"Outputs": inference} if inference is graph else {"TrainingOutputs": graph, "Outputs": inference}
    bodies, tuples = [], []
    for name, variant in variants.items():
        outputs = [(output.name, output.value.name) for output in variant.outputs]
        named = named_outputs and len(outputs) > 1
        if named:
            tuples.append(f"{name} = named_outputs({name!r}, {[output for output, _ in outputs]})")
        steps = region.steps if variant is graph else cut(variant).steps
        results = name if named else ""
        bodies.append(list(forward_source(region.inputs, steps, outputs, results, named=named_inputs)))
    taken = region.inputs if named_inputs else parameters(region.inputs)
    return class_source(region.scope.class_name, bodies, taken, tuples)


def _attach(module: nn.Module, path: str, child: nn.Module) -> None:
    *containers, name = path.split(".")
    _container(module, containers).add_module(name, child)


def _container(module: nn.Module, path: Iterable[str]) -> nn.Module:
    """The module at a path below another; what is not there is made, as an empty one."""
    for name in path:
        if name not in module._modules:
            module.add_module(name, nn.Module())
        module = module.get_submodule(name)
    return module


def _layer(step: Step, overwritable: set[str]) -> nn.Module:
    assert step.node is not None, "a scope is no layer"
    if step.node.operator.is_expression():
        return _expression_module(step, step.node)
    module = new_layer(step.node)
    if step.node.operator.in_place and step.inputs[0] in overwritable:
        module.inplace = True  # type: ignore[assignment]
    return module


def _expression_module(step: Step, node: Node) -> nn.Module:
    """An expression as a module of its own."""
    name = type(node.operator).__name__
    body = list(forward_source(step.inputs, [replace(step, inline=True)], [(name, name) for name in step.outputs]))
    return new_module(name, class_source(name, [body], parameters(step.inputs)))


def overwritable(graph: Graph) -> set[str]:
    """Values that may be overwritten: used once, in the scope that produced them, by an operator whose backward pass
    does not need its output."""
    uses = [value.name for node in graph.nodes for value in node.inputs]
    uses += [output.value.name for output in graph.outputs]
    shared = {name for name, following in pairwise(sorted(uses)) if name == following}
    scopes = {value.name: node.scope for node in graph.nodes for value in node.inputs[:1]}
    return {
        value.name
        for node in graph.nodes
        if not node.operator.needs_output
        for value in node.outputs
        if value.name not in shared and scopes.get(value.name) == node.scope
    }


def _give_weights(root: nn.Module, node: Node, weights: Mapping[str, np.ndarray]) -> None:
    for parameter in node.parameters:
        tensor = torch.from_numpy(weights[parameter.path])
        *containers, name = parameter.path.split(".")
        module = _container(root, containers)
        if parameter.buffer:
            module._buffers[name] = tensor
        else:
            module._parameters[name] = nn.Parameter(tensor)

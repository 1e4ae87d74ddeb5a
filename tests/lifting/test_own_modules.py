"""The module that archc builds of a spec is lifted to the network of that spec.

What a module does not show is left out of the comparison: names of expressions that are no module, so that each line
names its inputs by their place; the letters of axes in patterns; a stride that is the kernel's size; and one size for
both axes.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archc
from archc.diagnostics import Source
from archc.elaborate.elaborator import elaborate
from archc.ir.graph import Graph
from archc.ir.types import TensorType
from archc.lifting.decompile import spec_text
from archc.lifting.lift import traced
from archc.spec.bundled import bundled_specs
from archc.spec.loading import parse_text

DIFFERENT = {
    "alexnet_single": "in_features of a linear map is not told",
    "efficientnet_b0": "a rate of drop of 0 is a module still",
    "efficientnet_v2_s": "a rate of drop of 0 is a module still",
    "espcn": "the size of the output is dynamic",
    "lraspp_mobilenet_v3_large": "an interpolation stands before the layers of another branch",
    "maxvit_t": "other letters of a pattern have sizes",
    "swin_t": "a pattern without groups is a permute",
    "swin_v2_t": "a pattern without groups is a permute",
    "timm/hrnet_w18_small": "a sum of several is one of sums",
}
"""Lifted to other, mostly equal, nodes; at what the first differs."""


def shape(type: TensorType) -> list[int]:
    """The sizes without the batch; a dynamic one as its optimum."""
    return [size if isinstance(size, int) else size.optimum for size in type.shape[1:]]


def lines(graph: Graph) -> list[tuple[object, ...]]:
    """What each node computes of what, with which tensors."""
    places = {value.name: index for index, value in enumerate(graph.inputs)}
    found: list[tuple[object, ...]] = []
    for node in graph.nodes:
        inputs = tuple(places[value.name] for value in node.inputs)
        tensors = tuple((each.path, each.shape) for each in node.parameters)
        found.append((node.operator.word, _operator(str(node.operator)), inputs, shape(node.output.type), tensors))
        places |= {value.name: len(places) for value in node.outputs}
    outputs = tuple((places[output.value.name], output.training_only) for output in graph.outputs)
    return [*found, outputs]


def _operator(text: str) -> str:
    """The text of an operator with the letters of a pattern by their order, and defaults as what they mean."""
    text = re.sub(r"kernel_size=(\([\d, ]*\)) stride=None", r"kernel_size=\1 stride=\1", text)
    text = re.sub(r" size=\((\d+),\)", r" size=(\1, \1)", text)
    match = re.search(r"pattern='([^']*)'", text)
    if match is None:
        return text
    names = list(dict.fromkeys(re.findall(r"[a-z_]\w*", match[1])))
    pattern = re.sub(r"[a-z_]\w*", lambda name: f"a{names.index(name[0])}", match[1])
    return text.replace(match[1], pattern)


@pytest.mark.parametrize("name", sorted(set(bundled_specs()) - set(DIFFERENT)))
def test_the_module_of_a_spec_is_lifted_to_the_network_of_that_spec(name: str) -> None:
    graph = archc.compile(name)
    shapes = {value.name: shape(value.type) for value in graph.inputs}
    found, _ = traced(archc.build(name), shapes, graph.name)
    spec = parse_text(Source(f"{name}.yaml", spec_text(found, foreign=True)), Path())
    assert lines(elaborate(spec, spec.resolve({}))) == lines(graph)

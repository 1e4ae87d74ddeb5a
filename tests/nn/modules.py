"""Modules of small specs."""

from torch import nn

from archc.nn import build_module
from archc.weights import InitializedWeights, read_all
from tests.elaborate.specs import layers


def module_of(text: str, head: str = "") -> nn.Module:
    """The module of these layers, freshly initialised, in eval mode."""
    graph = layers(text, head)
    parameters = list(graph.parameters())
    return build_module(graph, read_all(InitializedWeights(parameters, 0), [p.path for p in parameters])).eval()

"""The weights under which files are verified: a twin's, fresh ones, and what a training would leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from archc.ir.graph import Graph, Node
from archc.verification.images import images
from archc.verification.twin import calibrated_weights
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.campaigns.bugs.draft import require

STEPS, IMAGES = 4, 4  # how many batches of how many images the statistics are taken from


def twin(graph: Graph) -> Network:
    """The weights of the calibrated twin, given as the network's own."""
    unknown = Network(graph, {}, fresh=False)
    return unknown.with_weights(calibrated_weights(graph, images(unknown.image_shapes()[0])))


def fresh(graph: Graph) -> Network:
    """Weights that were only initialised."""
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)


def trained(graph: Graph) -> Network:
    """Given weights as training leaves them: scales and shifts of their own, and statistics from batches of images."""
    generator = np.random.Generator(np.random.Philox(key=2027))
    weights = dict(InitializedWeights(graph.parameters(), seed=1))
    for path in (node.path for node in graph.nodes if node.operator.normalizes):
        for name, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5)):
            if (key := f"{path}.{name}") in weights:
                weights[key] = generator.uniform(low, high, weights[key].shape).astype(np.float32)
    network = Network(graph, weights, fresh=False)
    module = network.module()  # in training mode
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.momentum = None  # so that the statistics are the mean over all batches
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(2027)
        for _ in range(STEPS):
            module(torch.randn(IMAGES, *network.image_shapes()[0]))
    return network.with_weights({key: tensor.numpy() for key, tensor in module.state_dict().items()})


def zeroed(graph: Graph) -> Network:
    """The same with the last scale of each residual branch at zero, so that its layers are without effect.

    Raises DoesNotApply: no branch ends with a batch norm.
    """
    ends = [f"{node.path}.weight" for node in _last_norms(graph)]
    require(bool(ends), "no residual branch ends with a batch norm")
    network = trained(graph)
    return network.with_weights({**network.weights, **{key: np.zeros_like(network.weights[key]) for key in ends}})


def _last_norms(graph: Graph) -> Iterator[Node]:
    """The batch norm that ends the first branch of each sum."""
    producers = {node.output.name: node for node in graph.nodes}
    for node in graph.nodes:
        if node.operator.adds:
            found = [producers[value.name] for value in node.inputs if value.name in producers]
            yield from [other for other in found if other.operator.tracks_statistics][:1]


WEIGHTS: dict[str, Callable[[Graph], Network]] = {"twin": twin, "fresh": fresh, "trained": trained, "zeroed": zeroed}

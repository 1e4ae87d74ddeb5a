"""How small a change of a network the comparison still notices, block by block.

Every weight w of a block becomes w·(1 + ε·n) with n drawn from a normal distribution. For a small ε the output moves by
δ in proportion, so the smallest ε that exceeds the bound follows from one run: ε · bound / δ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import torch
from torch import nn

from archc.ir.graph import Graph
from archc.verification.reference import run_module
from archc.verification.statistics import FACTOR, FLOOR, rms
from archc.weights import Array
from archc.weights.network import Network

PERTURBATION = 1e-4


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The smallest relative change of a block's weights that a comparison notices; infinite if it notices none."""

    block: str
    smallest: float


def sensitivities(network: Network, images: Array) -> Iterator[Sensitivity]:
    """One figure for each block that has weights, in the order of the network."""
    module = network.inference_module()
    single = _flat(run_module(module, images))
    module = module.double()
    double_images = images.astype(np.float64)
    exact = _flat(run_module(module, double_images))
    bound = FACTOR * rms(single - exact) + FLOOR * rms(exact)
    for block, keys in _blocks(network.inference).items():
        moved = rms(_perturbed(module, keys, double_images) - exact)
        yield Sensitivity(block, PERTURBATION * bound / moved if moved else float("inf"))


def _blocks(graph: Graph) -> dict[str, list[str]]:
    """The keys of the trainable weights of each innermost scope; a layer outside any scope is a block of its own."""
    blocks: dict[str, list[str]] = {}
    for node in graph.nodes:
        keys = [parameter.path for parameter in node.parameters if not parameter.buffer]
        if keys:
            blocks.setdefault(node.scope or node.path, []).extend(keys)
    return blocks


def _perturbed(module: nn.Module, keys: list[str], images: Array) -> Array:
    """The outputs with the weights under these keys perturbed, and restored afterwards."""
    parameters = {key: module.get_parameter(key) for key in keys}
    kept = {key: parameter.detach().clone() for key, parameter in parameters.items()}
    with torch.no_grad():
        for key, parameter in parameters.items():
            generator = np.random.Generator(np.random.Philox(key=crc32(key.encode())))
            noise = torch.from_numpy(generator.standard_normal(tuple(parameter.shape)))
            parameter.mul_(1 + PERTURBATION * noise)
        outputs = _flat(run_module(module, images))
        for key, parameter in parameters.items():
            parameter.copy_(kept[key])
    return outputs


def _flat(outputs: list[Array]) -> Array:
    return np.concatenate([output.reshape(-1).astype(np.float64) for output in outputs])

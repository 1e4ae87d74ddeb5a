"""A calibrated twin: weights under which every layer of a network matters, for the comparison only.

With freshly initialised weights the part of the output that depends on the input can be smaller than any tolerance
(2e-4 of it for LeNet-5, 1e-6 for VGG-19), and a wrong layer goes unnoticed. The twin has the same graph, but each
layer's output has unit variance on the calibration images, batch norms hold the statistics of those images, and gammas
and betas are drawn.
Source of the idea: Mishkin and Matas 2015, arXiv:1511.06422 (layer-sequential unit variance).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import nn

from archc.ir.graph import Graph
from archc.nn import build_module
from archc.weights import InitializedWeights

_SCALED = (nn.Conv2d, nn.Linear)


def calibrated_weights(graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the twin by `state_dict` key. `images` [N, C, H, W] are what it is calibrated on."""
    module = build_module(graph, {key: _drawn(key, array) for key, array in _fresh(graph).items()}).eval()
    hooks = [
        layer.register_forward_hook(_scale_to_unit_variance) for layer in module.modules() if isinstance(layer, _SCALED)
    ]
    hooks += [
        layer.register_forward_pre_hook(_take_statistics)
        for layer in module.modules()
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d)
    ]
    with torch.no_grad():
        module(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    return {key: tensor.detach().numpy() for key, tensor in module.state_dict().items()}


def _fresh(graph: Graph) -> Mapping[str, np.ndarray]:
    return InitializedWeights(graph.parameters(), seed=2015)


def _drawn(key: str, array: np.ndarray) -> np.ndarray:
    """Values that leave no tensor at 0 or 1, from the tensor's own stream."""
    if array.dtype != np.float32:
        return array
    generator = np.random.Generator(np.random.Philox(key=crc32(key.encode())))
    name = key.rpartition(".")[2]
    if name == "bias":
        return (0.1 * generator.standard_normal(array.shape)).astype(np.float32)
    if array.ndim > 1:
        return generator.standard_normal(array.shape, np.float32)
    return generator.uniform(0.5, 1.5, array.shape).astype(np.float32)


def _scale_to_unit_variance(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> Any:
    scale = 1 / output.std().clamp(min=1e-12)
    for tensor in (layer.weight, layer.bias):
        if isinstance(tensor, torch.Tensor):
            tensor.mul_(scale)
    return output * scale


def _take_statistics(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    (x,) = inputs
    axes = [axis for axis in range(x.ndim) if axis != 1]
    variance = x.var(dim=axes, unbiased=False)
    assert isinstance(layer.running_mean, torch.Tensor), "archc's batch norms track statistics"
    assert isinstance(layer.running_var, torch.Tensor), "archc's batch norms track statistics"
    layer.running_mean.copy_(x.mean(dim=axes))
    # A channel that hardly varies over a few images would be blown up, so it counts as a tenth of the mean.
    layer.running_var.copy_(variance.clamp(min=0.1 * float(variance.mean()) + 1e-12))

"""The runs that errors are measured against: the PyTorch module in float64, and in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from archc.weights import Array
from archc.weights.network import Network


@dataclass(frozen=True)
class Reference:
    """For each of several inputs the outputs of the module, in float64 and in float32."""

    inputs: Sequence[Array]
    exact: Sequence[list[Array]]
    single: Sequence[list[Array]]


def reference(network: Network, inputs: Sequence[Array]) -> Reference:
    """Run a network's module on images [N, C, H, W], one input after the other."""
    module = network.inference_module()
    single = [run_module(module, x) for x in inputs]
    module = module.double()
    exact = [run_module(module, x.astype(np.float64)) for x in inputs]
    return Reference(inputs, exact, single)


def run_module(module: torch.nn.Module, x: Array) -> list[Array]:
    """The outputs of a module, as arrays in its order."""
    with torch.no_grad():
        result = module(torch.from_numpy(np.ascontiguousarray(x)))
    return [tensor.numpy() for tensor in (result if isinstance(result, tuple | list) else (result,))]

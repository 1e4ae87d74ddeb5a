"""The runs that errors are measured against: the PyTorch module in float64, and in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from archc.ir.dtype import FLOAT32
from archc.nn.exact import InFloat64
from archc.nn.interpreter import Interpreter
from archc.verification.images import Inputs, Sample
from archc.verification.nodes import has_unit, misplaced
from archc.verification.rounding import ROUNDING
from archc.verification.sharpness import Sharpness, gradients, sharpness
from archc.verification.whole import Expected
from archc.weights import Array
from archc.weights.network import Network


@dataclass(frozen=True)
class Reference(Expected):
    """What a network's module gives, and how sharp a comparison with that is."""

    network: Network
    sharpness: Sharpness

    def loosened(self) -> Reference:
        """The same reference, whose float32 outputs are those of the least accurate kernels that a runtime may have."""
        loose = [with_rounding_of_kernels(self.network, sample.inputs) for sample in self.samples]
        return replace(self, single=loose)


def reference(network: Network, samples: Sequence[Sample]) -> Reference:
    """Run a network's module on samples, one after the other; the first decides how sharp the comparison is."""
    module = network.inference_module()
    usual, *further = (sample.inputs for sample in samples)
    slopes, first = gradients(module, network.inference, tuple(x[:1] for x in usual))
    others = run_module(module, tuple(x[1:] for x in usual)) if len(usual[0]) > 1 else []
    single = [[np.concatenate(each) for each in zip(first, others, strict=True)] if others else first]
    single += [run_module(module, inputs) for inputs in further]
    with InFloat64():
        exact = [run_module(module, sample.inputs) for sample in samples]
    outputs = [output.name for output in network.inference.outputs]
    return Reference(outputs, samples, exact, single, network, sharpness(slopes, exact[0], single[0]))


def run_module(module: torch.nn.Module, inputs: Inputs) -> list[Array]:
    """The outputs of a module, as arrays in its order."""
    with torch.no_grad():
        result = module(*(torch.from_numpy(np.ascontiguousarray(x)) for x in inputs))
    return [tensor.numpy() for tensor in (result if isinstance(result, tuple | list) else (result,))]


def with_rounding_of_kernels(network: Network, inputs: Inputs) -> list[Array]:
    """The outputs in float32, where every node that may be off by a rounding of 1 is.

    A runtime's kernel may be less accurate than PyTorch's: ONNX Runtime's sigmoid is off by a rounding of 1, however
    small its value, and a GELU, which is x times such a gate, by one of x. Where it interpolates, it may divide by a
    scale that PyTorch multiplies by. What that makes of the outputs is no fault of the artefact.
    """
    graph = network.inference
    nodes = Interpreter(graph, network.inference_module())
    generator = torch.Generator().manual_seed(0)
    values = dict(zip([value.name for value in graph.inputs], map(torch.from_numpy, inputs), strict=True))
    for node in graph.nodes:
        given = {value.name: values[value.name] for value in node.inputs}
        computes = bool(node.inputs) and not node.parameters and node.output.type.dtype == FLOAT32
        loose = computes and has_unit(nodes, [output.name for output in node.outputs], given)
        placed = misplaced(node)
        for output in node.outputs:
            y = nodes.value(output.name, given)
            if loose:
                y = y + _rounding(y, list(given.values()), generator)
            if placed:  # each image has its own scale
                sizes = y.flatten(1).std(1, correction=0).reshape(-1, *(1,) * (y.ndim - 1))
                y = y + torch.empty_like(y).uniform_(-placed, placed, generator=generator) * sizes
            values[output.name] = y
    return [values[output.value.name].numpy() for output in graph.outputs]


def _rounding(y: torch.Tensor, given: Sequence[torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    """Two roundings of 1, up or down, or of the input that each number comes from, if that is larger."""
    noise = torch.empty_like(y).uniform_(-2, 2, generator=generator) * ROUNDING
    alike = len(given) == 1 and given[0].shape == y.shape
    return noise * given[0].abs().clamp(min=1) if alike else noise

"""How sharp a comparison of each bundled spec is under the weights of its calibrated twin.

    python -m tests.verification.sharpness 64                 # every spec, at 64 pixels where it takes them
    python -m tests.verification.sharpness 0 resnet152        # at the size that the spec names

A node counts as noticed if its output multiplied by 1.01 moves an output of the network by more than the bound. How far
an output y moves follows from gradients: for a random u of unit normals the mean of (u · ∂y/∂scale)^2 is |∂y/∂scale|^2,
so a few backward passes answer for all nodes.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from archc.builds.targets import find_target
from archc.diagnostics import SpecError
from archc.ir.graph import Graph
from archc.spec.bundled import bundled_specs
from archc.verification.images import images
from archc.verification.reference import run_module
from archc.verification.rounding import FACTOR, FLOOR, rms
from archc.verification.twin import calibrated_weights
from archc.weights.network import Network
from tests.elaborate.specs import compiled

CHANGE = 0.01
PROBES = 4
PROBED_IMAGES = 2  # derivatives keep every value
LEAST_SIZES = {"inception_v3": 107, "inception_resnet_v2": 107, "alexnet_2012": 99}


@dataclass(frozen=True)
class Sharpness:
    """What a comparison under the twin can tell; shares are of the output's root mean square, worst output first."""

    float32_error: float
    input_dependence: float
    """In units of the bound."""
    noticed: dict[str, float]
    """Path of each node with weights → how far a change by CHANGE moves an output, in units of its bound."""
    calibration: float
    """Seconds."""

    def __str__(self) -> str:
        path = min(self.noticed, key=lambda path: self.noticed[path])
        return (
            f"{self.float32_error:8.1e} {self.input_dependence:9.0f} {self.noticed[path]:8.1f}  {path:40s}"
            f" {self.calibration:6.2f} s"
        )


def graph_at(name: str, size: int) -> Graph:
    """The graph of a bundled spec for images of this size; 0, and what a spec refuses, leave the spec's own."""
    path = Path(find_target(name).spec)
    text = path.read_text()
    nominal = re.search(r"height: (\d+)", text)
    least = max(size, LEAST_SIZES.get(name, 0))
    if not size or nominal is None or int(nominal[1]) <= least:
        return compiled(text, path.parent)
    small = re.sub(r"(height|width): \d+", rf"\1: {least}", text)
    try:  # auxiliary heads are too large for small images
        return compiled(small.replace("aux_logits: bool = true", "aux_logits: bool = false"), path.parent)
    except SpecError:
        return compiled(text, path.parent)


def sharpness(graph: Graph) -> Sharpness:
    """Calibrate a network's twin and measure it on the same images."""
    shape = tuple(size for size in graph.input.type.shape[1:] if isinstance(size, int))
    x = images(shape)
    start = time.perf_counter()
    weights = calibrated_weights(graph, x)
    calibration = time.perf_counter() - start
    network = Network(graph, weights, fresh=False)
    module = network.inference_module()
    singles = run_module(module, (x,))
    exacts = run_module(module.double(), (x.astype(np.float64),))
    outputs, scales = _scaled_run(network, x[:PROBED_IMAGES])
    found = Sharpness(0.0, float("inf"), dict.fromkeys(scales, 0.0), calibration)
    for single, exact, output in zip(singles, exacts, outputs, strict=True):
        error, size = rms(single - exact), rms(exact)
        bound = FACTOR * error + FLOOR * size
        noticed = {path: CHANGE * moved / bound for path, moved in _moved(output, scales).items()}
        found = Sharpness(
            max(found.float32_error, error / size),
            min(found.input_dependence, rms(exact - exact.mean(0)) / bound),
            {path: max(found.noticed[path], noticed[path]) for path in noticed},
            calibration,
        )
    return found


def _scaled_run(network: Network, x: np.ndarray) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """The outputs in float64, and by path a factor of 1 for each image by which the node's output was multiplied."""
    module = network.inference_module().double().requires_grad_(False)
    scales: dict[str, torch.Tensor] = {}
    for node in network.inference.nodes:
        if not node.parameters or node.operator.is_expression():
            continue
        scale = scales[node.path] = torch.ones(len(x), dtype=torch.float64, requires_grad=True)

        def multiply(layer: nn.Module, inputs: object, y: torch.Tensor, scale: torch.Tensor = scale) -> torch.Tensor:
            return y * scale.reshape(-1, *(1 for _ in y.shape[1:]))

        module.get_submodule(node.path).register_forward_hook(multiply)
    outputs = module(torch.from_numpy(x).double())
    return list(outputs) if isinstance(outputs, tuple) else [outputs], scales


def _moved(output: torch.Tensor, scales: dict[str, torch.Tensor]) -> dict[str, float]:
    """Root mean square of an output's derivative by each scale."""
    generator = torch.Generator().manual_seed(2015)
    squares = dict.fromkeys(scales, 0.0)
    for _ in range(PROBES):
        probe = torch.randn(output.shape, generator=generator, dtype=torch.float64)
        gradients = torch.autograd.grad(output, [*scales.values()], probe, retain_graph=True, allow_unused=True)
        for path, gradient in zip(scales, gradients, strict=True):
            squares[path] += 0.0 if gradient is None else float(gradient.square().sum())
    return {path: (square / PROBES / output.numel()) ** 0.5 for path, square in squares.items()}


def main(size: str = "64", *names: str) -> None:
    """Print a table."""
    print(f"{'':22s} float32 error, input dependence / bound, least noticed / bound and its node, calibration")
    for name in names or sorted(bundled_specs()):
        print(f"{name:20s} {sharpness(graph_at(name, int(size)))}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

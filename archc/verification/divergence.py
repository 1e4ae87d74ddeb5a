"""Compares an artefact with its network node by node, each from float64 inputs.

An error does not travel from one node to the next this way, so the first node that exceeds its own bound is where the
artefact goes wrong, and a network whose rounding errors grow without limit (a deep plain one) can still be judged.
Values are computed in order and kept only until their last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from archc.diagnostics import ArchcError
from archc.exporting import NodeRunner
from archc.ir.graph import Graph, Node
from archc.nn.interpreter import Interpreter
from archc.verification.report import Divergence
from archc.verification.statistics import FACTOR, FLOOR, rms
from archc.weights import Array
from archc.weights.network import Network

ONE = 2 * 2.0**-24  # the rounding of a 1

Kept = TypeVar("Kept")


def first_divergence(network: Network, images: Array, runners: Sequence[NodeRunner]) -> Divergence | None:
    """The first node of an artefact that does not compute what its network does; None if all of them do."""
    walk = _Walk(network, images, runners)
    for runner in runners:
        divergence = walk.step(runner)
        if divergence is not None:
            return divergence
    return None


def outputs_with_kernels(network: Network, images: Array, runners: Sequence[NodeRunner]) -> list[Array]:
    """The outputs in float32, where the artefact computes the nodes without weights and PyTorch those with weights.

    A runtime's kernel may be less accurate than PyTorch's: ONNX Runtime's sigmoid is off by a rounding of 1, however
    small its value. What that makes of the outputs is no fault of the artefact.
    """
    graph = network.inference
    nodes = {node.path: node for node in graph.nodes}
    single = Interpreter(graph, network.inference_module())
    values = _Values(graph, runners, images)
    for runner in runners:
        inputs = values.inputs(runner)
        if nodes[runner.path].parameters:
            tensors = {name: torch.from_numpy(x) for name, x in zip(runner.inputs, inputs, strict=True)}
            result = single.value(runner.value, tensors).numpy()
        else:
            result = runner.run(inputs)
        values.advance(runner, result)
    return [values[name] for name in _output_values(graph)]


def _output_values(graph: Graph) -> list[str]:
    """The values that are the outputs, as an artefact computes them: before what does nothing at inference."""
    producers = {node.output.name: node for node in graph.nodes}
    names = [output.value.name for output in graph.outputs]
    for index, name in enumerate(names):
        while (node := producers.get(name)) and not node.operator.inference:
            name = node.inputs[0].name
        names[index] = name
    return names


class _Values(dict[str, Kept], Generic[Kept]):
    """The values that later nodes need, and the outputs, by name."""

    def __init__(self, graph: Graph, runners: Sequence[NodeRunner], images: Kept) -> None:
        super().__init__({graph.input.name: images})
        self._uses = Counter(name for runner in runners for name in runner.inputs)
        self._uses.update(_output_values(graph))

    def inputs(self, runner: NodeRunner) -> list[Kept]:
        return [self[name] for name in runner.inputs]

    def advance(self, runner: NodeRunner, value: Kept) -> None:
        """Keep what a node gives, and drop what was only needed for it."""
        self[runner.value] = value
        self._uses.subtract(runner.inputs)
        for name in runner.inputs:
            if not self._uses[name]:
                self.pop(name, None)


@dataclass(frozen=True, slots=True)
class _Expected:
    """A node's value in float64, and in float32 from inputs that are off by a unit in the last place."""

    exact: Array
    single: Array
    inputs: float

    def bound(self, node: Node) -> float:
        """What a correct node may be off.

        Without weights that is measured by the inputs if they are larger than the output: they may cancel, as in the
        mean of what a norm has made of mean zero. And a runtime may compute exp(x) - 1 for expm1(x).
        """
        own, size = FACTOR * rms(self.single - self.exact), rms(self.exact)
        return own + FLOOR * (size if node.parameters else max(size, self.inputs)) + (0 if node.parameters else ONE)


class _Walk:
    """The values between the network's input and the node that is compared next."""

    def __init__(self, network: Network, images: Array, runners: Sequence[NodeRunner]) -> None:
        graph = network.inference
        self._nodes = {node.path: node for node in graph.nodes}
        self._single = Interpreter(graph, network.inference_module())
        self._exact = Interpreter(graph, network.inference_module().double())
        self._values = _Values(graph, runners, torch.from_numpy(images).double())
        self._generator = torch.Generator().manual_seed(0)

    def step(self, runner: NodeRunner) -> Divergence | None:
        """Compare one node, and advance to the next."""
        inputs = self._values.inputs(runner)
        expected = self._expect(runner, inputs)
        try:
            actual = runner.run([x.numpy().astype(np.float32) for x in inputs])
        except Exception as error:  # a runtime may refuse a broken node in any way
            return self._divergence(runner, float("nan"), float("nan"), f"cannot be run: {first_line(error)}")
        self._values.advance(runner, torch.from_numpy(expected.exact))
        return self._judge(runner, actual, expected)

    def _expect(self, runner: NodeRunner, inputs: Sequence[torch.Tensor]) -> _Expected:
        named = dict(zip(runner.inputs, inputs, strict=True))
        exact = self._exact.value(runner.value, named).numpy()
        single = self._single.value(runner.value, {name: self._nudged(x.float()) for name, x in named.items()}).numpy()
        return _Expected(exact, single, max((rms(x.numpy()) for x in inputs), default=0.0))

    def _nudged(self, x: torch.Tensor) -> torch.Tensor:
        """Each number's neighbour, above or below at random: no runtime can be held to more of its inputs."""
        upwards = torch.randint(0, 2, x.shape, generator=self._generator) * 2 - 1
        return torch.nextafter(x, upwards * torch.inf)

    def _judge(self, runner: NodeRunner, actual: Array, expected: _Expected) -> Divergence | None:
        if actual.shape != expected.exact.shape:
            shapes = f"gives shape {list(actual.shape)}, not {list(expected.exact.shape)}"
            return self._divergence(runner, float("nan"), float("nan"), shapes)
        with np.errstate(all="ignore"):
            error, bound = rms(actual - expected.exact), expected.bound(self._nodes[runner.path])
        if error <= bound or not np.isfinite(bound):  # where the network itself is not finite, nothing can be said
            return None
        return self._divergence(runner, error, bound, "the error exceeds the bound")

    def _divergence(self, runner: NodeRunner, error: float, bound: float, reason: str) -> Divergence:
        node = self._nodes[runner.path]
        return Divergence(runner.path, node.operator.word, node.position, error, bound, reason)


def first_line(error: Exception) -> str:
    """What an exception says, in a line."""
    if isinstance(error, ArchcError):
        return error.diagnostics[0].message
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""Compares an artefact with its network node by node, each from float64 inputs.

An error does not travel from one node to the next this way, so the first node that exceeds its own bound is where the
artefact goes wrong, and a network whose rounding errors grow without limit (a deep plain one) can still be judged.
Values are computed in order and kept only until their last use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from archc.exporting import NodeRunner
from archc.ir.graph import Node
from archc.network import Network
from archc.nn.interpreter import Interpreter
from archc.verify.report import Divergence
from archc.verify.statistics import FACTOR, FLOOR, rms

Array = np.ndarray


def first_divergence(network: Network, images: Array, runners: Sequence[NodeRunner]) -> Divergence | None:
    """The first node of an artefact that does not compute what its network does; None if all of them do."""
    walk = _Walk(network, images, runners)
    for runner in runners:
        divergence = walk.step(runner)
        if divergence is not None:
            return divergence
    return None


@dataclass(frozen=True, slots=True)
class _Expected:
    """A node's value in float64 and float32, and the size of what it is computed from."""

    exact: Array
    single: Array
    inputs: float

    @property
    def bound(self) -> float:
        """What a correct node may be off. Where its inputs cancel, its output is too small to measure it by."""
        return FACTOR * rms(self.single - self.exact) + FLOOR * max(rms(self.exact), self.inputs)


class _Walk:
    """The values between the network's input and the node that is compared next."""

    def __init__(self, network: Network, images: Array, runners: Sequence[NodeRunner]) -> None:
        graph = network.inference
        self._nodes = {node.path: node for node in graph.nodes}
        self._single = Interpreter(graph, network.inference_module())
        self._exact = Interpreter(graph, network.inference_module().double())
        self._values = {graph.input.name: torch.from_numpy(images).double()}
        self._uses = Counter(name for runner in runners for name in runner.inputs)

    def step(self, runner: NodeRunner) -> Divergence | None:
        """Compare one node, and advance to the next."""
        inputs = {name: self._values[name] for name in runner.inputs}
        expected = self._expect(runner.value, inputs)
        try:
            actual = runner.run([x.numpy().astype(np.float32) for x in inputs.values()])
        except Exception as error:  # a runtime may refuse a broken node in any way
            return self._divergence(runner, float("nan"), float("nan"), f"cannot be run: {str(error).splitlines()[0]}")
        self._values[runner.value] = torch.from_numpy(expected.exact)
        self._uses.subtract(runner.inputs)
        for name in runner.inputs:
            if not self._uses[name]:
                self._values.pop(name, None)
        return self._judge(runner, actual, expected)

    def _expect(self, value: str, inputs: dict[str, torch.Tensor]) -> _Expected:
        exact = self._exact.value(value, inputs).numpy()
        single = self._single.value(value, {name: x.float() for name, x in inputs.items()}).numpy()
        return _Expected(exact, single, max((rms(x.numpy()) for x in inputs.values()), default=0.0))

    def _judge(self, runner: NodeRunner, actual: Array, expected: _Expected) -> Divergence | None:
        if actual.shape != expected.exact.shape:
            shapes = f"gives shape {list(actual.shape)}, not {list(expected.exact.shape)}"
            return self._divergence(runner, float("nan"), float("nan"), shapes)
        error = rms(actual - expected.exact)
        if error <= expected.bound:
            return None
        return self._divergence(runner, error, expected.bound, "the error exceeds the bound")

    def _divergence(self, runner: NodeRunner, error: float, bound: float, reason: str) -> Divergence:
        node = self._nodes[runner.path]
        return Divergence(runner.path, node.operator.word, _position(node), error, bound, reason)


def _position(node: Node) -> str | None:
    return f"{node.span.source.name}:{node.span.line + 1}" if node.span else None

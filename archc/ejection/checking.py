"""Runs a written file beside the compiled network: the same keys in the same order, and equal outputs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from archc.ejection.source import Source
from archc.ir.graph import Graph
from archc.ir.types import Dim, nominal
from archc.nn import build_module
from archc.weights import InitializedWeights

BATCH = 2  # of one image, batch norm cannot be trained
SIDES = (32, 64, 128)  # of small images in pixels


def agrees(source: Source, graph: Graph, small: bool = False) -> bool:
    """True if a file's network has the tensors of the graph, and gives what the graph gives, in both modes.

    Both modes run on the smallest images that the network takes, and inference on a full one unless `small` is set.
    """
    with torch.random.fork_rng(devices=[]), suppress(Exception):  # whatever is wrong with it, it is not delivered
        expected = build_module(graph, InitializedWeights(graph.parameters(), 0))
        written = new_network(source)
        tensors = {key: value.clone() for key, value in expected.state_dict().items()}
        if _shapes(written) != _shapes(expected) or not _same_buffers(written, tensors):
            return False
        written.load_state_dict(tensors)
        inputs, trained = _trained(expected, graph, tensors)
        if not _equal(_run(written, inputs, True), trained):
            return False
        runs = [inputs] if small else [inputs, _inputs(graph, 1)]
        return all(_equal(_run(written, each), _run(expected, each)) for each in runs)
    return False


def has_shapes(source: Source, arguments: Mapping[str, object], graph: Graph) -> bool:
    """True if a file's network, built with these arguments, has the keys and shapes of a graph."""
    expected = sorted((parameter.path, parameter.shape) for parameter in graph.parameters())
    for device in ("meta", "cpu"):  # without values if torch can: they are not needed
        with torch.random.fork_rng(devices=[]), suppress(Exception), torch.device(device):
            return sorted((key, tuple(shape)) for key, shape in _shapes(new_network(source, arguments))) == expected
    return False


def new_network(source: Source, arguments: Mapping[str, object] | None = None) -> nn.Module:
    """The network of a file, as it is when it is new."""
    namespace: dict[str, Any] = {"__name__": "ejected"}
    exec(compile(source.text, f"<{source.class_name}>", "exec"), namespace)
    network: nn.Module = namespace[source.class_name](**(arguments or {}))
    return network


def _inputs(graph: Graph, batch: int, limit: int | None = None) -> list[torch.Tensor]:
    """Random inputs; no side of an image is longer than `limit`, where there is one."""
    return [torch.randn(_sizes(value.type.shape, batch, limit)) for value in graph.inputs]


def _sizes(shape: tuple[Dim, ...], batch: int, limit: int | None) -> list[int]:
    sides = [nominal(side) for side in shape[2:]]
    return [
        shape[0] if isinstance(shape[0], int) else batch,
        *map(nominal, shape[1:2]),
        *(min(side, limit) if limit else side for side in sides),
    ]


def _trained(
    network: nn.Module, graph: Graph, tensors: Mapping[str, torch.Tensor]
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The smallest images that a network with these tensors takes in training, and what it gives."""
    for side in SIDES:
        inputs = _inputs(graph, BATCH, side)
        with suppress(Exception):  # torch's errors about sizes have many types
            return inputs, _run(network, inputs, True)
        network.load_state_dict(tensors)  # running statistics have changed
    inputs = _inputs(graph, BATCH)
    return inputs, _run(network, inputs, True)


def _same_buffers(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, tensors[key]) for key, value in network.named_buffers() if key in tensors)


def _shapes(network: nn.Module) -> list[tuple[str, torch.Size]]:
    return [(key, tensor.shape) for key, tensor in network.state_dict().items()]


def _run(network: nn.Module, inputs: list[torch.Tensor], training: bool = False) -> list[torch.Tensor]:
    torch.manual_seed(0)
    with torch.no_grad():
        given = network.train(training)(*[each.clone() for each in inputs])
    return [given] if isinstance(given, torch.Tensor) else list(given)


def _equal(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

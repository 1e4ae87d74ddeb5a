"""A calibrated twin: weights under which every layer of a network matters and rounding stays small, for the comparison.

With freshly initialised weights the part of the output that depends on the input can be smaller than any tolerance
(2e-4 of it for LeNet-5, 1e-6 for VGG-19), and a wrong layer goes unnoticed. The twin has the same graph, but each
layer's output has a set mean and deviation on the calibration images. Four rules keep rounding errors from growing
faster than the signal:

- Before an activation the mean and deviation are its operating point: it cuts or bends a tenth of the values. Of mean
  zero, a norm and a ReLU multiply errors by 1.21 in each layer.
- A layer whose inputs hardly vary from image to image, as after global pooling, is not blown up: its gain is limited,
  and its channels differ instead.
- A residual branch that joins a plain shortcut is damped.
- Gammas have both signs and betas differ, so that no norm or activation repeats another without effect.

Source of the ideas: Mishkin and Matas 2015, arXiv:1511.06422 (layer-sequential unit variance); Yang et al. 2019,
arXiv:1902.08129 (batch norms multiply gradients, activations near their linear part do not); Goyal et al. 2017,
arXiv:1706.02677, section 5.1 (small last gammas).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple
from zlib import crc32

import numpy as np
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from archc.ir.dtype import FLOAT32
from archc.ir.graph import Graph, Node, Parameter
from archc.ir.operator import Operator
from archc.nn import build_module


class Target(NamedTuple):
    """Mean and standard deviation of a layer's output."""

    mean: float = 0.0
    deviation: float = 1.0


LINEAR = Target()  # where no activation follows
DAMPED = Target(deviation=0.25)
FAINT = 0.5  # share of an activation's deviation below which the layers before it are scaled up
LARGEST_GAIN = 2.5  # of an output's deviation, in units of its root mean square before the bias
LARGEST_VECTOR_GAIN = 1.5  # where only images differ, and no positions
LEAST_SPREAD = 0.1  # of the channels' means, in units of the deviation
EPSILONS = 100.0  # the mean variance in a batch norm, in epsilons: a wrong epsilon then shows


def calibrated_weights(graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the twin by `state_dict` key. `images` [N, C, H, W] are what it is calibrated on."""
    targets = _targets(graph)
    weights, deviations = _calibrated(graph, images, targets)
    widened = _widened(graph, targets, deviations)
    return _calibrated(graph, images, {**targets, **widened})[0] if widened else weights


def _targets(graph: Graph) -> dict[str, Target]:
    """Targets of layers by path, where they are not LINEAR."""
    targets: dict[str, Target] = {}
    for node, layers in _activations(graph):
        targets |= dict.fromkeys(layers, Target(*node.operator.operating_point() or LINEAR))
    return targets | dict.fromkeys(_residual_tails(graph), DAMPED)


def _widened(graph: Graph, targets: Mapping[str, Target], deviations: Mapping[str, float]) -> dict[str, Target]:
    """Targets of the layers before activations whose inputs deviate too little to be bent.

    Pooling, and sums with damped branches, leave less of a layer's deviation.
    """
    widened: dict[str, Target] = {}
    for node, layers in _activations(graph):
        wanted = Target(*node.operator.operating_point() or LINEAR).deviation
        found = deviations.get(node.path, wanted)
        if 0 < found < FAINT * wanted:
            for path in layers:
                target = targets.get(path, LINEAR)
                widened[path] = target._replace(deviation=target.deviation * wanted / found)
    return widened


def _activations(graph: Graph) -> Iterator[tuple[Node, set[str]]]:
    """Each activation, with the paths of the nearest layers whose outputs reach it."""
    producers = {value.name: node for node in graph.nodes for value in node.outputs}
    for node in graph.nodes:
        if node.operator.operating_point() is not None:
            yield node, _layers_before(node, producers)


def _layers_before(node: Node, producers: Mapping[str, Node]) -> set[str]:
    """The nearest layers before a node: what lies between keeps their scale, more or less."""
    found, seen, waiting = set(), set(), [value.name for value in node.inputs]
    while waiting:
        name = waiting.pop()
        producer = producers.get(name)
        if producer is None or name in seen:
            continue
        seen.add(name)
        if _has_scale(producer.operator) and producer.parameters:
            found.add(producer.path)
        elif producer.operator.operating_point() is None:
            waiting += [value.name for value in producer.inputs]
    return found


def _residual_tails(graph: Graph) -> set[str]:
    """Paths of the layers that end a branch of a sum whose other branches are not all layers: plain shortcuts."""
    layers = {node.output.name: node.path for node in graph.nodes if _is_layer(node.operator)}
    return {
        layers[value.name]
        for node in graph.nodes
        if node.operator.adds and any(value.name not in layers for value in node.inputs)
        for value in node.inputs
        if value.name in layers
    }


def _is_layer(operator: Operator) -> bool:
    """True for a linear map and for a batch norm, which decide the scale of a residual branch."""
    return operator.linear_axis is not None or operator.tracks_statistics


def _has_scale(operator: Operator) -> bool:
    """True where the tensors of an operator decide how much its output deviates."""
    return operator.linear_axis is not None or operator.normalizes


def _calibrated(
    graph: Graph, images: np.ndarray, targets: Mapping[str, Target]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The weights for these targets, and how the inputs of activations then deviate, by path."""
    parameters = list(graph.parameters())
    with ThreadPoolExecutor() as threads:  # NumPy draws without Python's lock
        drawn = dict(zip([each.path for each in parameters], threads.map(_drawn, parameters), strict=True))
    module = build_module(graph, drawn).eval()
    deviations: dict[str, float] = {}
    hooks = [
        hook
        for node in graph.nodes
        if not node.operator.is_expression()
        for hook in _hooks(node, module.get_submodule(node.path), targets.get(node.path, LINEAR), deviations)
    ]
    with torch.no_grad():
        module(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    return {key: tensor.detach().numpy() for key, tensor in module.state_dict().items()}, deviations


def _drawn(parameter: Parameter) -> np.ndarray:
    """Values that leave no tensor at 0 or 1, from the tensor's own stream; a counter is 0."""
    path, shape = parameter.path, parameter.shape
    if parameter.dtype != FLOAT32:
        return np.zeros(shape, parameter.dtype)
    generator = np.random.Generator(np.random.Philox(key=crc32(path.encode())))
    if path.endswith(".bias") or len(shape) > 1:
        return generator.standard_normal(shape, np.float32)
    drawn = generator.uniform(0.5, 1.5, shape).astype(np.float32)
    # With positive gammas alone, a norm and a ReLU cut again what an earlier ReLU cut, and that may then be missing.
    return drawn * generator.choice(np.array([-1, 1], np.float32), shape) if path.endswith(".weight") else drawn


def _hooks(node: Node, layer: nn.Module, target: Target, deviations: dict[str, float]) -> Iterator[RemovableHandle]:
    """Hooks that calibrate a layer at its first run, and note how the input of an activation deviates."""
    operator = node.operator
    if operator.operating_point() is not None:

        def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            deviations[node.path] = float(inputs[0].std())

        yield layer.register_forward_pre_hook(note)
    if operator.linear_axis is not None:
        axis = operator.linear_axis % node.output.type.ndim
        yield layer.register_forward_hook(partial(_scale, target, axis))
    elif operator.tracks_statistics:
        yield layer.register_forward_pre_hook(partial(_take_statistics, target))
    elif operator.normalizes:
        with torch.no_grad():
            _give_affine(layer, target, LEAST_SPREAD)


def _scale(
    target: Target, axis: int, layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    """Normalise each channel to equal variance and, by the bias, the target's mean; then scale to its deviation.

    To scale the channels together is not enough: in a deep network of sigmoids only their means would be left.
    """
    assert isinstance(layer.weight, torch.Tensor), "a linear map has a weight"
    mean, sizes, share = _statistics(output if axis == 1 else output.movedim(-1, 1))
    bias = layer.bias if isinstance(layer.bias, torch.Tensor) else None
    means = mean / sizes if bias is None else _spread(share) * bias
    factor = target.deviation / (share + means.square().mean()).sqrt().clamp(min=LEAST_SPREAD)
    gains = factor / sizes
    shifts = factor * means - gains * mean + (0.0 if bias is None else target.mean)
    layer.weight.mul_(gains.reshape(-1, *(1,) * (layer.weight.ndim - 1)))
    if bias is not None:
        bias.copy_(shifts)
    shape = (-1, *(1,) * (output.ndim - 1 - axis))
    return output.mul_(gains.reshape(shape)).add_(shifts.reshape(shape))


def _take_statistics(target: Target, layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    (x,) = inputs
    mean, sizes, share = _statistics(x)
    assert isinstance(layer.running_mean, torch.Tensor), "archc's batch norms track statistics"
    assert isinstance(layer.running_var, torch.Tensor), "archc's batch norms track statistics"
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(sizes.square())
    _give_affine(layer, target, _spread(share))
    assert isinstance(layer.eps, float), "every norm with running statistics has an epsilon"
    if isinstance(layer.weight, torch.Tensor) and layer.eps > 0:
        share = EPSILONS * layer.eps / float(layer.running_var.mean())
        layer.running_var.mul_(share)
        layer.weight.mul_(share**0.5)


def _give_affine(norm: nn.Module, target: Target, spread: float) -> None:
    """Scale the drawn gammas and betas of a norm, if it has any, to a target."""
    if isinstance(norm.weight, torch.Tensor):
        norm.weight.mul_(target.deviation)
        if isinstance(norm.bias, torch.Tensor):
            norm.bias.mul_(target.deviation * spread).add_(target.mean)


def _statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """By channel (axis 1) means and sizes; and the mean variance that division by the sizes leaves.

    Sizes are deviations, but no smaller than the gain's limit allows.
    """
    mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)  # three times as fast as `torch.var_mean`
    square = float((variance + mean.square()).mean()) or 1.0
    gain = LARGEST_GAIN if x[0, 0].numel() > 1 else LARGEST_VECTOR_GAIN
    sizes = variance.sqrt().clamp(min=square**0.5 / gain)
    return mean, sizes, float((variance / sizes.square()).mean())


def _spread(share: float) -> float:
    """Deviation of the channels' means that makes up for a variance below 1."""
    return max(1 - share, LEAST_SPREAD**2) ** 0.5

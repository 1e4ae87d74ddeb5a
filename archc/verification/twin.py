"""A calibrated twin: weights under which every layer of a network matters, for the comparison only.

With freshly initialised weights the part of the output that depends on the input can be smaller than any tolerance
(2e-4 of it for LeNet-5, 1e-6 for VGG-19), and a wrong layer goes unnoticed. The twin has the same graph, but each
layer's output has unit variance on the calibration images (less where its mean is large, more where an activation has
bounds, so that some values lie beyond them), batch norms hold the statistics of those images, and gammas and betas are
drawn.

A residual branch that joins a plain shortcut is damped, because each undamped block multiplies the rounding errors:
with it, a comparison of ResNet-152 notices changes fourteen times smaller (a relative 1.6e-4 of one convolution, not
2.3e-3).
Source of the ideas: Mishkin and Matas 2015, arXiv:1511.06422 (layer-sequential unit variance); Goyal et al. 2017,
arXiv:1706.02677, section 5.1 (small last gammas).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from zlib import crc32

import numpy as np
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from archc.ir.dtype import FLOAT32
from archc.ir.graph import Graph, Node, Parameter
from archc.ir.operator import Operator
from archc.nn import build_module

DAMPING = 0.25
CLIPPED = 3.0  # deviation before an activation with bounds: some values lie beyond each of them
FAINT = 0.5  # share of that deviation below which the layers before the activation are scaled up
LARGEST_MEAN = 3.0  # of a layer's output, in units of its deviation
LEAST_VARIANCE = 0.1  # of a channel, in units of the mean: one that hardly varies would be blown up
LEAST_DEVIATION = 1e-4  # of an output, in units of its size; what is smaller may be rounding
EPSILONS = 100.0  # the mean variance in a batch norm, in epsilons: a wrong epsilon then shows


def calibrated_weights(graph: Graph, images: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the twin by `state_dict` key. `images` [N, C, H, W] are what it is calibrated on."""
    deviations = _deviations(graph)
    weights, clips = _calibrated(graph, images, deviations)
    factors = _factors(graph, clips)
    if not factors:
        return weights
    scaled = {path: factor * deviations.get(path, 1.0) for path, factor in factors.items()}
    return _calibrated(graph, images, {**deviations, **scaled})[0]


def _calibrated(
    graph: Graph, images: np.ndarray, deviations: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The weights for these deviations of layers' outputs, and how the inputs of bounded activations then deviate."""
    parameters = list(graph.parameters())
    with ThreadPoolExecutor() as threads:  # NumPy draws without Python's lock
        drawn = dict(zip([each.path for each in parameters], threads.map(_drawn, parameters), strict=True))
    norms = {node.path for node in graph.nodes if node.operator.normalizes}
    for path in deviations.keys() & norms:
        for key in {f"{path}.weight", f"{path}.bias"} & drawn.keys():
            drawn[key] *= np.float32(deviations[path])
    module = build_module(graph, drawn).eval()
    clips: dict[str, float] = {}
    hooks = [
        hook
        for node in graph.nodes
        if not node.operator.is_expression()
        for hook in _hooks(node, module.get_submodule(node.path), deviations.get(node.path, 1.0), clips)
    ]
    with torch.no_grad():
        module(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    return {key: tensor.detach().numpy() for key, tensor in module.state_dict().items()}, clips


def _record(activation: nn.Module, path: str, clips: dict[str, float]) -> RemovableHandle:
    """A hook that notes how much the activation's input deviates."""

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        clips[path] = float(inputs[0].std())

    return activation.register_forward_pre_hook(note)


def _factors(graph: Graph, clips: Mapping[str, float]) -> dict[str, float]:
    """By how much to scale layers, so that what reaches each bounded activation lies beyond its bounds as well.

    Pooling, and sums with damped branches, leave less of a layer's deviation.
    """
    producers = {node.output.name: node for node in graph.nodes}
    factors: dict[str, float] = {}
    for node in graph.nodes:
        deviation = clips.get(node.path, CLIPPED)
        if 0 < deviation < FAINT * CLIPPED:
            for layer in _layers_before(node, producers):
                factors[layer] = max(factors.get(layer, 0.0), CLIPPED / deviation)
    return factors


def _layers_before(node: Node, producers: Mapping[str, Node]) -> set[str]:
    """The nearest layers whose outputs reach a node: what lies between keeps their scale, more or less."""
    found, seen, waiting = set(), set(), [value.name for value in node.inputs]
    while waiting:
        name = waiting.pop()
        producer = producers.get(name)
        if producer is None or name in seen:
            continue
        seen.add(name)
        if _has_scale(producer.operator) and producer.parameters:
            found.add(producer.path)
        elif not producer.operator.bounded:
            waiting += [value.name for value in producer.inputs]
    return found


def _deviations(graph: Graph) -> dict[str, float]:
    """How much a layer's output deviates, by path, where that is not 1."""
    producers = {node.output.name: node.path for node in graph.nodes if _has_scale(node.operator)}
    clipped = {producers.get(node.inputs[0].name) for node in graph.nodes if node.operator.bounded}
    tails = _residual_tails(graph)
    return {
        **{path: CLIPPED for path in clipped if path is not None},
        **dict.fromkeys(tails, DAMPING),
    }


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


def _hooks(node: Node, layer: nn.Module, deviation: float, clips: dict[str, float]) -> Iterator[RemovableHandle]:
    """Hooks that calibrate a layer at its first run, so that its output deviates this much."""
    if node.operator.bounded:
        yield _record(layer, node.path, clips)
    if node.operator.linear_axis is not None:
        axis = node.operator.linear_axis % node.output.type.ndim
        yield layer.register_forward_hook(partial(_scale, deviation, axis))
    if node.operator.tracks_statistics:
        yield layer.register_forward_pre_hook(_take_statistics)


def _drawn(parameter: Parameter) -> np.ndarray:
    """Values that leave no tensor at 0 or 1, from the tensor's own stream; a counter is 0."""
    path, shape = parameter.path, parameter.shape
    if parameter.dtype != FLOAT32:
        return np.zeros(shape, parameter.dtype)
    generator = np.random.Generator(np.random.Philox(key=crc32(path.encode())))
    if path.endswith(".bias"):
        return (0.1 * generator.standard_normal(shape)).astype(np.float32)
    if len(shape) > 1:
        return generator.standard_normal(shape, np.float32)
    drawn = generator.uniform(0.5, 1.5, shape).astype(np.float32)
    # With positive gammas alone, a norm and a ReLU cut again what an earlier ReLU cut, and that may then be missing.
    return drawn * generator.choice(np.array([-1, 1], np.float32), shape) if path.endswith(".weight") else drawn


def _scale(
    deviation: float, axis: int, layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    """Give every channel the same variance and, by the bias, hardly a mean; and all of them together this deviation.

    To scale them together is not enough: what differs between channels and not between inputs is variance too, and in a
    deep network of sigmoids nothing else would be left.
    """
    variance, mean = _channel_statistics(output if axis == 1 else output.flatten(0, -2))
    sizes = _meant(_clamped(variance).sqrt(), variance, mean)
    if isinstance(layer.bias, torch.Tensor):
        shift = layer.bias - mean / sizes
        layer.bias.div_(sizes).add_(shift)
    else:  # where the mean outweighs the deviation, as in the gate of a squeeze-excitation, a sigmoid would saturate
        sizes = torch.maximum(sizes, mean.abs() / LARGEST_MEAN)
        shift = torch.zeros_like(sizes)
    variance, mean = variance / sizes.square(), mean / sizes + shift
    together = (variance.mean() + mean.var(correction=0)).sqrt()
    factor = deviation / _meant(together, variance, mean)
    assert isinstance(layer.weight, torch.Tensor), "a linear map has a weight"
    layer.weight.mul_((factor / sizes).reshape(-1, *(1,) * (layer.weight.ndim - 1)))
    if isinstance(layer.bias, torch.Tensor):
        layer.bias.mul_(factor)
    shape = (-1, *(1,) * (output.ndim - 1 - axis))
    return output.mul_((factor / sizes).reshape(shape)).add_((factor * shift).reshape(shape))


def _channel_statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Variance and mean over all axes but the second; three times as fast as `torch.var_mean`."""
    mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
    return variance, mean


def _meant(deviations: torch.Tensor, variance: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Deviations; in place of what may be rounding alone, which must not be blown up, the output's size.

    `variance` and `mean` are those of its channels.
    """
    size = (variance + mean.square()).mean().sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))
    return torch.where(deviations > LEAST_DEVIATION * size, deviations, size)


def _clamped(variance: torch.Tensor) -> torch.Tensor:
    """Variances by channel; one that hardly varies over a few images would be blown up."""
    return variance.clamp(min=LEAST_VARIANCE * float(variance.mean()) + 1e-12)


def _take_statistics(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    (x,) = inputs
    variance, mean = _channel_statistics(x)
    assert isinstance(layer.running_mean, torch.Tensor), "archc's batch norms track statistics"
    assert isinstance(layer.running_var, torch.Tensor), "archc's batch norms track statistics"
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(_clamped(variance))
    assert isinstance(layer.eps, float), "every norm with running statistics has an epsilon"
    if isinstance(layer.weight, torch.Tensor) and layer.eps > 0:
        share = EPSILONS * layer.eps / float(layer.running_var.mean())
        layer.running_var.mul_(share)
        layer.weight.mul_(share**0.5)

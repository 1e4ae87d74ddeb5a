"""A calibrated twin: weights under which every layer of a network matters and rounding stays small, for the comparison.

With freshly initialised weights the part of the output that depends on the input can be smaller than any tolerance
(2e-4 of it for LeNet-5, 1e-6 for VGG-19), and a wrong layer goes unnoticed. The twin has the same graph, but the output
of each layer has a set mean and deviation on the calibration images. Rounding errors grow no faster than the signal:

- What reaches an activation is at its operating point: nine values in ten pass nearly unchanged. With mean zero, a norm
  and a ReLU multiply errors by sqrt(pi / (pi - 1)) = 1.21, layer after layer.
- A layer whose inputs hardly vary, as after global pooling, is not blown up. Its gain has a limit, and its channels
  differ from one another instead.
- A residual branch beside a plain shortcut is damped.

Gammas have both signs and betas differ, so that no norm or activation repeats another without effect.

Source of the ideas: Mishkin and Matas 2015, arXiv:1511.06422 (layer-sequential unit variance); Yang et al. 2019,
arXiv:1902.08129 (batch norms multiply differences, unless activations are nearly linear); Goyal et al. 2017,
arXiv:1706.02677, section 5.1 (small last gammas).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from math import sqrt
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from archc.ir.dtype import FLOAT32
from archc.ir.graph import Graph, Node, Parameter
from archc.ir.operator import Operator
from archc.nn import build_module
from archc.verification.targets import EPSILONS, PLAIN, Target, demand, is_source, targets, widened
from archc.weights.initialize import computed

LARGEST_GAIN = 2.5  # of a channel's deviation, in units of the root mean square over all channels
LARGEST_VECTOR_GAIN = 1.5  # where there are no positions: few values, and alike
LEAST_SPREAD = 0.1  # of the channels' means, in units of the deviation


def calibrated_weights(graph: Graph, *images: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the twin by `state_dict` key. It is calibrated on `images` [N, ...], an array for each input."""
    wanted = targets(graph)
    weights, deviations = _calibrated(graph, images, wanted)
    wider = widened(graph, wanted, deviations)
    return _calibrated(graph, images, wanted | wider)[0] if wider else weights


def _calibrated(
    graph: Graph, images: Sequence[np.ndarray], targets: Mapping[str, Target]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """The weights for these targets, and how the inputs of nodes that demand a deviation deviate, by path."""
    graph, keys = _as_modules(graph)
    parameters = list(graph.parameters())
    with ThreadPoolExecutor() as threads:  # NumPy draws without Python's lock
        drawn = dict(zip([each.path for each in parameters], threads.map(_drawn, parameters), strict=True))
    for node in filter(is_source, graph.nodes):
        for parameter in node.parameters:
            if computed(parameter) is None:
                drawn[parameter.path] = drawn[parameter.path] * np.float32(targets.get(node.path, PLAIN).deviation)
    module = build_module(graph, drawn).eval()
    deviations: dict[str, float] = {}
    hooks = [
        hook
        for node in graph.nodes
        if not node.operator.is_expression() and not node.shares
        for hook in _hooks(node, module.get_submodule(node.path), targets.get(node.path, PLAIN), deviations)
    ]
    with torch.no_grad():
        module(*map(torch.from_numpy, images))
    for hook in hooks:
        hook.remove()
    found = {keys.get(key, key): tensor.detach().numpy() for key, tensor in module.state_dict().items()}
    return found, deviations


def _as_modules(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The same network with a module for each layer whose tensors have keys of their own, and those keys."""
    keys: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        own = {parameter.path: parameter for parameter in node.parameters}
        usual = {own[node.key(name)].path: f"{node.module}.{name}" for name, _ in node.keys}
        keys |= {path: key for key, path in usual.items()}
        parameters = tuple([p._replace(path=usual.get(p.path, p.path)) for p in node.parameters])
        nodes.append(replace(node, keys=(), parameters=parameters) if node.keys else node)
    return replace(graph, nodes=tuple(nodes)), keys


def _drawn(parameter: Parameter) -> np.ndarray:
    """Values that leave no tensor at 0 or 1, from the tensor's own stream; a counter is 0."""
    path, shape = parameter.path, parameter.shape
    if (values := computed(parameter)) is not None:
        return values
    if parameter.dtype != FLOAT32:
        return np.zeros(shape, parameter.dtype)
    generator = np.random.Generator(np.random.SFC64(crc32(path.encode())))
    if path.endswith(".bias") or (len(shape) > 1 and not path.endswith(".gain")):
        return generator.standard_normal(shape, np.float32)
    drawn = generator.uniform(0.5, 1.5, shape).astype(np.float32)
    # With positive gammas alone, a norm and a ReLU cut again what an earlier ReLU cut, and that may then be missing.
    return drawn * generator.choice(np.array([-1, 1], np.float32), shape) if path.endswith(".weight") else drawn


def _hooks(node: Node, layer: nn.Module, target: Target, deviations: dict[str, float]) -> Iterator[RemovableHandle]:
    """Hooks that calibrate a layer at its first run, and note in `deviations` how its input deviates."""
    if demand(node.operator) is not None:

        def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            deviations[node.path] = float(inputs[0].std(correction=0))

        yield layer.register_forward_pre_hook(_once(note))
    axis, scaled_by = node.operator.linear_axis, node.operator.scaled_by
    if axis is not None and scaled_by != "weight":
        _scale_filters(layer)
    if axis is not None and scaled_by is not None:
        axis %= node.output.type.ndim
        yield layer.register_forward_hook(_once(partial(_scale_linear, target, axis, node.operator)))
    elif node.operator.tracks_statistics:
        yield layer.register_forward_pre_hook(_once(partial(_take_statistics, target)))
    elif node.operator.normalizes:
        _scale_affine(layer, target, LEAST_SPREAD)


def _once(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook at the first run of a layer alone: another use of it has the same tensors."""
    runs = count()
    return lambda *given: hook(*given) if next(runs) == 0 else None


def _scale_linear(
    target: Target,
    axis: int,
    operator: Operator,
    layer: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    output: torch.Tensor,
) -> torch.Tensor:
    """Normalise each channel to equal variance and, by the bias, the target's mean; then scale all to its deviation.

    To scale the channels together is not enough: in a deep network of sigmoids only their means would be left.
    """
    scaled = getattr(layer, operator.scaled_by or "")
    assert isinstance(scaled, torch.Tensor), "a linear map has a tensor that scales it"
    mean, sizes, share = _statistics(output.movedim(axis, 1))
    bias = layer.bias if isinstance(layer.bias, torch.Tensor) else None
    means = mean / sizes if bias is None else bias * _spread(share)
    factor = target.deviation / (share + means.square().mean()).sqrt().clamp(min=LEAST_SPREAD)
    gains = factor / sizes
    shifts = factor * means - gains * mean + (0.0 if bias is None else target.mean)
    own, factors = operator.per_filter(tuple(scaled.shape))
    scaled.view(own).mul_(gains.reshape(factors))
    if bias is not None:
        bias.mul_(gains).add_(shifts)
    shape = (-1, *(1,) * (output.ndim - 1 - axis))
    return output.mul_(gains.reshape(shape)).add_(shifts.reshape(shape))


def _scale_filters(layer: nn.Module) -> None:
    """Scale filters that their layer standardises, so that its epsilon shows; nothing else of their scale does."""
    assert isinstance(layer.weight, torch.Tensor), "a convolution has a weight"
    assert isinstance(layer.eps, float), "standardisation has an epsilon"
    with torch.no_grad():
        layer.weight.mul_(sqrt(EPSILONS * layer.eps))


def _take_statistics(target: Target, layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Give a batch norm the statistics of its input, all scaled so that its epsilon shows."""
    mean, sizes, share = _statistics(inputs[0])
    assert isinstance(layer.running_mean, torch.Tensor), "archc's batch norms track statistics"
    assert isinstance(layer.running_var, torch.Tensor), "archc's batch norms track statistics"
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(sizes.square())
    _scale_affine(layer, target, _spread(share))
    assert isinstance(layer.eps, float), "every norm with running statistics has an epsilon"
    if isinstance(layer.weight, torch.Tensor) and layer.eps > 0:
        scale = EPSILONS * layer.eps / float(layer.running_var.mean())
        layer.running_var.mul_(scale)
        layer.weight.mul_(sqrt(scale))


def _scale_affine(norm: nn.Module, target: Target, spread: float) -> None:
    """Scale the drawn gammas and betas of a norm, if it has any, to a target."""
    with torch.no_grad():
        if isinstance(norm.weight, torch.Tensor):
            norm.weight.mul_(target.deviation)
        if isinstance(bias := getattr(norm, "bias", None), torch.Tensor):
            bias.mul_(target.deviation * spread).add_(target.mean)


def _statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Means and sizes of the channels (axis 1), and the mean variance after division by the sizes.

    A size is the deviation, but no less than the limit of the gain allows.
    """
    mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)  # three times as fast as `torch.var_mean`
    square = float((variance + mean.square()).mean()) or 1.0
    gain = LARGEST_GAIN if x[0, 0].numel() > 1 else LARGEST_VECTOR_GAIN
    sizes = variance.sqrt().clamp(min=sqrt(square) / gain)
    return mean, sizes, float((variance / sizes.square()).mean())


def _spread(share: float) -> float:
    """Deviation of the channels' means that makes up for a variance below 1."""
    return sqrt(max(1 - share, LEAST_SPREAD**2))

"""Initial values -> the initializer that drew them, as far as they show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from math import sqrt
from typing import NamedTuple

import torch

from archc.ir.graph import Graph, Parameter
from archc.ir.initializers import (
    ONES,
    ZEROS,
    Constant,
    Initializer,
    KaimingNormal,
    KaimingUniform,
    Normal,
    Ones,
    TruncNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)
from archc.weights.sampling import fans, gain

FEWEST = 512  # values that show a distribution
CLOSE = 0.04  # of a standard deviation; that of 512 normal values is within 3 % nearly always
STDS = (0.02, 0.01, 0.001, 0.05, 0.1, 1.0)

Shown = Initializer | None  # None is the operator's own


class Drawn(NamedTuple):
    """What is known of the values of a tensor; `largest` without their signs."""

    number: int
    std: float
    mean: float
    largest: float


def with_initializers(graph: Graph, state: Mapping[str, torch.Tensor]) -> Graph:
    """The graph with the initializers that these first values show."""
    kinds: dict[tuple[str, str, bool], list[Parameter]] = {}
    for node in graph.nodes:
        # PyTorch's fan out counts channels that a group does not reach, and many correct it: such layers are apart.
        grouped = "groups" in node.operator.attributes()
        for name in node.operator.tensors:
            if (parameter := node.parameter(name)) and not parameter.buffer:
                kinds.setdefault((node.operator.word, name, grouped), []).append(parameter)
    found: dict[str, Shown] = {}
    for alike in kinds.values():
        found |= _explained(alike, {each.path: _fitting(each, state.get(each.path)) for each in alike})

    def chosen(parameter: Parameter) -> Parameter:
        return parameter._replace(initializer=found.get(parameter.path) or parameter.initializer)

    nodes = (replace(node, parameters=tuple(map(chosen, node.parameters))) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _explained(alike: Sequence[Parameter], fitting: Mapping[str, Sequence[Shown]]) -> dict[str, Shown]:
    """Path -> initializer of tensors of one kind, so that few initializers explain all.

    The values of one tensor often fit several: in many layers fan in is fan out. So the initializer that most tensors
    fit is theirs, then the one that most of the others fit. Tensors that show none have the commonest.
    """
    found: dict[str, Shown] = {}
    while rest := [each.path for each in alike if fitting[each.path] and each.path not in found]:
        ((best, _),) = Counter(chain(*(fitting[path] for path in rest))).most_common(1)
        found |= {path: best for path in rest if best in fitting[path]}
    for usual, _ in Counter(found.values()).most_common(1):
        found |= {each.path: usual for each in alike if not fitting[each.path] and _may_start(each, usual)}
    return found


def _may_start(parameter: Parameter, shown: Shown) -> bool:
    """True if values that show nothing may have been drawn so; a constant would have shown."""
    if shown is None or isinstance(shown, Constant | Ones | Zeros):
        return False
    return not shown.uses_fan or len(parameter.shape) > 1


def _fitting(parameter: Parameter, values: torch.Tensor | None) -> list[Shown]:
    """The initializers that values fit, the operator's own first; none if they are too few."""
    if values is None or values.device.type == "meta" or not values.is_floating_point():
        return []
    own, shape = parameter.initializer, parameter.shape
    flat = values.detach().double().flatten()
    low, high = float(flat.min()), float(flat.max())
    if low == high and (flat.numel() > 1 or low in (0.0, 1.0)):
        return [_constant(low, own)]
    if flat.numel() < FEWEST:
        return []
    drawn = Drawn(flat.numel(), float(flat.std()), float(flat.mean()), max(-low, high))
    others = [each for each in _candidates(shape) if each != own and _fits(each, drawn, shape)]
    return [None, *others] if _fits(own, drawn, shape) else [*others]


def _constant(value: float, own: Initializer) -> Shown:
    alike = {0.0: ZEROS, 1.0: ONES}.get(value) or Constant(val=float(f"{value:.6g}"))
    return None if own in (alike, Constant(val=value)) else alike


def _candidates(shape: tuple[int, ...]) -> Iterator[Initializer]:
    """What people use, the commonest first."""
    if len(shape) > 1:
        yield KaimingNormal(mode="fan_out", nonlinearity="relu")
        yield KaimingNormal(nonlinearity="relu")
        yield KaimingNormal(nonlinearity="linear")
        yield KaimingUniform(mode="fan_out", nonlinearity="relu")
        yield KaimingUniform(nonlinearity="relu")
        yield KaimingUniform(mode="fan_out", nonlinearity="sigmoid")
        yield XavierUniform()
        yield XavierNormal()
    for std in STDS:
        yield TruncNormal(std=std)
        yield Normal(std=std)
    if len(shape) > 1:
        bound = 1 / sqrt(shape[0])
        yield Uniform(a=-bound, b=bound)


def _fits(initializer: Initializer, values: Drawn, shape: tuple[int, ...]) -> bool:
    """True if values may have been drawn so: the same deviation, no mean, and the tails of the distribution."""
    known = _spread(initializer, shape)
    if known is None:
        return False
    std, bound = known
    if isinstance(initializer, TruncNormal) and values.largest > max(-initializer.a, initializer.b):
        return False
    if abs(values.std - std) > max(CLOSE / 4, 4 / sqrt(2 * values.number)) * std:
        return False
    if abs(values.mean) > 5 * std / sqrt(values.number):
        return False
    return values.largest <= bound * (1 + 1e-6) if bound < 5 * std else values.largest > bound_of_uniform(std) * 1.05


def bound_of_uniform(std: float) -> float:
    """The largest value of a uniform distribution around 0 with this standard deviation."""
    return sqrt(3) * std


def _spread(initializer: Initializer, shape: tuple[int, ...]) -> tuple[float, float] | None:
    """Standard deviation and largest value; infinity for a normal distribution."""
    if isinstance(initializer, Uniform):
        half = (initializer.b - initializer.a) / 2
        return (half / sqrt(3), half) if initializer.a == -initializer.b else None
    if isinstance(initializer, Normal | TruncNormal):
        return (initializer.std, float("inf")) if initializer.mean == 0 else None
    if len(shape) < 2:
        return None
    fan_in, fan_out = fans(shape)
    if isinstance(initializer, XavierUniform | XavierNormal):
        std = initializer.gain * sqrt(2 / (fan_in + fan_out))
    elif isinstance(initializer, KaimingUniform | KaimingNormal):
        std = gain(initializer.nonlinearity, initializer.a) / sqrt(fan_in if initializer.mode == "fan_in" else fan_out)
    else:
        return None
    uniform = isinstance(initializer, XavierUniform | KaimingUniform)
    return (std, bound_of_uniform(std)) if uniform else (std, float("inf"))

"""Initial values -> the initializer that drew them, as far as they show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
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


class Drawn(NamedTuple):
    """What is known of the values of a tensor; `largest` without their signs."""

    number: int
    std: float
    mean: float
    largest: float


def with_initializers(graph: Graph, state: Mapping[str, torch.Tensor]) -> Graph:
    """The graph with the initializers that these first values show.

    Tensors with too few values have the initializer that most others of their operator show.
    """
    shown = {p.path: _of_parameter(p, state.get(p.path)) for p in graph.parameters()}
    kinds = {node.key(name): (node.operator.word, name) for node in graph.nodes for name in node.operator.tensors}
    usual: dict[tuple[str, str], Counter[Initializer]] = {}
    for path, found in shown.items():
        if found is not None and path in kinds:
            usual.setdefault(kinds[path], Counter())[found] += 1

    def chosen(parameter: Parameter) -> Parameter:
        found = shown.get(parameter.path)
        if found is None and (others := usual.get(kinds.get(parameter.path, ("", "")))):
            found = others.most_common(1)[0][0]
            if (found.uses_fan and len(parameter.shape) < 2) or isinstance(found, Constant | Ones | Zeros):
                found = None  # a constant would have shown
        return parameter if found is None or parameter.buffer else parameter._replace(initializer=found)

    nodes = (replace(node, parameters=tuple(map(chosen, node.parameters))) for node in graph.nodes)
    return replace(graph, nodes=tuple(nodes))


def _of_parameter(parameter: Parameter, values: torch.Tensor | None) -> Initializer | None:
    """The initializer that values show; None if they are too few, or show none."""
    if values is None or parameter.buffer or values.device.type == "meta" or not values.is_floating_point():
        return None
    own = parameter.initializer
    flat = values.detach().double().flatten()
    low, high = float(flat.min()), float(flat.max())
    if low == high and (flat.numel() > 1 or low in (0.0, 1.0)):
        return _constant(low, own)
    if flat.numel() < FEWEST:
        return None
    drawn = Drawn(flat.numel(), float(flat.std()), float(flat.mean()), max(-low, high))
    tried = (own, *_candidates(parameter.shape))
    return next((each for each in tried if _fits(each, drawn, parameter.shape)), None)


def _constant(value: float, own: Initializer) -> Initializer:
    if isinstance(own, Constant) and own.val == value:
        return own
    return {0.0: ZEROS, 1.0: ONES}.get(value) or Constant(val=float(f"{value:.6g}"))


def _candidates(shape: tuple[int, ...]) -> Iterator[Initializer]:
    """What people use, the commonest first."""
    if len(shape) > 1:
        yield KaimingNormal(mode="fan_out", nonlinearity="relu")
        yield KaimingNormal(nonlinearity="relu")
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

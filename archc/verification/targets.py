"""Which mean and deviation the output of each layer has in a calibrated twin; follows from the graph alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import NamedTuple

from archc.ir.graph import Graph, Node
from archc.ir.operator import Operator


class Target(NamedTuple):
    """Mean and standard deviation of a layer's output."""

    mean: float = 0.0
    deviation: float = 1.0


PLAIN = Target()
DAMPING = 0.25  # of a residual branch beside a plain shortcut
FAINT = 0.5  # share of the wanted deviation below which the layers before are scaled up
EPSILONS = 100.0  # the mean variance in a norm, in units of its epsilon: a wrong epsilon then shows


def targets(graph: Graph) -> dict[str, Target]:
    """Targets by the layer's path, where they are not PLAIN."""
    found = {path: target for _, target, layers in _demands(graph) for path in layers}
    damped = {path: found.get(path, PLAIN) for path in _residual_tails(graph)}
    return found | {path: Target(0.0, DAMPING * target.deviation) for path, target in damped.items()}


def widened(graph: Graph, targets: Mapping[str, Target], deviations: Mapping[str, float]) -> dict[str, Target]:
    """New targets for the layers before nodes whose inputs deviate by much less than wanted; `deviations` by path.

    Pooling, and sums with damped branches, leave less of a layer's deviation.
    """
    found: dict[str, Target] = {}
    for node, wanted, layers in _demands(graph):
        factor = wanted.deviation / (deviations.get(node.path) or wanted.deviation)
        if factor > 1 / FAINT:
            kept = {path: targets.get(path, PLAIN) for path in layers}
            found |= {path: Target(target.mean, target.deviation * factor) for path, target in kept.items()}
    return found


def demand(operator: Operator) -> Target | None:
    """What an operator's input should be: an activation's operating point, or small before a norm of its own input.

    Such a norm takes away any scale; only beside its epsilon a wrong scale shows.
    """
    point = operator.operating_point()
    if point is not None:
        return Target(*point)
    if operator.normalizes and not operator.tracks_statistics:
        eps = getattr(operator, "epsilon", getattr(operator, "eps", 0.0))
        return Target(0.0, sqrt(EPSILONS * float(eps)) or 1.0)
    return None


def _demands(graph: Graph) -> Iterator[tuple[Node, Target, set[str]]]:
    """Nodes that demand something of their input, with the paths of the layers that decide about it."""
    producers = {value.name: node for node in graph.nodes for value in node.outputs}
    for node in graph.nodes:
        target = demand(node.operator)
        if target is not None:
            yield node, target, _layers_before(node, producers)


def _layers_before(node: Node, producers: Mapping[str, Node]) -> set[str]:
    """The nearest layers before a node: what lies between keeps their scale, more or less."""
    found, seen = set(), set()
    waiting = [(value.name, node.operator) for value in node.inputs]
    while waiting:
        name, consumer = waiting.pop()
        producer = producers.get(name)
        if producer is None or name in seen:
            continue
        seen.add(name)
        if _has_scale(producer.operator) and producer.parameters:
            found |= set() if is_source(producer) and consumer.multiplies else {producer.path}
        elif demand(producer.operator) is None:
            waiting += [(value.name, producer.operator) for value in producer.inputs]
    return found


def _residual_tails(graph: Graph) -> set[str]:
    """Paths of the layers that end a residual branch: a summand that is computed from another summand."""
    producers = {value.name: node for node in graph.nodes for value in node.outputs}
    order = {name: index for index, name in enumerate(producers)}
    tails: set[str] = set()
    for node in graph.nodes:
        if node.operator.adds:
            summands = {_source(value.name, producers) for value in node.inputs}
            for name in summands & producers.keys():
                branch = producers[name]
                if _has_scale(branch.operator) and _is_computed_from(name, summands - {name}, producers, order):
                    tails.add(branch.path)
    return tails


def _source(name: str, producers: Mapping[str, Node]) -> str:
    """The value before what does nothing at inference, such as stochastic depth."""
    while (node := producers.get(name)) and not node.operator.inference:
        name = node.inputs[0].name
    return name


def _is_computed_from(name: str, others: set[str], producers: Mapping[str, Node], order: Mapping[str, int]) -> bool:
    """True if a value depends on one of the others; nothing before the first of them is looked at."""
    first = min((order.get(other, -1) for other in others), default=len(order))
    seen, waiting = {name}, [name]
    while waiting:
        node = producers.get(waiting.pop())
        for value in node.inputs if node else ():
            if value.name in others:
                return True
            if value.name not in seen and order.get(value.name, -1) > first:
                seen.add(value.name)
                waiting.append(value.name)
    return False


def is_source(node: Node) -> bool:
    """True for a tensor that is a value by itself."""
    return node.operator.arity == 0


def _has_scale(operator: Operator) -> bool:
    """True where the tensors of an operator decide how much its output deviates."""
    return operator.scaled_by is not None or operator.normalizes or operator.arity == 0

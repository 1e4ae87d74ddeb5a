"""What a spec was specialised to: one size, one way through the module's Python, defaults of its `forward`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from itertools import zip_longest

from torch import nn

from archc.compare import Comparison
from archc.compare.factory import failure, reason
from archc.compare.sizes import Case, declared, undeclared
from archc.ir.graph import Graph, Node
from archc.lifting.graphs import graph_of
from archc.lifting.modules import NoWord
from archc.lifting.tracing import trace


def specialisations(module: nn.Module, graph: Graph, comparison: Comparison) -> list[str]:
    """What the spec holds for, and where another size leads the module elsewhere."""
    return [*_sizes(module, graph, comparison), *_training(graph), *_defaults(module, len(graph.inputs))]


def _sizes(module: nn.Module, graph: Graph, comparison: Comparison) -> Iterator[str]:
    accepted = comparison.check("outputs").detail.removeprefix("sizes ").split(", ")
    (usual, *_), tried = declared(graph), [case for cases in undeclared(graph) for case in cases]
    others = [case for case in tried if str(case) in accepted]
    if others:
        yield f"equal at {' and '.join(map(str, others))} too"
    equal = {_without_batch(case) for case in others}
    left = {size: case for case in tried if (size := _without_batch(case)) not in equal}
    evaluated = cache(lambda case: _evaluated(module, graph, case))
    for size, case in left.items():
        if difference := _difference(evaluated, usual, case):
            yield f"for {_without_batch(usual)}, and not for {size}: {difference}"
            return


def _without_batch(case: Case) -> str:
    return " and ".join("×".join(map(str, shape[1:])) for shape in case.shapes)


def _difference(evaluated: Callable[[Case], Graph], usual: Case, case: Case) -> str:
    """What the module does otherwise at another size than the usual; empty if its calls are the same."""
    try:
        here, there = map(evaluated, (usual, case))
    except NoWord as error:
        return f"the language has no word for {error} there"
    except Exception as error:  # a person's own Python refuses the size
        return reason(failure("running the module there", error))
    for one, other in zip_longest(here.nodes, there.nodes):
        if told := _told(one, other):
            return told
    return ""


def _evaluated(module: nn.Module, graph: Graph, case: Case) -> Graph:
    shapes = {value.name: shape[1:] for value, shape in zip(graph.inputs, case.shapes, strict=True)}
    return graph_of(trace(module, shapes, training=False), graph.name)


def _told(here: Node | None, there: Node | None) -> str:
    """How two calls differ, the first of which the spec has."""
    if here is None or there is None:
        (only,) = (node for node in (here, there) if node is not None)
        calls = "does not call" if there is None else "also calls"
        return f"there the module {calls} {only.operator.word}{_where(only)}"
    if here.operator.word != there.operator.word:
        return f"there the module calls {there.operator.word}{_where(there)}, and {here.operator.word} in the spec"
    ours, theirs = here.operator.model_dump(), there.operator.model_dump()
    names = [name for name in ours if ours[name] != theirs.get(name)]
    if not names:
        return ""
    (name, *_), word = names, here.operator.word
    return f"the {name} of {word}{_where(here)} is {_plain(theirs[name])} there, and {_plain(ours[name])} in the spec"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _where(node: Node) -> str:
    return f" in {node.scope}" if node.scope else ""


def _training(graph: Graph) -> Iterator[str]:
    for output in graph.outputs:
        if output.training_only:
            yield f"the output {output.name} is given in training alone"


def _defaults(module: nn.Module, given: int) -> Iterator[str]:
    """Arguments of `forward` that had their defaults."""
    try:
        parameters = list(inspect.signature(module.forward).parameters.values())
    except (TypeError, ValueError):
        return
    for parameter in parameters[given:]:
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD or parameter.kind is parameter.KEYWORD_ONLY:
            yield f"forward has run with {parameter.name}={parameter.default!r}"

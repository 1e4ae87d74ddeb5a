"""Compares an artefact with its network node by node, each from the same inputs, so that no error travels.

Every *kind* of node is compared on inputs drawn for it. Where the artefact as a whole is wrong, the nodes are walked
through in order, each from the float64 values of its inputs: the first that exceeds its own bound is where it goes
wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from math import inf, nan, sqrt

import torch

from archc.diagnostics import ArchcError
from archc.exporting import NodeRunner, RunNode
from archc.ir.graph import Node
from archc.ir.types import SymbolicDim
from archc.nn.exact import InFloat64
from archc.nn.interpreter import Interpreter
from archc.verification.drawing import Drawer, Tensors, generator_of, tiled
from archc.verification.local import is_local
from archc.verification.report import Divergence, Nodes
from archc.verification.rounding import FACTOR, FLOOR, ROUNDING
from archc.weights import Array
from archc.weights.network import Network

Case = tuple[Tensors, torch.Tensor]
"""Inputs of a node by name, in float64, and what it gives."""
ONE = 2 * ROUNDING  # of a 1
PLACED = 4 * ROUNDING  # of a position, between two numbers that differ by about their size
MOST_ABSENT = 3
SMALL, LARGE = 2.0**-10, 32.0


def has_unit(nodes: Interpreter, values: Sequence[str], given: Tensors) -> bool:
    """True if twice the inputs do not give twice the values: what computes them does not only select, add and scale.

    Without weights a correct runtime may then be off by a rounding of 1, however small the values are: exp(x) - 1 may
    stand for expm1(x).
    """
    given = {name: x.float() if x.is_floating_point() else x for name, x in given.items()}
    doubled = {name: 2 * x if x.is_floating_point() else x for name, x in given.items()}  # an index stays what it is
    return any(not torch.equal(nodes.value(name, doubled), 2 * nodes.value(name, given)) for name in values)


def misplaced(node: Node) -> float:
    """How far the output of a correct node may be off as its kernel rounds positions, as a share of its input."""
    return PLACED * max((node.operator.positions(value.type) for value in node.inputs), default=0)


def compare_kinds(network: Network, runners: Sequence[NodeRunner], seed: int) -> Nodes:
    """Compare one node of each kind on inputs drawn for it, at the usual size and at the ends of dynamic sizes."""
    judge, drawer = _Judge(network), Drawer(seed)
    kinds: dict[Hashable, NodeRunner] = {}
    for runner in runners:
        kinds.setdefault((runner.kind, judge.kind(runner)), runner)
    for runner in kinds.values():
        small = judge.is_local(runner)
        divergence = judge.compare(runner, judge.cases(runner, drawer, small=small), any_size=small)
        if divergence is not None:
            return Nodes(len(kinds), len(runners), divergence)
    return Nodes(len(kinds), len(runners))


def first_divergence(
    network: Network, inputs: Sequence[Array], runners: Sequence[NodeRunner], *, complete: bool = False
) -> Divergence | None:
    """The first node of an artefact that does not compute what its network does; None if all of them do.

    A value that the file does not have may be computed in another way by another program. It is named if the file has
    nearly all values, no other node diverges, and the file is not known to be `complete`.
    """
    absent: list[Divergence] = []
    judge, graph = _Judge(network), network.inference
    names = [value.name for value in graph.inputs]
    values = dict(zip(names, (torch.from_numpy(x).double() for x in inputs), strict=True))
    uses = Counter(name for runner in runners for name in runner.inputs)
    for runner in runners:
        given = {name: values[name] for name in runner.inputs}
        exact = judge.exact(runner, given)
        divergence = judge.compare(runner, [(given, exact)])
        if divergence is not None and divergence.bound != inf:
            return divergence
        absent += [divergence] if divergence else []
        values[runner.value] = exact
        uses.subtract(runner.inputs)
        for name in runner.inputs:  # a value is kept until its last use
            if not uses[name]:
                values.pop(name, None)
    return absent[0] if 0 < len(absent) <= MOST_ABSENT and not complete else None


class _Judge:
    """The nodes of a network in PyTorch, to which those of an artefact are held."""

    def __init__(self, network: Network) -> None:
        graph, module = network.inference, network.inference_module()
        self._nodes = {node.path: node for node in graph.nodes}
        self._types = {value.name: value.type for value in graph.values()}
        self._single = Interpreter(graph, module)
        self._nudges = 1 + 2 * ROUNDING * (torch.randint(0, 2, (8191,), generator=generator_of(0)) * 2 - 1)
        self._units: dict[str, bool] = {}  # by path

    def kind(self, runner: NodeRunner) -> Hashable:
        """What decides how PyTorch computes a node, with those that an exporter has folded into it."""
        between = self._single.between(runner.value, runner.inputs)
        return tuple(node.kind for node in between), tuple(self._types[name] for name in runner.inputs)

    def exact(self, runner: NodeRunner, given: Tensors) -> torch.Tensor:
        """What a node gives in float64."""
        with InFloat64():
            return self._single.value(runner.value, given)

    def is_local(self, runner: NodeRunner) -> bool:
        """True if a node is compared on small images, as it does the same on large ones."""
        return is_local(self._single.between(runner.value, runner.inputs))

    def cases(self, runner: NodeRunner, drawer: Drawer, *, small: bool) -> Iterator[Case]:
        """Inputs that are drawn for a node, with `small` images or the network's, and what it gives."""
        return ((given, self.exact(runner, given)) for given in self._draws(runner, drawer, small))

    def _draws(self, runner: NodeRunner, drawer: Drawer, small: bool) -> Iterator[Tensors]:
        """Inputs for a node; tiny and huge numbers only where these do not give the usual result times a factor."""
        types = {name: self._types[name] for name in runner.inputs}
        dynamic = any(isinstance(dim, SymbolicDim) for type in types.values() for dim in type.shape[1:])
        usual = drawer.usual(types, "optimum", small=small)
        yield usual
        if dynamic:
            yield from (drawer.usual(types, size, small=small) for size in ("minimum", "maximum"))
        linear = self._nodes[runner.path].operator.linear_axis is not None
        if not linear and self._has_unit(runner, usual):
            yield drawer.scaled(types, SMALL)
            yield drawer.scaled(types, LARGE)

    def _has_unit(self, runner: NodeRunner, given: Tensors) -> bool:
        """The answer of `has_unit` for the first inputs that it is asked with."""
        if runner.path not in self._units:
            self._units[runner.path] = has_unit(self._single, [runner.value], given)
        return self._units[runner.path]

    def compare(self, runner: NodeRunner, cases: Iterable[Case], *, any_size: bool = False) -> Divergence | None:
        """Hold a node to its network's on each of several inputs, which may be images of `any_size`."""
        try:
            run = runner.open(any_size)
            return next(filter(None, (self._compare(runner, run, *case) for case in cases)), None)
        except LookupError as error:  # the file does not compute it from these inputs
            return self._divergence(runner, inf, inf, str(error.args[0]))
        except Exception as error:  # a runtime may refuse a broken node in any way
            return self._divergence(runner, nan, nan, f"cannot be run: {first_line(error)}")

    def _compare(self, runner: NodeRunner, run: RunNode, given: Tensors, exact: torch.Tensor) -> Divergence | None:
        single = self._single.value(runner.value, {name: self._nudged(x.float()) for name, x in given.items()})
        actual = torch.from_numpy(run([x.float().numpy() for x in given.values()]))
        if actual.shape != exact.shape:
            shapes = f"gives shape {list(actual.shape)}, not {list(exact.shape)}"
            return self._divergence(runner, nan, nan, shapes)
        if not bool(torch.isfinite(exact.sum() + single.sum())):  # of what overflows, nothing can be said
            known = exact.isfinite() & single.isfinite()
            actual, exact, single = (torch.where(known, x, 0) for x in (actual, exact, single))
        error, bound = _rms(actual - exact), self._bound(runner, given, exact, single)
        return None if error <= bound else self._divergence(runner, error, bound, "the error exceeds the bound")

    def _bound(self, runner: NodeRunner, given: Tensors, exact: torch.Tensor, single: torch.Tensor) -> float:
        """What a correct node may be off.

        Without weights that is measured by the inputs if they are larger than the output: they may cancel, as in the
        mean of what a norm has made of mean zero.
        """
        node, size = self._nodes[runner.path], _rms(exact)
        if not node.parameters:
            size = max([size, *(_rms(x) for x in given.values())])
        one = ONE if not node.parameters and self._has_unit(runner, given) else 0.0
        return FACTOR * _rms(single - exact) + (FLOOR + misplaced(node)) * size + one

    def _nudged(self, x: torch.Tensor) -> torch.Tensor:
        """Each number's neighbour, above or below at random: no runtime can be held to more of its inputs.

        A zero stays: its neighbours are subnormal, and a convolution over those takes 35 to 85 times as long.
        """
        return x * tiled(self._nudges, x.shape)

    def _divergence(self, runner: NodeRunner, error: float, bound: float, reason: str) -> Divergence:
        node = self._nodes[runner.path]
        return Divergence(runner.path, node.operator.word, node.position, error, bound, reason)


def _rms(x: torch.Tensor) -> float:
    """Root mean square, in float64."""
    return float(torch.linalg.vector_norm(x, dtype=torch.float64)) / sqrt(x.numel()) if x.numel() else 0.0


def first_line(error: Exception) -> str:
    """What an exception says, in a line."""
    if isinstance(error, ArchcError):
        return error.diagnostics[0].message
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

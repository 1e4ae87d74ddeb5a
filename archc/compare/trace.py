"""The values of both sides as steps with fingerprints, so that what one computes can be found in the other."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import nn
from torch.utils.weak import WeakTensorKeyDictionary

from archc.compare.outputs import tensors
from archc.compare.watch import Watch, line, name_of
from archc.ir.graph import Graph, Node
from archc.nn.interpreter import Interpreter

SAME = 1e-9  # of a value's norm: millions of roundings, and far below what any wrong field makes
_POOL = 2**18 - 5  # odd, so that no axis of an image fits into it

What = TypeVar("What")


class Print(NamedTuple):
    """A fingerprint of a tensor in its logical order, whatever its shape: size, norm and a random projection."""

    size: int
    projection: float
    norm: float


@dataclass(frozen=True, slots=True)
class Step(Generic[What]):
    """Something that was computed: a node or a call, the steps that its inputs come from, and the values."""

    what: What
    sources: tuple[int, ...]
    prints: tuple[Print, ...]


class Call(NamedTuple):
    """An operation of PyTorch: in which module, and from which line of a person's own code."""

    name: str
    path: str
    line: str | None


class Printer:
    """Makes fingerprints."""

    def __init__(self) -> None:
        self._pool = torch.randn(_POOL, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def prints(self, values: Iterable[torch.Tensor]) -> tuple[Print, ...]:
        """One for each tensor of floating-point numbers."""
        return tuple([self._print(value) for value in values if value.is_floating_point() and value.numel()])

    def _print(self, value: torch.Tensor) -> Print:
        flat = value.detach().reshape(-1).double()
        if flat.numel() > self._pool.numel():
            self._pool = self._pool[:_POOL].repeat(flat.numel() // _POOL + 1)
        return Print(flat.numel(), float(flat @ self._pool[: flat.numel()]), float(flat.norm()))


class Known:
    """Fingerprints that a value can be looked up in."""

    def __init__(self, prints: Iterable[Print]) -> None:
        self._prints = sorted(prints)

    def has(self, sought: Print) -> bool:
        """True if one of them is the same up to rounding."""
        room = SAME * sought.norm
        at = bisect_left(self._prints, Print(sought.size, sought.projection - room, 0.0))
        for near in self._prints[at:]:
            if near.size != sought.size or near.projection > sought.projection + room:
                return False
            if abs(near.norm - sought.norm) <= room:
                return True
        return False


class Recorder(Watch):  # type: ignore[no-untyped-call]
    """Records every operation of a module as a step."""

    def __init__(self, module: nn.Module, uniform: float | None) -> None:
        super().__init__(module, uniform)
        self.steps: list[Step[Call]] = []
        self._made = WeakTensorKeyDictionary()
        self._printer = Printer()

    def see(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        """Add a step."""
        given = [each.tensor for each in tensors([list(args), dict(kwargs)])]
        made = [each.tensor for each in tensors([result])]
        sources = tuple(dict.fromkeys(self._made[x] for x in given if x in self._made))
        for each in made:
            self._made[each] = len(self.steps)
        call = Call(name_of(func), self.path, line())
        self.steps.append(Step(call, sources, self._printer.prints(made)))

    def of(self, values: Iterable[torch.Tensor]) -> list[int]:
        """The steps that made these tensors."""
        return [self._made[value] for value in values if value in self._made]


def node_steps(graph: Graph, module: nn.Module, inputs: Sequence[torch.Tensor]) -> list[Step[Node]]:
    """Every node of a graph as a step, with the layers of a module, in its mode."""
    nodes, printer = Interpreter(graph, module), Printer()
    values = dict(zip([value.name for value in graph.inputs], inputs, strict=True))
    made = {value.name: index for index, node in enumerate(graph.nodes) for value in node.outputs}
    last = {value.name: index for index, node in enumerate(graph.nodes) for value in node.inputs}
    steps = []
    for index, node in enumerate(graph.nodes):
        given = {value.name: values[value.name] for value in node.inputs}
        values |= {value.name: nodes.value(value.name, given) for value in node.outputs}
        sources = tuple(made[name] for name in given if name in made)
        steps.append(Step(node, sources, printer.prints(values[value.name] for value in node.outputs)))
        for name in given:
            if last[name] == index:
                values.pop(name, None)
    return steps


def leading(steps: Sequence[Step[What]], outputs: Iterable[int]) -> list[int]:
    """The steps on the way to the outputs, in order. What a module computes and drops is none of them."""
    needed = set(outputs)
    for index in range(len(steps) - 1, -1, -1):
        if index in needed:
            needed.update(steps[index].sources)
    return sorted(needed)


def apart(steps: Sequence[Step[What]], way: Sequence[int], known: Known) -> Iterator[What]:
    """The steps of a way from which nothing follows that the other side has, in order.

    The first is where this side leaves the other. A step whose value the other side lacks, but from which a value
    follows that it has, only takes another way there.
    """
    shared: set[int] = set()
    for index in reversed(way):
        step = steps[index]
        if index in shared or any(known.has(each) for each in step.prints):
            shared.update((index, *step.sources))
    return (steps[index].what for index in way if index not in shared and steps[index].prints)

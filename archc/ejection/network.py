"""A network with several values of each of its parameters: what changes shows what depends on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import Enum

from archc.diagnostics import ArchcError
from archc.ejection.candidates import Unexplained
from archc.ejection.lines import Unit
from archc.ejection.loops import with_loops
from archc.ejection.notes import Notes
from archc.ejection.plans import Planner
from archc.ejection.templates import Different
from archc.ejection.units import read
from archc.ejection.variation import held_out_values, other_values
from archc.elaborate import Trace, elaborate
from archc.ir.graph import Graph
from archc.spec.language.document import Spec


class Style(Enum):
    """How much is said in short: with loops, without, or a class for each distinct module and no arguments."""

    LOOPS = "loops"
    LINES = "lines"
    PLAIN = "plain"


class Network:
    """A spec and the values of its parameters."""

    def __init__(self, spec: Spec, parameters: Mapping[str, object], max_nodes: int) -> None:
        self.spec, self.parameters, self._max_nodes = spec, parameters, max_nodes
        self._notes = Notes.of(spec)
        self.graph = self._graph({})

    def plan(self, style: Style, fixed: frozenset[str]) -> Planner | None:
        """The classes of the network, which takes as many parameters as it can, but not `fixed`; None for no plan."""
        root = self._unit({}, style, fixed)
        if style is Style.PLAIN:
            return Planner([root], self._notes, merge=False)
        return self._widest(root, list(self._varied(style, fixed)))

    def held_out(self, name: str) -> tuple[object, Graph] | None:
        """A value of a parameter from which no plan was made, with the graph; None if the spec takes no such value."""
        for value in held_out_values(self.parameters[name]):
            with suppress(ArchcError):
                return value, self._graph({name: value})
        return None

    def _graph(self, others: Mapping[str, object], trace: Trace | None = None) -> Graph:
        return elaborate(self.spec, {**self.parameters, **others}, max_nodes=self._max_nodes, trace=trace)

    def _unit(self, others: Mapping[str, object], style: Style, fixed: frozenset[str]) -> Unit:
        trace = Trace()
        unit = read(self._graph(others, trace), trace, self._notes)
        unit.names = {name: value for name, value in unit.names.items() if name not in fixed}
        return with_loops(unit) if style is Style.LOOPS else unit

    def _varied(self, style: Style, fixed: frozenset[str]) -> Iterator[list[Unit]]:
        """For each parameter the network with two other values of it: three tell a division from a straight line."""
        for name, value in self.parameters.items():
            found: list[Unit] = []
            for other in other_values(value):
                if name not in fixed and len(found) < 2:
                    with suppress(ArchcError):
                        found.append(self._unit({name: other}, style, fixed))
            if found:
                yield found

    def _widest(self, root: Unit, varied: list[list[Unit]]) -> Planner | None:
        if planner := self._planned([root, *(unit for units in varied for unit in units)]):
            return planner
        kept: list[Unit] = []
        for units in varied if len(varied) > 1 else ():
            if self._planned([root, *kept, *units]):
                kept += units
        return self._planned([root, *kept])

    def _planned(self, roots: list[Unit]) -> Planner | None:
        try:
            return Planner(roots, self._notes, merge=True)
        except (Different, Unexplained):
            return None

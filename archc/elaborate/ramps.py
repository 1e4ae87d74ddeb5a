"""Values spaced evenly over all uses of some blocks, such as the drop rate of stochastic depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from archc.diagnostics import Note, Span, SpecError
from archc.ir.graph import Graph, Node
from archc.spec.language.document import Ramp


class Ramps:
    """Counts the uses of each ramp's blocks; `totals` are the counts of a first elaboration.

    In the first, whose totals are not known, every value is the ramp's start. The values may affect neither the uses
    nor a shape, so both elaborations have the same.
    """

    def __init__(self, ramps: Mapping[str, Ramp], totals: Mapping[str, int] | None = None) -> None:
        self._ramps = ramps
        self._of_block: dict[str, dict[str, Ramp]] = {}
        for name, ramp in ramps.items():
            for block in ramp.blocks:
                self._of_block.setdefault(block, {})[name] = ramp
        self._totals = totals
        self.uses: Counter[str] = Counter()

    def next_values(self, block: str, use: Span) -> dict[str, float]:
        """The value of every ramp for the next use of a block. Raises SpecError: the first elaboration had fewer."""
        values: dict[str, float] = {}
        for name, ramp in self._of_block.get(block, {}).items():
            values[name] = ramp.start if self._totals is None else self._value(name, self._totals[name], block, use)
            self.uses[name] += 1
        return values

    def check_uses(self) -> None:
        """Raise SpecError if there were fewer uses than in the first elaboration."""
        for name, total in (self._totals or {}).items():
            if self.uses[name] < total:
                raise self._decides(name)

    def _value(self, name: str, total: int, block: str, use: Span) -> float:
        ramp, index = self._ramps[name], self.uses[name]
        if index >= total:
            raise self._decides(name, Note(f"this use of {block} is one more", use))
        steps = total - 1 if ramp.endpoint else total
        return ramp.start + (ramp.stop - ramp.start) * index / steps if steps > 0 else ramp.start

    def _decides(self, name: str, *notes: Note) -> SpecError:
        message = f"the values of the ramp {name} decide how often its blocks are used, over which it is spaced"
        help = "a 'when' may ask for a ramp's value only around items that do not use its blocks"
        return SpecError(message, code="invalid-value", span=self._ramps[name].span, notes=notes, help=help)


def check_shapes(flat: Graph, ramped: Graph) -> None:
    """Raise SpecError if a ramp affects a shape: `flat` is the network with every ramp at its start."""
    known = {node.path: node for node in flat.nodes}
    for node in ramped.nodes:
        other = known.get(node.path, node)
        if other.operator.word == node.operator.word:
            _compare(node.path, _shapes(other), _shapes(node), node.span)
    ends = {node.output: node.span for node in ramped.nodes}
    for one, two in zip(flat.outputs, ramped.outputs, strict=True):
        what = "the output" if two.name == "output" else f"the output {two.name}"
        _compare(what, str(one.value.type), str(two.value.type), ends.get(two.value))


def _compare(what: str, flat: str, ramped: str, span: Span | None) -> None:
    if flat != ramped:
        note = Note(f"it has {ramped}; with the ramp's first value, {flat}")
        message = f"{what} gets its shape from a ramp, which may affect none"
        raise SpecError(message, code="shape-mismatch", span=span, notes=(note,))


def _shapes(node: Node) -> str:
    tensors = [f"{parameter.path} {list(parameter.shape)}" for parameter in node.parameters]
    return ", ".join((str(node.output.type), *tensors))

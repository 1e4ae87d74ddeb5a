"""Local variables of a `forward`: which holds which value, and which is free."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from archc.ejection.nesting import SIDE_BY_SIDE
from archc.ejection.plans import Solved
from archc.ejection.templates import Ref

LETTERS = ("x", "y", "z", "u", "v", "w")


def variable(number: int) -> str:
    """The name of a local variable: x, y, z, u, v, w, x0, x1, …"""
    return LETTERS[number] if number < len(LETTERS) else f"x{number - len(LETTERS)}"


def reads(solved: Solved) -> list[Ref]:
    """The values that a step needs."""
    bypass = solved.step.bypass
    return [*solved.step.inputs, *([bypass] if bypass else [])]


def suggested(steps: Sequence[Solved], nested: Collection[int]) -> dict[Ref, str]:
    """Names for values that stand side by side: those of an operator's branches, else of the modules that give them."""
    found: dict[Ref, str] = {}
    for solved in steps:
        step = solved.step
        node = step.lines[0].node if step.role == "expression" else None
        computed = [ref for ref in step.inputs if ref.line >= 0 and ref.line not in nested]
        if node and node.operator.branches:
            named = dict(zip(step.inputs, node.operator.branches, strict=False))
        elif len(computed) >= SIDE_BY_SIDE:
            again = {each.step.name for each in steps if each.step.again or each.condition is not None}
            named = {ref: _of_module(steps[ref.line]) for ref in computed if steps[ref.line].step.name not in again}
        else:
            continue
        for ref in computed:
            for each in _standing_for(ref, steps):
                found[each] = named.get(ref, "")
    return {ref: name for ref, name in found.items() if name}


def _standing_for(ref: Ref, steps: Sequence[Solved]) -> Iterator[Ref]:
    """A value, and those that stand for it where its step is absent."""
    while ref.line >= 0:
        yield ref
        solved = steps[ref.line]
        if solved.condition is None:
            return
        ref = solved.step.bypass or solved.step.inputs[0]


def _of_module(solved: Solved) -> str:
    """`branch5x5` for what the module `branch5x5_2` gives; empty for what has no plain name."""
    name = re.sub("_[0-9]+[a-z]?$", "", solved.step.name)
    return name if solved.step.role in ("layer", "block", "group") and name.isidentifier() else ""


class Variables:
    """The variables of a body. `first` is the one whose type is declared, and `taken` those of the code around it."""

    def __init__(
        self, held: Mapping[Ref, str], uses: Counter[Ref], marked: Mapping[Ref, str], taken: Iterable[str], first: str
    ) -> None:
        self._held, self._uses, self._marked = dict(held), uses, marked
        self._taken, self.first = set(taken), first

    def __getitem__(self, ref: Ref) -> str:
        return self._held[ref]

    def get(self, ref: Ref | None) -> str:
        """The variable that holds a value; empty if none does."""
        return self._held.get(ref, "") if ref else ""

    def uses(self, ref: Ref) -> int:
        """How often a value is still needed."""
        return self._uses[ref]

    def use(self, refs: Iterable[Ref]) -> None:
        """Count these uses as done."""
        self._uses.subtract(refs)

    def hold(self, ref: Ref, name: str) -> None:
        """A variable gets a value."""
        self._held[ref] = name

    def busy(self) -> set[str]:
        """The variables with values that are still needed."""
        return {name for ref, name in self._held.items() if self._uses[ref] > 0}

    def free(self) -> str:
        """The first variable that nothing needs."""
        busy = self.busy() | self._taken | set(self._marked.values())
        return next(name for name in map(variable, range(10_000)) if name not in busy)

    def targets(self, index: int, outputs: int, read: Sequence[Ref], *, last: bool) -> list[str]:
        """Variables for the outputs of a step: what the spec calls it, else one that the step reads last."""
        over = [self[ref] for ref in dict.fromkeys(read) if ref in self._held and self[ref] not in self.busy()]
        over = [name for name in over if name not in self._marked.values()]
        if last and self.first not in self.busy():
            over.insert(0, self.first)
        return [self._target(Ref(index, output), over) for output in range(outputs)]

    def _target(self, ref: Ref, over: list[str]) -> str:
        marked = self._marked.get(ref)
        if not self._uses[ref]:
            name = "_"
        elif marked and marked not in self.busy() | self._taken:
            name = marked
        else:
            name = over.pop(0) if over else self.free()
        self.hold(ref, name)
        return name

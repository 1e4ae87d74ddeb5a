"""Compares the outputs outside training, at several sizes and batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from archc.compare.agreement import Agreement, Tensors
from archc.compare.factory import failure, reason
from archc.compare.findings import Findings
from archc.compare.outputs import Named, are_named, by_name, by_value, listed
from archc.compare.parting import part
from archc.compare.report import Difference
from archc.compare.sides import Run, Sides, evaluate
from archc.compare.sizes import Case, declared, larger_batch, undeclared
from archc.diagnostics import UsageError

OUTPUTS = "outputs"


class Evaluation:
    """Runs both sides outside training. `accepted` are the cases that both took, and no other differed."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.found = Findings(OUTPUTS)
        self.accepted: list[Case] = []
        self.runs: tuple[Run, Run] | None = None

    def compare(self) -> Findings:
        """Run cases until one differs."""
        graph = self.sides.graph
        for case in declared(graph):
            self._compare(case)
        for cases in undeclared(graph):
            if not any(map(self._compare, cases)):
                break
        if len(self.accepted) < 2:
            for case in larger_batch(graph):
                self._compare(case)
        self.found.detail = f"sizes {', '.join(map(str, self.accepted))}" if self.accepted else ""
        return self.found

    def _compare(self, case: Case) -> bool:
        """Run a case, unless one before differs. True if it was accepted."""
        if self.found.differences:
            return False
        inputs = self.sides.inputs(case)
        ours, theirs = (_tried(module, inputs) for module in (self.sides.ours, self.sides.theirs))
        if isinstance(ours, UsageError) and case.declared:
            raise ours
        if isinstance(ours, UsageError) or isinstance(theirs, UsageError):
            self._refused(case, ours, theirs)
            return False
        self.runs = self.runs or (ours, theirs)
        self.accepted.append(case)
        paired = pair(ours.outputs, theirs.outputs, self.found)
        if paired is not None:
            self._judge(inputs, case, ours.outputs, paired)
        return case in self.accepted

    def _judge(self, inputs: Sequence[torch.Tensor], case: Case, ours: list[Named], theirs: list[Named]) -> None:
        if not all(bool(each.tensor.isfinite().all()) for each in ours):
            self.found.notes.append(f"at {case} the network's own outputs are not finite under drawn weights")
            if case.declared:
                self.found.skipped = True
            else:
                self.accepted.remove(case)
            return
        agreement = Agreement(lambda: self._single(inputs))
        wrong = dict(agreement.different(numbered(ours), as_ours(ours, theirs)))
        self.found.rounding = max(self.found.rounding, agreement.largest)
        if wrong and not reordered(ours, theirs, self.found):
            name, message = next(iter(wrong.items()))
            told = f"{name} {message} at {case}"
            if not case.declared:  # the spec promises nothing there: it may have a size of its own written into it
                self.found.notes.append(f"{case} is not declared: {told}")
                self.accepted.remove(case)
                return
            self.found.differences.append(part(self.sides, inputs, OUTPUTS, told, training=False))

    def _single(self, inputs: Sequence[torch.Tensor]) -> Tensors:
        return numbered(evaluate(self.sides.single(), [each.float() for each in inputs]).outputs)

    def _refused(self, case: Case, ours: Run | UsageError, theirs: Run | UsageError) -> None:
        """Note that one side refuses a size; a declared one is a difference."""
        if isinstance(theirs, UsageError) and case.declared:
            message = f"at {case}, {reason(theirs)}"
            self.found.differences.append(part(self.sides, self.sides.inputs(case), OUTPUTS, message, training=False))
        elif isinstance(ours, UsageError) is not isinstance(theirs, UsageError):
            taken, other = ("module", "network") if isinstance(ours, UsageError) else ("network", "module")
            error = ours if isinstance(ours, UsageError) else theirs
            assert isinstance(error, UsageError), "one of them refused"
            self.found.notes.append(
                f"{case} is not declared: the {taken} takes it, and the {other} does not ({reason(error)})"
            )


def pair(ours: Sequence[Named], theirs: Sequence[Named], found: Findings) -> list[Named] | None:
    """Their outputs in our order: by name, else by position. None, and a difference, if there are more or fewer."""
    if len(ours) != len(theirs):
        message = (
            f"the spec gives {len(ours)} outputs ({listed(ours)}), and the module {len(theirs)} ({listed(theirs)})"
        )
        found.differences.append(Difference(found.check, message))
        return None
    return by_name(ours, theirs)


def reordered(ours: Sequence[Named], theirs: Sequence[Named], found: Findings) -> bool:
    """True if all outputs are there in another order, which is told: as a difference where they have no names."""
    order = by_value(ours, theirs) if len(ours) > 1 else None
    if order is None:
        return False
    pairs = ", ".join(f"{own.name} is {their.name}" for own, their in zip(ours, order, strict=True))
    if are_named(theirs):
        found.notes.append(f"{found.check}: those of spec and module stand in another order: {pairs}")
    else:
        message = f"the outputs are those of the spec in another order: {pairs}"
        found.differences.append(Difference(found.check, message))
    return True


def numbered(outputs: Sequence[Named]) -> Tensors:
    """The tensors by what messages call them."""
    return {_called(index, each.name, len(outputs)): each.tensor for index, each in enumerate(outputs)}


def as_ours(ours: Sequence[Named], theirs: Sequence[Named]) -> Tensors:
    """Their tensors by what ours are called."""
    return dict(zip(numbered(ours), (each.tensor for each in theirs), strict=True))


def _called(index: int, name: str, count: int) -> str:
    return f"output {name or index}" if count > 1 else "the output"


def _tried(module: nn.Module, inputs: Sequence[torch.Tensor]) -> Run | UsageError:
    try:
        return evaluate(module, inputs)
    except Exception as error:
        return failure(f"running {type(module).__name__}", error)

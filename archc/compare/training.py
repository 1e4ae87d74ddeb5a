"""Compares one training step: outputs in training, gradients, buffers after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from torch import nn

from archc.compare.agreement import Agreement, Tensors
from archc.compare.evaluation import as_ours, numbered, pair, reordered
from archc.compare.factory import foreign
from archc.compare.findings import Findings, several
from archc.compare.outputs import Named, by_value
from archc.compare.parting import part
from archc.compare.places import attributes, module_place, spec_place, submodule
from archc.compare.report import Difference
from archc.compare.sides import Sides, Step, train
from archc.compare.sizes import Case, images_of_step
from archc.compare.watch import ENDS

TRAINING = "training"


class Training:
    """Runs a step of both sides. `steps` are theirs and ours, for what they drew."""

    def __init__(self, sides: Sides, case: Case) -> None:
        self.sides, self.case = sides, case.with_batch(sides.graph, images_of_step(sides.graph))
        self.inputs = sides.inputs(self.case)
        self.found = Findings(TRAINING, detail=f"size {self.case}")
        self.uniform: float | None = None
        self.ours: Step | None = None
        self.theirs: Step | None = None

    def run(self) -> tuple[Step, Step]:
        """Take the step on both sides; where the module draws uniform numbers, again with all of them kept.

        Raises UsageError: the module's own Python fails.
        """
        ours, theirs = self._both(None)
        if any(draw.is_uniform for draw in theirs.draws):
            for uniform in ENDS:
                ours, theirs = self._both(uniform)
                if by_value(ours.outputs, theirs.outputs):
                    break
        return ours, theirs

    def _both(self, uniform: float | None) -> tuple[Step, Step]:
        self.sides.give_weights()
        self.uniform = uniform
        self.found.differences.clear()
        self.ours = train(self.sides.ours, self.inputs, self.sides.seed, list, uniform)
        with foreign(f"a training step of {type(self.sides.theirs).__name__}"):
            self.theirs = train(self.sides.theirs, self.inputs, self.sides.seed, self._order, uniform)
        return self.ours, self.theirs

    def compare(self) -> Findings:
        """Compare outputs, then gradients, then buffers: what follows from a difference is not told again."""
        assert self.ours is not None, "it was run"
        assert self.theirs is not None, "it was run"
        if self.found.differences or self._outputs_differ(self.ours, self.theirs):
            return self.found
        for what, check in (("gradient", self._gradients), ("value after the step", self._buffers)):
            found = check(self.ours, self.theirs)
            if found:
                self.found.differences.append(self._difference(what, found))
        return self.found

    def _order(self, theirs: list[Named]) -> list[Named]:
        """Their outputs in our order, so that both losses are the same sum."""
        assert self.ours, "ours runs first"
        ours = self.ours.outputs
        paired = pair(ours, theirs, self.found)
        if paired is None or (order := by_value(ours, paired)) is None:
            return theirs
        if any(one is not other for one, other in zip(order, paired, strict=True)):
            reordered(ours, paired, self.found)
        return order

    def _outputs_differ(self, ours: Step, theirs: Step) -> bool:
        wrong = self._different(
            numbered(ours.outputs), as_ours(ours.outputs, theirs.outputs), lambda step: numbered(step.outputs)
        )
        for name, message in list(wrong.items())[:1]:
            self.sides.give_weights()
            told = f"in training {name} {message}"
            self.found.differences.append(
                part(self.sides, self.inputs, TRAINING, told, training=True, uniform=self.uniform)
            )
        return bool(wrong)

    def _gradients(self, ours: Step, theirs: Step) -> dict[str, str]:
        """What is to be said of gradients, by key; those nearest to the outputs first, where the cause lies."""
        found = {}
        for key in ours.gradients.keys() ^ theirs.gradients.keys():
            found[key] = f"has none in the {'module' if key in ours.gradients else 'spec'}"
        both = [key for key in ours.gradients if key in theirs.gradients]
        found |= self._different(_only(ours.gradients, both), theirs.gradients, lambda step: step.gradients)
        return {key: found[key] for key in reversed(list(ours.buffers)) if key in found}

    def _buffers(self, ours: Step, theirs: Step) -> dict[str, str]:
        """The same of buffers; the first that are run first."""
        keys = [key for key in ours.buffers if key not in ours.gradients]
        return self._different(_only(ours.buffers, keys), theirs.buffers, lambda step: step.buffers)

    def _difference(self, what: str, found: Mapping[str, str]) -> Difference:
        key, message = next(iter(found.items()))
        path = key.rpartition(".")[0]
        others = [each for each in found if each != key]
        details = [*attributes(*self._modules(path)), *([f"so do those of {several(others)}"] if others else [])]
        place = module_place(self.sides.theirs, path)
        message = f"the {what} of {key} {message}"
        return Difference(TRAINING, message, path, spec_place(self.sides.graph, key), place, tuple(details))

    def _modules(self, path: str) -> tuple[nn.Module | None, nn.Module | None]:
        return submodule(self.sides.ours, path), submodule(self.sides.theirs, path)

    def _different(self, ours: Tensors, theirs: Tensors, chosen: Callable[[Step], Tensors]) -> dict[str, str]:
        agreement = Agreement(lambda: chosen(self._single))
        wrong = dict(agreement.different(ours, theirs))
        self.found.rounding = max(self.found.rounding, agreement.largest)
        return wrong

    @cached_property
    def _single(self) -> Step:
        return train(self.sides.single(), [each.float() for each in self.inputs], self.sides.seed, list, self.uniform)


def _only(tensors: Tensors, keys: Sequence[str]) -> Tensors:
    return {key: tensors[key] for key in keys}

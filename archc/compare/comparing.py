"""Compares a network with a module: keys, outputs, a training step, and what is drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from torch import nn

from archc.compare.constants import adopt_constants
from archc.compare.evaluation import OUTPUTS, Evaluation
from archc.compare.factory import reason
from archc.compare.findings import Findings
from archc.compare.keys import (
    CONSTANTS,
    KEYS,
    PARAMETERS,
    constant_differences,
    key_differences,
    order_differences,
    parameter_differences,
)
from archc.compare.places import attributes, module_place
from archc.compare.randomness import RANDOM, draw_differences
from archc.compare.report import ORDER, Comparison, Difference
from archc.compare.sides import Sides, Step
from archc.compare.sizes import Case
from archc.compare.training import TRAINING, Training
from archc.diagnostics import UsageError
from archc.ir.graph import Graph

Progress = Callable[[str], None]


def compare(graph: Graph, module: nn.Module, *, seed: int = 0, progress: Progress = lambda message: None) -> Comparison:
    """Compare a network with a module, whatever weights it has: both get the same, drawn from a seed.

    The module stays as it is. Side effect: its Python runs.
    Raises: UsageError: the module cannot be copied, or has tensors without a shape.
    """
    count = f"{len(list(graph.parameters()))} tensors"
    found = [Findings(KEYS, key_differences(graph, module), detail=count)]
    if found[0].differences:
        found += [Findings(name, skipped=True) for name in (ORDER, PARAMETERS, CONSTANTS, OUTPUTS, TRAINING, RANDOM)]
    else:
        found.append(Findings(ORDER, order_differences(graph, module)))
        found.append(Findings(PARAMETERS, parameter_differences(graph, module)))
        found.append(Findings(CONSTANTS, constant_differences(graph, module)))
        found += _behaviour(Sides(graph, module, seed), progress)
    return Comparison(
        graph.name,
        type(module).__name__,
        tuple(each.result() for each in found),
        tuple(difference for each in found for difference in each.differences),
        tuple(dict.fromkeys(note for each in found for note in each.all_notes())),
        seed,
    )


def _behaviour(sides: Sides, progress: Progress) -> Iterator[Findings]:
    """What both compute and draw."""
    progress("comparing outputs")
    evaluation = Evaluation(sides)
    evaluation.found.notes += adopt_constants(sides)
    yield evaluation.compare()
    random = Findings(RANDOM, skipped=not evaluation.accepted)
    if evaluation.runs:
        random.differences += draw_differences(sides, *[run.draws for run in evaluation.runs], mode="outside training")
    progress("comparing a training step")
    yield _step(sides, evaluation, random)
    yield random


def _step(sides: Sides, evaluation: Evaluation, random: Findings) -> Findings:
    """A training step, and into `random` what it draws."""
    if not evaluation.accepted:
        return Findings(TRAINING, skipped=True)
    try:
        training, ours, theirs = _trained(sides, evaluation.accepted)
    except UsageError as error:
        place = module_place(sides.theirs, "")
        return Findings(TRAINING, [Difference(TRAINING, reason(error), module=place)])
    random.differences += draw_differences(sides, ours.draws, theirs.draws, mode="in training")
    random.detail = f"{len(ours.draws)} draws in a step"
    if not evaluation.found.differences:
        return training.compare()
    told = {difference.path for difference in evaluation.found.differences}
    notes = [note for path, note in _attributes(sides) if path not in told]
    return Findings(TRAINING, skipped=True, detail="the outputs differ already", notes=notes)


def _trained(sides: Sides, accepted: Sequence[Case]) -> tuple[Training, Step, Step]:
    """A step at the smallest size that both take: an auxiliary head, which runs in training only, may refuse it."""
    *smaller, largest = sorted(accepted, key=lambda case: case.pixels)
    for case in smaller:
        with suppress(RuntimeError, ValueError):
            training = Training(sides, case)
            return training, *training.run()
    training = Training(sides, largest)
    return training, *training.run()


def _attributes(sides: Sides) -> Iterator[tuple[str, str]]:
    """The paths of modules that differ in attributes, each with a note: behind the first, no output shows them."""
    theirs = dict(sides.theirs.named_modules(remove_duplicate=False))
    for path, own in sides.ours.named_modules(remove_duplicate=False):
        told = [each for each in attributes(own, theirs.get(path)) if path]
        if told:
            yield path, f"{path}: {', '.join(told)}"

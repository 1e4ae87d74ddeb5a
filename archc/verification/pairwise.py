"""Compares two artefacts by their numbers alone, without the network that they came from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archc.diagnostics import ExportError
from archc.exporting import Artefact, DeclaredInput, Runner
from archc.ir.types import BATCH, TensorType
from archc.verification.images import Fixed, Inputs, Plan, samples
from archc.verification.nodes import first_line
from archc.verification.pictures import seeded
from archc.verification.report import Report
from archc.verification.whole import Expected, Trial, runs
from archc.weights import Array

NEARBY = 2.0**-20  # relative change of inputs whose effect stands for that of rounding
ELEMENTS = 2**24  # of the largest value for one image, about which nothing is known


def compare_artefacts(
    name: str,
    artefact: Artefact,
    other_name: str,
    other: Artefact,
    shapes: Sequence[tuple[int, ...]] = (),
    seed: int = 0,
) -> Report:
    """Hold an artefact to another.

    There is no float64 run, so what rounding does to the network is estimated by the other artefact's own answer to
    inputs that differ by some units in the last place. `shapes` are those of one image for each
    input, where neither file tells.
    Raises: ExportError: one cannot be run, nothing tells the size of an input, or their inputs differ.
    """
    declared = [each.inputs() for each in (artefact, other)]
    types, batch, names = _agreed(declared, shapes, (name, other_name))
    plan = Plan(seed, thorough=True, fixed=Fixed(batch))
    judge = next(iter(other.runners(trusted=False)))
    drawn = samples(types, plan, ELEMENTS)
    generator = seeded(seed)
    try:
        exact = [_run(judge, sample.inputs, batch) for sample in drawn]
        moved = [_run(judge, tuple(_moved(x, generator) for x in sample.inputs), batch) for sample in drawn]
    except Exception as error:  # every runtime has exceptions of its own
        raise ExportError(f"{other_name} cannot be run: {first_line(error)}", code="cannot-run") from None
    outputs = judge.outputs or tuple(f"output {index}" for index in range(len(exact[0])))
    expected = Expected(outputs, drawn, exact, moved)
    made = [
        run
        for number, runner in enumerate(artefact.runners(trusted=False))
        for run in runs(runner, names, outputs, drawn, every=number == 0)
    ]
    rows = tuple(row for _, row in Trial("", expected, made).judged)
    fixed = str(plan.fixed)
    return Report(name, rows, reference=other_name, seed=seed, notes=(fixed,) if fixed else ())


def _agreed(
    declared: Sequence[Sequence[DeclaredInput]], shapes: Sequence[tuple[int, ...]], names: tuple[str, str]
) -> tuple[list[TensorType], int | None, list[str]]:
    """The types of the inputs, a batch that one file fixes, and the names of the other file's inputs."""
    first, second = declared
    if not first and not second:
        if not shapes:
            raise ExportError(f"neither {' nor '.join(names)} tells the size of its input", code="unknown-input")
        return [TensorType((BATCH, *shape)) for shape in shapes], None, [f"input {n}" for n in range(len(shapes))]
    first, second = first or second, second or first
    if len(first) != len(second):
        counts = f"{names[0]} has {len(first)} inputs, and {names[1]} {len(second)}"
        raise ExportError(counts, code="cannot-run")
    by_name = {each.name: each for each in first}
    types: list[TensorType] = []
    batches: set[int] = set()
    known = shapes if len(shapes) == len(second) else [None] * len(second)
    for each, mine, shape in zip(second, first, known, strict=True):
        mine = by_name.get(each.name, mine)
        batch, *sizes = _merged(mine, each, shape, names)
        batches |= {batch} if batch else set()
        types.append(TensorType((BATCH, *(size or 0 for size in sizes))))
    return types, next(iter(batches), None), [each.name for each in second]


def _merged(
    mine: DeclaredInput, other: DeclaredInput, shape: tuple[int, ...] | None, names: tuple[str, str]
) -> list[int | None]:
    """The sizes that either file fixes."""
    free = (None, *shape) if shape and len(shape) + 1 == len(other.shape) else (None,) * len(other.shape)
    if len(mine.shape) != len(other.shape) or any(
        a is not None and b is not None and a != b for a, b in zip(mine.shape, other.shape, strict=True)
    ):
        shapes = f"{names[0]} takes {mine}, and {names[1]} {other}"
        raise ExportError(shapes, code="cannot-run")
    found = [
        next((s for s in sizes if s is not None), None) for sizes in zip(mine.shape, other.shape, free, strict=True)
    ]
    if None in found[1:]:
        raise ExportError(f"neither {' nor '.join(names)} tells the size of its input", code="unknown-input")
    return found


def _moved(x: Array, generator: np.random.Generator) -> Array:
    noise = generator.standard_normal(x.shape).astype(np.float32)
    moved: Array = x * (1 + np.float32(NEARBY) * noise)
    return moved


def _run(runner: Runner, inputs: Inputs, batch: int | None) -> list[Array]:
    """The outputs for all images, in parts where the file fixes the batch."""
    count = len(inputs[0])
    size = batch or count
    parts = [np.arange(start, start + size) % count for start in range(0, count, size)]
    results = [runner.run([x[part] for x in inputs]) for part in parts]
    return [np.concatenate(outputs)[:count] for outputs in zip(*results, strict=True)]

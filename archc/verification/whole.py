"""Runs an artefact as a whole, and compares what it gives with the reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar

from archc.exporting import Runner
from archc.verification.images import Sample
from archc.verification.nodes import first_line
from archc.verification.report import Comparison, Evidence
from archc.verification.statistics import compare, unmeasured
from archc.weights import Array

Outputs = Sequence[Array]


@dataclass(frozen=True)
class Run:
    """What a way of running the artefact gave for a sample: the outputs of each part, or why there are none.

    `parts` tells which images were run together.
    """

    runner: str
    sample: int
    parts: Sequence[Array]
    outputs: Sequence[Outputs]
    refusal: str = ""


@dataclass(frozen=True)
class Expected:
    """For each sample the outputs that are right, by the names in `outputs`, and those of a float32 run."""

    outputs: Sequence[str]
    samples: Sequence[Sample]
    exact: Sequence[Outputs]
    single: Sequence[Outputs]

    def loosened(self) -> Expected:
        """The same, with the float32 run of the least accurate kernels that a runtime may have, where it is known."""
        return self


ExpectedT = TypeVar("ExpectedT", bound=Expected)


@dataclass(frozen=True)
class Trial(Generic[ExpectedT]):
    """All runs of an artefact under some weights, and the outputs that they ought to give."""

    weights: str
    expected: ExpectedT
    runs: Sequence[Run]

    @cached_property
    def judged(self) -> Sequence[tuple[Run, Comparison]]:
        """One comparison for each run and output.

        Where one fails, PyTorch's float32 run is made once more with the least accurate kernels that a runtime may
        have, which may explain the error.
        """
        found = [judged for run in self.runs for judged in self._rows(run, self.expected)]
        if any(row.rms_error > row.bound for _, row in found):
            loose = self.expected.loosened()
            again = [judged for run in self.runs for judged in self._rows(run, loose)]
            found = [b if b[1].bound > a[1].bound else a for a, b in zip(found, again, strict=True)]
        return found

    def evidence(self, run: Run, row: Comparison) -> Evidence:
        """What was run for a comparison: the first part that is wrong."""
        sample = self.expected.samples[run.sample]
        taken = run.parts[row.wrong_part]
        actual = run.outputs[row.wrong_part] if run.outputs else ()
        exact = [output[taken] for output in self.expected.exact[run.sample]]
        return Evidence(run.runner, [x[taken] for x in sample.inputs], exact, actual)

    def _rows(self, run: Run, expected: Expected) -> Iterator[tuple[Run, Comparison]]:
        sample = expected.samples[run.sample]
        exact, single = expected.exact[run.sample], expected.single[run.sample]
        for index, output in enumerate(expected.outputs):
            name = f"{output}{sample.where}"
            if run.refusal:
                row = unmeasured(run.runner, name, run.parts, run.refusal)
            else:
                row = compare(
                    run.runner,
                    name,
                    [outputs[index] for outputs in run.outputs],
                    [exact[index][part] for part in run.parts],
                    [single[index][part] for part in run.parts],
                    run.parts,
                    kinds=sample.kinds,
                    depends=not sample.where,
                )
            yield run, replace(row, weights=self.weights)


def runs(
    runner: Runner, inputs: Sequence[str], outputs: Sequence[str], samples: Sequence[Sample], *, every: bool
) -> Iterator[Run]:
    """Run an artefact of a network with these inputs and outputs on samples, at `every` batch or at two."""
    for index, sample in enumerate(samples):
        parts = sample.parts(every=every)
        try:
            given = ([x[part] for x in sample.inputs] for part in parts)
            results = [runner.run(in_order(runner.inputs, inputs, arrays)) for arrays in given]
        except Exception as error:  # every runtime has exceptions of its own
            shapes = ", ".join(str(list(x.shape[1:])) for x in sample.inputs)
            yield Run(runner.name, index, parts, (), f"cannot be run on images {shapes}: {first_line(error)}")
            continue
        if len(results[0]) != len(outputs):
            yield Run(runner.name, index, parts, (), f"has {len(results[0])} outputs, not {len(outputs)}")
            continue
        yield Run(runner.name, index, parts, [in_order(outputs, runner.outputs, each) for each in results])


def in_order(names: Sequence[str], given: Sequence[str], arrays: Sequence[Array]) -> list[Array]:
    """Arrays under their names, in another order of the same names; as they are where the names are others."""
    if sorted(names) != sorted(given):
        return list(arrays)
    return [arrays[given.index(name)] for name in names]

"""Verifies an artefact against its network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from archc.diagnostics import ExportError
from archc.exporting import Artefact, NodeRunner, Runner
from archc.ir.types import BATCH, SymbolicDim
from archc.verification.divergence import first_divergence, first_line, outputs_with_kernels
from archc.verification.images import BATCHES, images
from archc.verification.reference import Reference, reference
from archc.verification.report import Comparison, Report, Verdict
from archc.verification.rounding import is_open, settled
from archc.verification.sensitivity import Sensitivity, sensitivities
from archc.verification.statistics import FACTOR, compare, failed, rms
from archc.verification.twin import calibrated_weights
from archc.weights.network import Network

TINY = 1e-300
NODE_IMAGES = 2  # at a time, when nodes are compared one by one: every value is kept
CORNER_IMAGES = 3  # one of each kind, at the smallest and largest of dynamic sizes
LARGEST_BATCH = 64  # of a declared range; more would say nothing else
BLIND = 0.1  # relative change of a block's weights that no comparison may overlook


class Verifier:
    """Runs the reference once, for all artefacts of one network.

    A network with fresh weights is compared under the weights of a calibrated twin, which replace those of the artefact
    for the comparison; the artefact's own are held to what the exporter gives for the network's own. Given weights are
    compared as they are, and once more under the twin's: they may leave a layer without effect.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._samples = _samples(network)
        self._references: dict[bool, Reference] = {}
        self._twin: Network | None = None

    def verify(
        self,
        name: str,
        artefact: Artefact,
        witnesses: Sequence[str] = (),
        *,
        own: bool = False,
    ) -> Report:
        """Compare every way of running an artefact with the reference, at batches 1, 2 and 5 and every dynamic size.

        `own` tells that the exporter is known to have written the file, with the options that it was opened with: it is
        then held to what the exporter writes node for node.
        """
        differences = artefact.differences(self._network)
        structure = artefact.structure_differences(self._network) if own else []
        complaints = artefact.complaints(self._network, witnesses)
        twin = self._network.fresh and differences is not None
        runners = artefact.runners(self._compared(twin) if twin else None, witnesses)
        comparisons = tuple(row for runner in runners for row in self._compare(runner, self._reference(twin)))
        report = Report(name, twin, comparisons, (*(differences or ()), *structure, *complaints))
        report = self._by_nodes(report, artefact)
        if report.verdict is Verdict.PASSED and not twin:
            if differences is not None:
                return self._confirmed(report, artefact)
            if self._network.fresh:
                return self._doubted(report)
        return report

    def sensitivities(self) -> Iterator[Sensitivity]:
        """How small a change of each block a comparison of this network notices."""
        return sensitivities(self._compared(self._network.fresh), self._samples[0])

    def _confirmed(self, report: Report, artefact: Artefact) -> Report:
        """The report with one comparison more, under the twin's weights; unless that proves nothing."""
        twin = self._compared(True)
        runner = next(iter(artefact.runners(twin)))
        expected = reference(twin, [self._samples[0][:NODE_IMAGES]])
        rows = self._compare(replace(runner, name=f"{runner.name}, twin"), expected)
        found = self._by_nodes(Report(report.artefact, True, tuple(rows)), artefact)
        if found.verdict is Verdict.INCONCLUSIVE:
            return report
        return replace(report, comparisons=(*report.comparisons, *found.comparisons), divergence=found.divergence)

    def _doubted(self, report: Report) -> Report:
        """A foreign file under fresh weights, which may hide what is wrong in it: inconclusive if they do."""
        found = sensitivities(self._network, self._samples[0][:NODE_IMAGES])
        hidden = [sensitivity.block for sensitivity in found if not sensitivity.smallest < BLIND]
        if not hidden:
            return report
        reason = f"under these fresh weights a change of {', '.join(hidden[:3])} would go unnoticed"
        rows = tuple(replace(row, verdict=Verdict.INCONCLUSIVE, reason=reason) for row in report.comparisons)
        return replace(report, comparisons=rows)

    def _by_nodes(self, report: Report, artefact: Artefact) -> Report:
        """Where the whole does not settle it, compare the nodes one by one.

        The first that diverges is named; where none does, rounding is no failure.
        """
        doubtful = [row for row in report.comparisons if row.verdict is not Verdict.PASSED]
        if any(row.verdict is Verdict.INCONCLUSIVE and not math.isfinite(row.float32_error) for row in doubtful):
            return report
        if not doubtful and not any(row.noisy or row.ratio > FACTOR for row in report.comparisons):
            return report
        network = self._compared(report.twin)
        runners = artefact.node_runners(network, replace_weights=report.twin)
        if runners is None:
            return report
        samples = self._doubtful_samples(doubtful)
        for start in range(0, len(samples), NODE_IMAGES):
            divergence = first_divergence(network, samples[start : start + NODE_IMAGES], runners)
            if divergence is not None:
                return replace(report, divergence=divergence)
        return self._settled(report, artefact, network, runners)

    def _doubtful_samples(self, doubtful: Sequence[Comparison]) -> np.ndarray:
        """The images of the first size at which a comparison did not pass; two of the usual ones where all did."""
        if not doubtful:
            return self._samples[0][:NODE_IMAGES]
        return next((x for x in self._samples if doubtful[0].output.endswith(_size(x))), self._samples[0])

    def _settled(
        self,
        report: Report,
        artefact: Artefact,
        network: Network,
        runners: Sequence[NodeRunner],
    ) -> Report:
        open_rows = [row for row in report.comparisons if is_open(row)]
        if not open_rows:
            return report
        # Nodes alone decide about a chaotic network, so they must be wired as the exporter wires them.
        if any(row.chaotic for row in open_rows) and artefact.structure_differences(self._network):
            return report
        return settled(report, self._kernels(report, network, runners))

    def _kernels(self, report: Report, network: Network, runners: Sequence[NodeRunner]) -> dict[str, float]:
        """Which share of each output is off where the artefact computes the nodes without weights."""
        outputs = outputs_with_kernels(network, self._samples[0], runners)
        exact = self._reference(report.twin).exact[0]
        names = [output.name for output in network.inference.outputs]
        return {name: rms(y - e) / max(rms(e), TINY) for name, y, e in zip(names, outputs, exact, strict=True)}

    def _compared(self, twin: bool) -> Network:
        if not twin:
            return self._network
        if self._twin is None:
            weights = calibrated_weights(self._network.graph, self._samples[0])
            self._twin = self._network.with_weights(weights)
        return self._twin

    def _reference(self, twin: bool) -> Reference:
        if twin not in self._references:
            self._references[twin] = reference(self._compared(twin), self._samples)
        return self._references[twin]

    def _compare(self, runner: Runner, expected: Reference) -> list[Comparison]:
        """One comparison for each output and size of image."""
        names = [output.name for output in self._network.inference.outputs]
        declared = _declared_batches(self._network)
        rows = []
        for x, exact, single in zip(expected.inputs, expected.exact, expected.single, strict=True):
            batches = [
                *(batch for batch in BATCHES if batch < len(x)),
                len(x),
                *(declared if x is expected.inputs[0] else ()),
            ]
            found = _compare(runner, x, names, exact, single, batches)
            several = len(expected.inputs) > 1
            rows += [replace(row, output=f"{row.output} {_size(x)}") if several else row for row in found]
        return rows


def verify(network: Network, artefact: Artefact, name: str) -> Report:
    """Verify one artefact of a network.

    Raises: ExportError: the artefact cannot be read.
    """
    return Verifier(network).verify(name, artefact)


def compare_artefacts(
    name: str, artefact: Artefact, other_name: str, other: Artefact, shape: tuple[int, ...] | None = None
) -> Report:
    """Compare two artefacts by their numbers alone, without the network that they came from.

    There is no float64 run, so what rounding does to the network is estimated by the other artefact's own answer to
    inputs that differ by some units in the last place. `shape` [C, H, W] is the images' where neither file tells.
    Raises: ExportError: one cannot be run, or nothing tells the size of the input.
    """
    shape = artefact.image_shape() or other.image_shape() or shape
    if shape is None:
        raise ExportError(f"neither {name} nor {other_name} tells the size of its input", code="unknown-input")
    x = images(shape)
    noise = np.random.Generator(np.random.Philox(key=2015)).standard_normal(x.shape).astype(np.float32)
    nearby = x * (1 + np.float32(2.0**-20) * noise)
    judge = next(iter(other.runners()))
    try:
        exact, moved = judge.run(x), judge.run(nearby)
    except Exception as error:  # every runtime has exceptions of its own
        raise ExportError(f"{other_name} cannot be run: {first_line(error)}", code="cannot-run") from None
    names = judge.outputs or tuple(f"output {index}" for index in range(len(exact)))
    rows = [row for runner in artefact.runners() for row in _compare(runner, x, names, exact, moved, BATCHES)]
    return Report(name, False, tuple(rows), reference=other_name)


def _compare(
    runner: Runner,
    x: np.ndarray,
    names: Sequence[str],
    exact: Sequence[np.ndarray],
    single: Sequence[np.ndarray],
    batches: Sequence[int],
) -> list[Comparison]:
    """One comparison for each output, over several batches of the images, which a larger batch repeats."""
    batches = tuple(dict.fromkeys(batches))
    taken = [np.arange(batch) % len(x) for batch in batches]
    try:
        actual = [runner.run(x[images]) for images in taken]
    except Exception as error:  # every runtime has exceptions of its own
        reason = f"cannot be run on images {list(x.shape[1:])}: {first_line(error)}"
        return [failed(runner.name, name, batches, reason) for name in names]
    if len(actual[0]) != len(names):
        reason = f"has {len(actual[0])} outputs, not {len(names)}"
        return [failed(runner.name, name, batches, reason) for name in names]
    return [
        compare(
            runner.name,
            name,
            [outputs[_place(runner, names, index)] for outputs in actual],
            [exact[index][images] for images in taken],
            [single[index][images] for images in taken],
        )
        for index, name in enumerate(names)
    ]


def _place(runner: Runner, names: Sequence[str], index: int) -> int:
    """Where a runner gives an output: by its name if it has the same names, else in order."""
    return runner.outputs.index(names[index]) if sorted(runner.outputs) == sorted(names) else index


def _samples(network: Network) -> list[np.ndarray]:
    """Five images at the nominal size; fewer at every corner of the dynamic sizes."""
    dynamic = network.dynamic_sizes()
    shapes = [network.image_shape()]
    for chosen in product(("minimum", "maximum"), repeat=len(dynamic)):
        at = dict(zip(dynamic, chosen, strict=True))
        corner = {size: network.image_shape(size) for size in ("minimum", "maximum")}
        shapes.append(tuple(corner[at.get(axis, "minimum")][axis - 1] for axis in (1, 2, 3)))
    nominal, *corners = dict.fromkeys(shapes)
    return [images(nominal), *(images(shape, CORNER_IMAGES) for shape in corners)]


def _declared_batches(network: Network) -> tuple[int, ...]:
    """The ends of a range of batches that the spec declares."""
    batch = network.input.shape[0]
    if not isinstance(batch, SymbolicDim) or batch == BATCH:
        return ()
    return tuple(min(size, LARGEST_BATCH) for size in (batch.minimum, batch.maximum))


def _size(x: np.ndarray) -> str:
    return f"at {x.shape[2]}x{x.shape[3]}"

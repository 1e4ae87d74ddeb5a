"""Verifies an artefact against its network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from archc.diagnostics import ExportError
from archc.exporting import Artefact, ExportOptions, NodeRunner, Runner
from archc.network import Network
from archc.verification.divergence import first_divergence, outputs_with_kernels
from archc.verification.images import BATCHES, images
from archc.verification.reference import Reference, reference
from archc.verification.report import Comparison, Report, Verdict
from archc.verification.rounding import is_open, settled
from archc.verification.sensitivity import Sensitivity, sensitivities
from archc.verification.statistics import compare, failed, rms
from archc.verification.twin import calibrated_weights

TINY = 1e-300
NODE_IMAGES = 2  # at a time, when nodes are compared one by one: every value is kept


class Verifier:
    """Runs the reference once, for all artefacts of one network.

    A network with fresh weights is compared under the weights of a calibrated twin, which replace those of the artefact
    for the comparison; the artefact's own are held to what the exporter gives for the network's own.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._samples = _samples(network)
        self._references: dict[bool, Reference] = {}
        self._twin: Network | None = None

    def verify(self, name: str, artefact: Artefact, options: ExportOptions, witnesses: Sequence[str] = ()) -> Report:
        """Compare every way of running an artefact with the reference, at batches 1, 2 and 5 and every dynamic size."""
        differences = artefact.differences(self._network, options)
        twin = self._network.fresh and differences is not None
        runners = artefact.runners((self._compared(twin), options) if twin else None, witnesses)
        complaints = artefact.complaints(self._network, witnesses)
        comparisons = [row for runner in runners for row in self._compare(runner, self._reference(twin))]
        report = Report(name, twin, tuple(comparisons), (*(differences or ()), *complaints))
        passed = all(row.verdict is Verdict.PASSED for row in comparisons)
        if passed and not any(row.noisy for row in comparisons):
            return report
        return self._node_by_node(report, artefact, options, NODE_IMAGES if passed else len(self._samples[0]))

    def sensitivities(self) -> Iterator[Sensitivity]:
        """How small a change of each block a comparison of this network notices."""
        return sensitivities(self._compared(self._network.fresh), self._samples[0])

    def _node_by_node(self, report: Report, artefact: Artefact, options: ExportOptions, count: int) -> Report:
        """Name the first node that diverges on the first `count` images; where none does, rounding is no failure."""
        network = self._compared(report.twin)
        runners = artefact.node_runners(network, options, replace_weights=report.twin)
        if runners is None:
            return report
        samples = self._samples[0][:count]
        for start in range(0, len(samples), NODE_IMAGES):
            divergence = first_divergence(network, samples[start : start + NODE_IMAGES], runners)
            if divergence is not None:
                return replace(report, divergence=divergence)
        return (
            settled(report, self._kernels(report, network, runners))
            if any(map(is_open, report.comparisons))
            else report
        )

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
        return [
            row
            for x, exact, single in zip(expected.inputs, expected.exact, expected.single, strict=True)
            for row in _compare(runner, x, [_label(name, x, expected) for name in names], exact, single)
        ]


def verify(network: Network, artefact: Artefact, name: str, options: ExportOptions | None = None) -> Report:
    """Verify one artefact of a network.

    Raises: ExportError: the artefact cannot be run.
    """
    return Verifier(network).verify(name, artefact, options or ExportOptions())


def compare_artefacts(name: str, artefact: Artefact, other_name: str, other: Artefact) -> Report:
    """Compare two artefacts by their numbers alone, without the network that they came from.

    There is no float64 run, so what rounding does to the network is estimated by the other artefact's own answer to
    inputs that differ by some units in the last place.
    Raises: ExportError: one cannot be run, or neither tells the size of its input.
    """
    shape = artefact.image_shape() or other.image_shape()
    if shape is None:
        raise ExportError(f"neither {name} nor {other_name} tells the size of its input", code="unknown-input")
    x = images(shape)
    noise = np.random.Generator(np.random.Philox(key=2015)).standard_normal(x.shape).astype(np.float32)
    nearby = x * (1 + np.float32(2.0**-20) * noise)
    judge = other.runners()[0]
    try:
        exact, moved = judge.run(x), judge.run(nearby)
    except Exception as error:  # every runtime has exceptions of its own
        raise ExportError(f"{other_name} cannot be run: {_first_line(error)}", code="cannot-run") from None
    names = [f"output {index}" for index in range(len(exact))]
    rows = [row for runner in artefact.runners() for row in _compare(runner, x, names, exact, moved)]
    return Report(f"{name} against {other_name}", False, tuple(rows))


def _compare(
    runner: Runner, x: np.ndarray, names: Sequence[str], exact: Sequence[np.ndarray], single: Sequence[np.ndarray]
) -> list[Comparison]:
    """One comparison for each output, over all batches that the images allow."""
    batches = tuple(batch for batch in BATCHES if batch <= len(x))
    try:
        actual = [runner.run(x[:batch]) for batch in batches]
    except Exception as error:  # every runtime has exceptions of its own
        reason = f"cannot be run on images {list(x.shape[1:])}: {_first_line(error)}"
        return [failed(runner.name, name, batches, reason) for name in names]
    if len(actual[0]) != len(names):
        reason = f"has {len(actual[0])} outputs, not {len(names)}"
        return [failed(runner.name, name, batches, reason) for name in names]
    return [
        compare(
            runner.name,
            name,
            [outputs[index] for outputs in actual],
            [exact[index][:batch] for batch in batches],
            [single[index][:batch] for batch in batches],
        )
        for index, name in enumerate(names)
    ]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _samples(network: Network) -> list[np.ndarray]:
    """Five images at the nominal size; at the smallest and largest of dynamic sizes, two."""
    samples = [images(network.image_shape())]
    if network.dynamic_sizes():
        samples += [images(network.image_shape(size), 2) for size in ("minimum", "maximum")]
    return samples


def _label(output: str, x: np.ndarray, expected: Reference) -> str:
    return f"{output} at {x.shape[2]}x{x.shape[3]}" if len(expected.inputs) > 1 else output

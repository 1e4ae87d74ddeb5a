"""Verifies an artefact against its network: structure, nodes, and the whole (docs/verification.md)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from archc.exporting import LIMIT, Artefact, NodeRunner
from archc.verification.claims import concluded
from archc.verification.images import Plan, Sample, images, samples
from archc.verification.nodes import compare_kinds, first_divergence
from archc.verification.reference import Reference, reference
from archc.verification.report import OWN, TWIN, Nodes, Report, Verdict
from archc.verification.sharpness import Sensitivity
from archc.verification.structure import Structure, fit
from archc.verification.twin import calibrated_weights
from archc.verification.whole import Trial, runs
from archc.weights.network import Network

CALIBRATION_IMAGES = 2
DEFAULT_SEED = 0  # for archc's own files; for a file from elsewhere it is drawn, so that no file can know its inputs


class Verifier:
    """Runs the references once, for all artefacts of one network.

    A network with fresh weights is compared under the weights of a calibrated twin, which replace those of the artefact
    for the comparison; the artefact's own are held to what the exporter gives for the network's own. Given weights are
    compared as they are, and once more under the twin's where they are not sharp.
    """

    def __init__(self, network: Network, *, seed: int | None = None, given: Sequence[Sample] = ()) -> None:
        """`seed` is that of all inputs that are drawn; `given` are inputs of the user's own, which are run as well."""
        self._network, self._seed, self._given = network, seed, tuple(given)
        self._references: dict[tuple[str, Plan], Reference] = {}

    def verify(
        self,
        name: str,
        artefact: Artefact,
        witnesses: Sequence[str] = (),
        *,
        own: bool = False,
        structure: Structure | None = None,
    ) -> Report:
        """Hold an artefact to the network.

        `own` tells that the exporter is known to have written the file, with the options that it was opened with: it
        must then be what the exporter writes. `structure` is the first claim, if it was tried before.
        Raises: ExportError: the artefact cannot be read; MissingDependency.
        """
        structure = structure or Structure.of(artefact, self._network, own)
        misfit, fixed = fit(artefact.inputs(), self._network)
        complaints = artefact.complaints(self._network, witnesses)
        plan = Plan(self._chosen_seed(structure.foreign), structure.foreign, fixed)
        differences = (*structure.differences, *complaints, *filter(None, [misfit]))
        report = Report(name, (), differences, structure=structure.held, seed=plan.seed)
        if misfit:
            return report
        trials = list(self._trials(artefact, structure, plan, witnesses))
        nodes = self._nodes(artefact, trials[0], plan.seed) if structure.held else None
        report = replace(
            report,
            comparisons=tuple(row for trial in trials for _, row in trial.judged),
            sharpness={trial.weights: trial.expected.sharpness for trial in trials},
            nodes=nodes,
            divergence=nodes.divergence if nodes else None,
            notes=tuple(filter(None, [str(fixed)])),
        )
        report = concluded(report)
        if report.verdict is not Verdict.FAILED:
            return report
        report = replace(report, notes=(*report.notes, *structure.hints))
        return self._located(report, artefact, trials)

    def sensitivities(self) -> Sequence[Sensitivity]:
        """How small a change of each block a comparison of this network notices."""
        weights = TWIN if self._network.fresh else OWN
        return self._reference(weights, Plan(self._chosen_seed(False))).sharpness.sensitivities

    def _chosen_seed(self, foreign: bool) -> int:
        if self._seed is not None:
            return self._seed
        return secrets.randbelow(2**32) if foreign else DEFAULT_SEED

    def _trials(
        self, artefact: Artefact, structure: Structure, plan: Plan, witnesses: Sequence[str]
    ) -> Iterator[Trial[Reference]]:
        """The runs under the network's own weights if they were given, and under the twin's if those are not sharp."""
        weights = TWIN if self._network.fresh and structure.matched else OWN
        trial = self._trial(artefact, weights, plan, witnesses)
        yield trial
        if weights == OWN and structure.matched and trial.expected.sharpness.doubt:
            yield self._trial(artefact, TWIN, plan, witnesses)

    def _trial(self, artefact: Artefact, weights: str, plan: Plan, witnesses: Sequence[str]) -> Trial[Reference]:
        expected = self._reference(weights, plan)
        runners = artefact.runners(self._twin if weights == TWIN else None, witnesses, trusted=not plan.thorough)
        made = [
            run
            for number, runner in enumerate(runners)
            for run in runs(runner, self._inputs, expected.outputs, expected.samples, every=number == 0)
        ]
        return Trial(weights, expected, made)

    @property
    def _inputs(self) -> list[str]:
        return [value.name for value in self._network.inference.inputs]

    @cached_property
    def _twin(self) -> Network:
        drawn = [images(shape, CALIBRATION_IMAGES) for shape in self._network.image_shapes()]
        return self._network.with_weights(calibrated_weights(self._network.graph, *drawn))

    def _reference(self, weights: str, plan: Plan) -> Reference:
        if (weights, plan) not in self._references:
            network = self._twin if weights == TWIN else self._network
            graph = self._network.inference
            elements = max(value.type.elements() for value in graph.values())
            drawn = samples([value.type for value in graph.inputs], plan, elements)
            self._references[weights, plan] = reference(network, [*drawn, *self._given])
        return self._references[weights, plan]

    def _nodes(self, artefact: Artefact, trial: Trial[Reference], seed: int) -> Nodes | None:
        """Each kind of node by itself; None where the format cannot run one."""
        runners = _node_runners(artefact, trial)
        return compare_kinds(trial.expected.network, runners, seed) if runners else None

    def _located(self, report: Report, artefact: Artefact, trials: Sequence[Trial[Reference]]) -> Report:
        """A report on a file whose outputs are wrong, with the first node that diverges and what was run."""
        wrong = [(trial, run, row) for trial in trials for run, row in trial.judged if row.verdict is Verdict.FAILED]
        if not wrong:
            return report
        trial, run, row = wrong[0]
        evidence = replace(trial.evidence(run, row), names=self._inputs)
        report = replace(report, evidence=evidence)
        if report.divergence or LIMIT in run.refusal:
            return report
        runners = _node_runners(artefact, trial)
        if runners is None:
            return report
        network, inputs = trial.expected.network, evidence.inputs
        return replace(report, divergence=first_divergence(network, inputs, runners, complete=bool(run.refusal)))


def _node_runners(artefact: Artefact, trial: Trial[Reference]) -> Sequence[NodeRunner] | None:
    """The nodes of an artefact under the weights of a trial."""
    return artefact.node_runners(trial.expected.network, replace_weights=trial.weights == TWIN)


def verify(network: Network, artefact: Artefact, name: str) -> Report:
    """Verify one artefact of a network.

    Raises: ExportError: the artefact cannot be read.
    """
    return Verifier(network).verify(name, artefact)

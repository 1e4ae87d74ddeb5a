"""`archc verify`: an artefact against its network or another artefact, or a whole build."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archc.diagnostics import BuildError, Inconclusive, UsageError, VerificationFailed, did_you_mean
from archc.exporting import Exporter, ExportOptions, exporter_for
from archc.pipeline.api import load_network
from archc.pipeline.builds import changed_files, read_manifest
from archc.pipeline.options import WeightOptions
from archc.targets import MANIFEST, Target, find_target
from archc.verification import Report, Verdict
from archc.verification.check import Verifier, compare_artefacts
from archc.verification.sensitivity import Sensitivity

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Proof:
    """What `archc verify` found: reports on artefacts, problems with files, and sensitivities if asked for."""

    reports: tuple[Report, ...]
    problems: tuple[str, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()

    @property
    def exit_status(self) -> int:
        """0, or the status of the worst finding."""
        verdicts = {report.verdict for report in self.reports}
        if self.problems or Verdict.FAILED in verdicts:
            return VerificationFailed.exit_status
        return Inconclusive.exit_status if Verdict.INCONCLUSIVE in verdicts else 0

    def as_json(self) -> dict[str, Any]:
        """Plain data for a script."""
        return {
            "problems": list(self.problems),
            "reports": [report.as_json() for report in self.reports],
            "sensitivities": {found.block: found.smallest for found in self.sensitivities},
        }


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """What to do beyond the usual comparison: further witnesses, and the sensitivity of the comparison."""

    witnesses: tuple[str, ...] = ()
    sensitivity: bool = False


def verify_artefact(
    path: Path,
    against: str | None,
    weights: WeightOptions,
    settings: Mapping[str, str],
    options: ProofOptions,
    progress: Progress,
) -> Proof:
    """Verify one artefact against a target, another artefact, or the build that it lies in.

    Raises: UsageError: there is nothing to compare it with; SpecError; BuildError; ExportError; MissingDependency.
    """
    exporter = exporter_for(path)
    _check_witnesses(exporter, options.witnesses)
    artefact = exporter.open(path)
    if against is not None and _is_artefact(against):
        other = Path(against)
        progress(f"comparing {path.name} with {other.name}")
        return Proof((compare_artefacts(path.name, artefact, other.name, exporter_for(other).open(other)),))
    target, made = _network_of(path, against)
    verifier = Verifier(load_network(target, weights, settings))
    progress(f"verifying {path.name}")
    report = verifier.verify(path.name, artefact, made, options.witnesses)
    return Proof((report,), sensitivities=_sensitivities(verifier, options, progress))


def verify_build(folder: Path, weights: WeightOptions, options: ProofOptions, progress: Progress) -> Proof:
    """Check every checksum of a build and verify every artefact in it.

    Raises: BuildError; SpecError; ExportError; MissingDependency.
    """
    manifest = read_manifest(folder)
    changes = changed_files(folder, manifest)
    problems = tuple(f"{folder / name} is {change}" for name, change in changes.items())
    if "spec.yaml" in changes or any(name.endswith(".safetensors") for name in changes):
        return Proof((), problems)
    verifier = Verifier(load_network(Target(folder / "spec.yaml", folder), weights, {}))
    reports = []
    for name, export in manifest.exports.items():
        if changes.keys() & {name, *export.companions}:
            continue
        progress(f"verifying {name}")
        exporter = exporter_for(folder / name)
        made = ExportOptions(export.opset, export.fold_batch_norm)
        witnesses = tuple(witness for witness in options.witnesses if witness in exporter.witnesses)
        reports.append(verifier.verify(name, exporter.open(folder / name), made, witnesses))
    return Proof(tuple(reports), problems, _sensitivities(verifier, options, progress))


def _sensitivities(verifier: Verifier, options: ProofOptions, progress: Progress) -> tuple[Sensitivity, ...]:
    if not options.sensitivity:
        return ()
    progress("measuring the sensitivity of the comparison")
    return tuple(verifier.sensitivities())


def _check_witnesses(exporter: Exporter, witnesses: Iterable[str]) -> None:
    for witness in witnesses:
        if witness not in exporter.witnesses:
            known = f"{exporter.name} has {', '.join(exporter.witnesses) or 'none'}"
            raise UsageError(
                f"there is no witness '{witness}' for {exporter.suffix} files",
                code="unknown-witness",
                help=did_you_mean(witness, exporter.witnesses) or known,
            )


def _is_artefact(against: str) -> bool:
    try:
        exporter_for(Path(against))
    except UsageError:
        return False
    return Path(against).is_file()


def _network_of(path: Path, against: str | None) -> tuple[Target, ExportOptions]:
    """The target to compare with, and how the artefact was made as far as a build knows."""
    if not path.is_file():
        raise BuildError(f"there is no file {path}", code="unreadable")
    if against is not None:
        return find_target(against), ExportOptions()
    if not (path.parent / MANIFEST).is_file():
        raise UsageError(
            f"{path} lies in no build, so there is nothing to compare it with",
            code="unknown-target",
            help="name a spec, build or artefact with --against",
        )
    export = read_manifest(path.parent).exports.get(path.name)
    options = ExportOptions(export.opset, export.fold_batch_norm) if export else ExportOptions()
    return find_target(path.parent), options

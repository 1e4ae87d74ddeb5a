"""`archc verify`: an artefact against its network or another artefact, or a whole build."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archc.builds.compilation import compile_target
from archc.builds.hashing import sha256_of
from archc.builds.loading import check_file, load, load_network
from archc.builds.manifest import SPEC, WEIGHTS, Export, Manifest, changed_files, damaged, read_manifest, versions
from archc.builds.options import WeightOptions
from archc.builds.targets import MANIFEST, Target, find_target, no_build
from archc.diagnostics import BuildError, Inconclusive, UsageError, VerificationFailed, did_you_mean, option
from archc.exporting import Exporter, Options, exporter_for, exporter_of, exporters
from archc.ir.printer import fingerprint
from archc.verification import Report, Verdict
from archc.verification.check import Verifier
from archc.verification.given import given_samples
from archc.verification.pairwise import compare_artefacts
from archc.verification.sharpness import Sensitivity
from archc.weights.network import Network

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Proof:
    """What `archc verify` found: reports on artefacts, problems with files, and sensitivities if asked for.

    `unchanged` counts the files of a build that are what its manifest says.
    """

    reports: tuple[Report, ...]
    problems: tuple[str, ...] = ()
    sensitivities: tuple[Sensitivity, ...] = ()
    unchanged: int = 0

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
            "unchanged_files": self.unchanged,
            "reports": [report.as_json() for report in self.reports],
            "sensitivities": {found.block: found.smallest for found in self.sensitivities},
        }


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """What to do beyond the usual comparison.

    That is further witnesses, the sensitivity of the comparison, and `images` of the user's own. `inputs_seed` is that
    of the inputs that are drawn; None draws one for a file that archc did not write.
    """

    witnesses: tuple[str, ...] = ()
    sensitivity: bool = False
    images: Path | None = None
    inputs_seed: int | None = None

    def verifier(self, network: Network) -> Verifier:
        """What verifies a network's artefacts so. Raises UsageError: the images do not fit; MissingDependency."""
        given = given_samples(self.images, network) if self.images else ()
        return Verifier(network, seed=self.inputs_seed, given=given)


def verify_artefact(
    path: Path,
    against: str | None,
    weights: WeightOptions,
    settings: Mapping[str, str],
    options: ProofOptions,
    progress: Progress,
    outputs: Sequence[str] = (),
) -> Proof:
    """Verify one artefact against a target, cut at these outputs, another artefact, or the build that it lies in.

    Raises: UsageError: there is nothing to compare it with, or an option that has no effect; SpecError; BuildError: it
    is not the file that was built; ExportError; MissingDependency.
    """
    exporter = exporter_for(path)
    _check_witnesses(exporter.witnesses, options.witnesses, f"{exporter.suffix} files")
    if not path.is_file():
        raise UsageError(f"there is no file {path}", code="unreadable")
    if against is not None and _is_artefact(against):
        _refuse_options(path, Path(against), weights.asked or settings or outputs, options)
        return _compared(path, exporter, Path(against), options, progress)
    target, made, own = _network_of(path, exporter, against, outputs)
    verifier = options.verifier(load_network(target, weights, settings))
    progress(f"verifying {path.name}")
    report = verifier.verify(path.name, exporter.open(path, made), options.witnesses, own=own)
    return Proof((report,), sensitivities=_sensitivities(verifier, options, progress))


def _refuse_options(path: Path, other: Path, of_network: object, options: ProofOptions) -> None:
    """Refuse options that need a network where two artefacts are compared."""
    if of_network or options.witnesses or options.sensitivity or options.images:
        raise UsageError(
            f"{path} is compared with the file {other}, without a network, so there is nothing for other options to do",
            code="bad-option",
            help=f"name a spec or a build with {option('against')}",
        )


def _compared(
    path: Path,
    exporter: Exporter[Any],
    other: Path,
    options: ProofOptions,
    progress: Progress,
) -> Proof:
    """Two artefacts by their numbers alone."""
    progress(f"comparing {path.name} with {other.name}")
    artefacts = exporter.open(path), exporter_for(other).open(other)
    shapes = next(filter(None, map(_declared_shapes, (path, other))), ())
    seed = secrets.randbelow(2**32) if options.inputs_seed is None else options.inputs_seed
    return Proof((compare_artefacts(path.name, artefacts[0], other.name, artefacts[1], shapes, seed),))


def _declared_shapes(artefact: Path) -> Sequence[tuple[int, ...]]:
    """Shapes of one image, from the spec of the build that an artefact lies in; none if it lies in none."""
    if not (artefact.parent / MANIFEST).is_file():
        return ()
    return Network(compile_target(artefact.parent, {}), {}, fresh=False).image_shapes()


def verify_build(
    folder: Path,
    weights: WeightOptions,
    options: ProofOptions,
    progress: Progress,
    settings: Mapping[str, str] | None = None,
) -> Proof:
    """Check every checksum of a build and verify every artefact in it.

    Raises: UsageError; BuildError; SpecError; ExportError; MissingDependency.
    """
    if not (folder / MANIFEST).exists():
        raise no_build(folder)
    manifest = read_manifest(folder)
    _refuse_unlisted_weights(folder, manifest)
    made = _artefacts(folder, manifest)
    witnesses = dict.fromkeys(witness for name in made for witness in exporter_for(folder / name).witnesses)
    _check_witnesses(tuple(witnesses), options.witnesses, f"the artefacts in {folder}")
    changes = changed_files(folder, manifest)
    problems = [f"{folder / name} is {change}" for name, change in changes.items()]
    problems += [f"{path} is an artefact that {MANIFEST} does not know" for path in _unknown(folder, manifest)]
    unchanged = len(manifest.files) - len(changes)
    if changes.keys() & {SPEC, WEIGHTS}:
        return Proof((), tuple(problems), unchanged=unchanged)
    network = load(Target(folder / SPEC, folder), weights, settings or {}, checked=True).network
    if fingerprint(network.graph) != manifest.fingerprint:
        problems.append(f"{folder / MANIFEST} has another fingerprint than the graph of {SPEC}")
    sound = {name: export for name, export in made.items() if not changes.keys() & {name, *export.companions}}
    if not sound and not options.sensitivity:
        return Proof((), tuple(problems), unchanged=unchanged)
    verifier = options.verifier(network)
    reports = [
        _verified(folder / name, export, verifier, manifest, options, progress) for name, export in sound.items()
    ]
    return Proof(tuple(reports), tuple(problems), _sensitivities(verifier, options, progress), unchanged)


def _refuse_unlisted_weights(folder: Path, manifest: Manifest) -> None:
    """Raise BuildError if the build has weights that its manifest does not list: not even as those that were given."""
    path = folder / WEIGHTS
    if WEIGHTS not in manifest.files and path.exists() and sha256_of(path) != manifest.weights:
        raise BuildError(f"{folder / MANIFEST} is damaged: its `files` do not list {WEIGHTS}", code="bad-manifest")


def _artefacts(folder: Path, manifest: Manifest) -> dict[str, Export]:
    """How each artefact was made, those included of which the manifest has only a checksum. Raises BuildError."""
    for name, export in manifest.exports.items():
        _check_exporter(folder / name, export)
    found = {}
    for name in manifest.files:
        exporter = exporter_of(name)
        if exporter is not None and name not in manifest.exports:
            found[name] = Export(exporter=exporter.name)
    return {**manifest.exports, **found}


def _unknown(folder: Path, manifest: Manifest) -> list[Path]:
    """The artefacts in a build that its manifest does not know."""
    found = (path for path in sorted(folder.iterdir()) if exporter_of(path.name) and path.is_file())
    return [path for path in found if path.name not in manifest.files]


def _verified(
    path: Path, export: Export, verifier: Verifier, manifest: Manifest, options: ProofOptions, progress: Progress
) -> Report:
    progress(f"verifying {path.name}")
    exporter = exporter_for(path)
    witnesses = tuple(witness for witness in options.witnesses if witness in exporter.witnesses)
    own = path.name in manifest.exports and _same_archc(manifest)
    return verifier.verify(path.name, exporter.open(path, _made(path, exporter, export)), witnesses, own=own)


def _made(path: Path, exporter: Exporter[Any], export: Export) -> Options:
    """The options that an artefact was written with. Raises BuildError: another exporter's, or not taken by this."""
    _check_exporter(path, export)
    try:
        made: Options = exporter.recorded(export.options)
    except ValidationError as error:
        raise damaged(path.with_name(MANIFEST), error, "exports", path.name) from None
    return made


def _check_exporter(path: Path, export: Export) -> None:
    """Raise BuildError unless the manifest names the exporter that writes files of this name."""
    fitting = exporter_of(path.name)
    if fitting is None or fitting.name != export.exporter:
        why = "does not write such files" if export.exporter in exporters() else "is not installed"
        message = (
            f"{path.with_name(MANIFEST)} says that {path.name} is by the exporter '{export.exporter}', which {why}"
        )
        raise BuildError(message, code="bad-manifest")


def _same_archc(manifest: Manifest) -> bool:
    """Whether the exporters are those that wrote the build, so that they would write the same files again."""
    return versions("archc").items() <= manifest.versions.items()


def _sensitivities(verifier: Verifier, options: ProofOptions, progress: Progress) -> tuple[Sensitivity, ...]:
    if not options.sensitivity:
        return ()
    progress("measuring the sensitivity of the comparison")
    return tuple(verifier.sensitivities())


def _check_witnesses(known: Sequence[str], witnesses: Iterable[str], whose: str) -> None:
    for witness in witnesses:
        if witness not in known:
            raise UsageError(
                f"there is no witness '{witness}' for {whose}",
                code="unknown-witness",
                help=did_you_mean(witness, known) or f"there is {', '.join(known) or 'none'}",
            )


def _is_artefact(against: str) -> bool:
    try:
        exporter_for(Path(against))
    except UsageError:
        return False
    return Path(against).is_file()


def _network_of(
    path: Path, exporter: Exporter[Any], against: str | None, outputs: Sequence[str]
) -> tuple[Target, Options, bool]:
    """The target to compare with, how the artefact was made as far as a build knows, and whether that is certain."""
    if against is not None:
        return find_target(against, outputs), exporter.asked(), False
    folder = path.parent
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{path} lies in no build, so there is nothing to compare it with",
            code="unknown-target",
            help=f"name a spec, build or artefact with {option('against')}",
        )
    manifest = read_manifest(folder)
    export = manifest.exports.get(path.name)
    # Before it is opened: whoever changed a .pt2 file may have put code into it.
    for name in (path.name, *(export.companions if export else ())):
        if name in manifest.files:
            check_file(folder, manifest, name)
    own = export is not None and _same_archc(manifest)
    return find_target(folder, outputs), _made(path, exporter, export) if export else exporter.asked(), own

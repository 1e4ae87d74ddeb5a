"""Writes builds, and artefacts into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from archc.builds.delivery import Delivery, deliver
from archc.builds.folders import made_folder
from archc.builds.loading import Loaded, load
from archc.builds.manifest import (
    WEIGHTS,
    Export,
    Manifest,
    doubt_exports,
    read_manifest,
    remove_replaced,
    versions,
    write_description,
    write_parity,
)  # fmt: skip
from archc.builds.options import WeightOptions
from archc.builds.targets import MANIFEST, Target
from archc.diagnostics import BuildError, UsageError, option
from archc.exporting import Exporter, Options, all_options, exporter_named, options_for
from archc.files import atomic_write

if TYPE_CHECKING:
    from archc.verification import Report
    from archc.verification.check import Verifier
    from archc.verification.sharpness import Sensitivity

Progress = Callable[[str], None]
Notice = Callable[[str], None]


def write_build(
    target: Target,
    folder: Path | None,
    weights: WeightOptions,
    settings: Mapping[str, str],
    progress: Progress = lambda message: None,
    notice: Notice = lambda sentence: None,
) -> tuple[Path, Manifest]:
    """Write a whole build, and return its folder and manifest.

    What lies in the folder of another build is removed, unless somebody changed it; artefacts of the same network stay.
    `notice` gets a sentence about each artefact that does not.
    Raises: SpecError; BuildError; ExportError; UsageError.
    """
    progress("reading the spec")
    loaded = load(target, weights, settings)
    _tell(loaded, notice)
    with made_folder(folder or default_folder(loaded)) as folder:
        before = _manifest_or_none(folder)
        progress(f"writing {WEIGHTS}")
        digest = _write_weights(folder, loaded)
        manifest = loaded.manifest()
        write_description(folder, loaded.network.spec, loaded.network.graph, manifest)
        manifest.files[WEIGHTS] = digest
        if before and before.same_network(manifest):
            _keep_exports(folder, before, manifest)
        manifest.write(folder)
        remove_replaced(folder, before, manifest, notice)
        write_parity(folder, manifest, {})
    return folder, manifest


def _tell(loaded: Loaded, notice: Notice) -> None:
    for sentence in loaded.notices:
        notice(sentence)


def _write_weights(folder: Path, loaded: Loaded) -> str:
    from archc.weights import write_safetensors

    digest = sha256()
    with atomic_write(folder / WEIGHTS, digest) as file:
        write_safetensors(file, loaded.network.weights)
        loaded.confirm()
    return digest.hexdigest()


def _manifest_or_none(folder: Path) -> Manifest | None:
    """The manifest of a folder that is written anew: a damaged one knows no files."""
    try:
        return read_manifest(folder)
    except BuildError:
        return None


def _keep_exports(folder: Path, before: Manifest, manifest: Manifest) -> None:
    """Take over the artefacts of the same network that are still there."""
    for name, export in before.exports.items():
        files = [file for file in (name, *export.companions) if file in before.files and (folder / file).is_file()]
        if name in files:
            manifest.exports[name] = export
            manifest.files.update({file: before.files[file] for file in files})
    if manifest.exports:
        manifest.versions = {**before.versions, **manifest.versions}
    manifest.sensitivity = before.sensitivity


def default_folder(loaded: Loaded) -> Path:
    """Where a build goes that was given no folder."""
    return Path("build") / loaded.network.graph.name


@dataclass(frozen=True)
class ExportRequest:
    """What `archc export` was asked for. `formats` are exporters' names; without a folder a build's own is used.

    `options` are exporters' options by name.
    """

    target: Target
    formats: Sequence[str]
    folder: Path | None
    weights: WeightOptions
    settings: Mapping[str, str]
    options: Mapping[str, object]
    verify: bool = True
    allow_inconclusive: bool = False
    sensitivity: bool = False
    failed: Callable[[Path, Path, Report], None] = lambda file, path, report: None  # gets a file, and its name to be


@dataclass(frozen=True)
class Exported:
    """An artefact that has been delivered, with the options that it was written with."""

    path: Path
    exporter: Exporter[Any]
    options: Options
    usage: str
    delivery: Delivery

    @property
    def report(self) -> Report | None:
        """Its verification, if it was verified."""
        return self.delivery.report

    @property
    def companions(self) -> list[Path]:
        """The files that the artefact needs beside it."""
        return [self.path.with_name(name) for name in self.delivery.companions]

    def as_json(self) -> dict[str, Any]:
        """Plain data for a script: the same keys for every exporter, null for an option that it does not have."""
        recorded = self.options.model_dump()
        return {
            "path": str(self.path),
            "exporter": self.exporter.name,
            **{name: recorded.get(name) for name, field in all_options().items() if not field.exclude},
            "notice": self.exporter.notice,
            "bytes": self.path.stat().st_size,
            "sha256": self.delivery.sha256,
            "companions": dict(self.delivery.companions),
            "verification": self.report.as_json() if self.report else None,
        }


@dataclass(frozen=True)
class Exports:
    """What an export left: the artefacts, and the sensitivity of their proofs if it was asked for."""

    artefacts: list[Exported]
    sensitivities: tuple[Sensitivity, ...] = ()


def write_exports(
    request: ExportRequest,
    progress: Progress = lambda message: None,
    notice: Notice = lambda sentence: None,
) -> Exports:
    """Export a network to every format asked for, into its build, whose manifest then knows them.

    `notice` gets a sentence about each older artefact that the build has no more, or no longer as passed.
    Raises: UsageError: an unknown format, an option that none takes, or a folder that holds another network;
    SpecError; BuildError; ExportError; VerificationFailed; Inconclusive.
    """
    chosen = [exporter_named(name) for name in dict.fromkeys(request.formats)]
    options = options_for(chosen, request.options)
    progress("reading the spec")
    loaded = load(request.target, request.weights, request.settings)
    _tell(loaded, notice)
    with made_folder(request.folder or request.target.build or default_folder(loaded)) as folder:
        pairs = list(zip(chosen, options, strict=True))
        return _write_all(request, pairs, loaded, folder, progress, notice)


def _write_all(
    request: ExportRequest,
    chosen: Sequence[tuple[Exporter[Any], Options]],
    loaded: Loaded,
    folder: Path,
    progress: Progress,
    notice: Notice,
) -> Exports:
    before = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    _refuse_other_build(folder, before, loaded, request)
    verifier = cache(lambda: _verifier(loaded))  # it imports PyTorch, which takes as long as to write a file
    exported: list[Exported] = []
    manifest = None
    for exporter, options in chosen:
        artefact = _export(loaded, exporter, options, folder, request, verifier, progress)
        exported.append(artefact)
        manifest = manifest or _manifest_for(folder, before, loaded, request, notice)
        _record(artefact, manifest)
        manifest.write(folder)
        remove_replaced(folder, before, manifest, notice)
        before = manifest.model_copy(deep=True)
        report = artefact.report.as_json() if artefact.report else None
        write_parity(folder, manifest, {artefact.path.name: report})
    if not request.sensitivity or manifest is None:
        return Exports(exported)
    progress("measuring the sensitivity of the comparison")
    sensitivities = tuple(verifier().sensitivities())
    manifest.sensitivity = {found.block: f"{found.smallest:.0e}" for found in sensitivities}
    manifest.write(folder)
    return Exports(exported, sensitivities)


def _record(artefact: Exported, manifest: Manifest) -> None:
    """Put an artefact and its companions into the manifest, in place of the one that it replaced."""
    name, companions = artefact.path.name, artefact.delivery.companions
    if name in manifest.exports:
        for companion in manifest.exports[name].companions:
            manifest.files.pop(companion, None)
    manifest.files.update({name: artefact.delivery.sha256, **companions})
    manifest.versions.update(versions(*artefact.exporter.packages))
    manifest.exports[name] = Export(
        exporter=artefact.exporter.name,
        **artefact.options.model_dump(mode="json"),
        verdict=artefact.report.verdict.value if artefact.report else None,
        companions=list(companions),
    )


def _export(
    loaded: Loaded,
    exporter: Exporter[Any],
    options: Options,
    folder: Path,
    request: ExportRequest,
    verifier: Callable[[], Verifier],
    progress: Progress,
) -> Exported:
    path = folder / f"{loaded.network.graph.name}{exporter.suffix}"
    delivery = deliver(
        loaded.network, exporter, path, options, confirm=loaded.confirm,
        verify=request.verify, allow_inconclusive=request.allow_inconclusive, verifier=verifier, progress=progress,
        failed=lambda file, report: request.failed(file, path, report),
    )  # fmt: skip
    return Exported(path, exporter, options.effective(), exporter.usage(loaded.network, path), delivery)


def _verifier(loaded: Loaded) -> Verifier:
    from archc.verification.check import Verifier

    return Verifier(loaded.network)


def _refuse_other_build(folder: Path, before: Manifest | None, loaded: Loaded, request: ExportRequest) -> None:
    """Raise UsageError if the folder holds weights, and they are others than those that are exported."""
    if before is None or WEIGHTS not in before.files or _is_own_build(folder, request):
        return
    if not before.same_network(loaded.manifest()):
        command = f"`archc export {quote(str(folder))}`"
        raise UsageError(
            f"{folder} is a build of another network or of other weights",
            code="other-build",
            help=f"export that build with {command}, or choose another folder with {option('output')}",
        )


def _manifest_for(
    folder: Path, before: Manifest | None, loaded: Loaded, request: ExportRequest, notice: Notice
) -> Manifest:
    """The manifest of the build that an artefact lands in: the folder's own if it holds this network."""
    fresh = loaded.manifest()
    if before and (before.same_network(fresh) or _is_own_build(folder, request)):
        manifest = before.model_copy(deep=True)
        doubt_exports(folder, manifest, fresh, notice)
        return manifest
    write_description(folder, loaded.network.spec, loaded.network.graph, fresh)
    return fresh


def _is_own_build(folder: Path, request: ExportRequest) -> bool:
    return folder == request.target.build and not request.weights.given

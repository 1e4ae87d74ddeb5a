"""Writes builds, and artefacts into them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.diagnostics import UsageError, did_you_mean
from archc.exporting import Exporter, ExportOptions, exporters
from archc.files import atomic_write
from archc.network import Network
from archc.pipeline.api import load_network
from archc.pipeline.builds import (
    WEIGHTS,
    Export,
    Manifest,
    new_manifest,
    read_manifest,
    sha256_of,
    write_description,
    write_parity,
)  # fmt: skip
from archc.pipeline.delivery import Delivery, deliver
from archc.pipeline.options import WeightOptions
from archc.spec.loading import resolved_text
from archc.targets import MANIFEST, Target

if TYPE_CHECKING:
    from archc.verification import Report
    from archc.verification.check import Verifier

Progress = Callable[[str], None]


def write_build(
    target: Target,
    folder: Path | None,
    weights: WeightOptions,
    settings: Mapping[str, str],
    progress: Progress = lambda message: None,
) -> tuple[Path, Manifest]:
    """Write a whole build, and return its folder and manifest. Raises SpecError, BuildError, ExportError."""
    from archc.weights import write_safetensors

    progress("reading the spec")
    origin = _origin(weights)
    network = load_network(target, weights, settings)
    folder = _folder(folder, network)
    manifest = new_manifest(network.graph, origin(), network.seed)
    write_description(folder, resolved_text(target.spec, settings), network.graph, manifest)
    progress(f"writing {WEIGHTS}")
    with atomic_write(folder / WEIGHTS) as file:
        write_safetensors(file, network.weights)
    manifest.files[WEIGHTS] = sha256_of(folder / WEIGHTS)
    manifest.write(folder)
    return folder, manifest


@dataclass(frozen=True)
class ExportRequest:
    """What `archc export` was asked for. `formats` are exporters' names; without a folder a build's own is used."""

    target: Target
    formats: Sequence[str]
    folder: Path | None
    weights: WeightOptions
    settings: Mapping[str, str]
    options: ExportOptions
    verify: bool = True
    allow_inconclusive: bool = False


@dataclass(frozen=True)
class Exported:
    """An artefact that has been delivered."""

    path: Path
    exporter: str
    notice: str | None
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
        """Plain data for a script."""
        return {
            "path": str(self.path),
            "exporter": self.exporter,
            "bytes": self.path.stat().st_size,
            "sha256": self.delivery.sha256,
            "companions": dict(self.delivery.companions),
            "verification": self.report.as_json() if self.report else None,
        }


def write_exports(request: ExportRequest, progress: Progress = lambda message: None) -> list[Exported]:
    """Export a network to every format asked for, into its build, whose manifest then knows them.

    Raises: UsageError: no format, an unknown one, or a folder that holds another network; SpecError; BuildError;
    ExportError; VerificationFailed; Inconclusive.
    """
    origin = _origin(request.weights)
    chosen = [_exporter(name) for name in dict.fromkeys(request.formats)]
    if not chosen:
        raise UsageError("name a format, such as --onnx", code="bad-option", help=f"--{', --'.join(exporters())}")
    progress("reading the spec")
    network = load_network(request.target, request.weights, request.settings)
    folder = _folder(request.folder or request.target.build, network)
    present = read_manifest(folder) if (folder / MANIFEST).is_file() else None
    _refuse_other_build(folder, present, network, request, origin)
    verifier = _verifier(network) if request.verify else None
    exported: list[Exported] = []
    manifest = None
    for exporter in chosen:
        artefact = _export(network, exporter, folder, request, verifier, progress)
        exported.append(artefact)
        manifest = manifest or _manifest_for(folder, present, network, request, origin())
        _record(artefact, manifest, request.options)
        manifest.write(folder)
        _remove_companions(folder, present.exports.get(artefact.path.name) if present else None, manifest)
        write_parity(folder, artefact.path.name, artefact.report.as_json() if artefact.report else None)
    return exported


def _record(artefact: Exported, manifest: Manifest, options: ExportOptions) -> None:
    """Put an artefact and its companions into the manifest, in place of the one that it replaced."""
    name, companions = artefact.path.name, artefact.delivery.companions
    if name in manifest.exports:
        for companion in manifest.exports[name].companions:
            manifest.files.pop(companion, None)
    manifest.files.update({name: artefact.delivery.sha256, **companions})
    manifest.exports[name] = Export(
        exporter=artefact.exporter,
        opset=options.opset,
        fold_batch_norm=options.fold_batch_norm,
        verdict=artefact.report.verdict.value if artefact.report else None,
        companions=list(companions),
    )


def _remove_companions(folder: Path, replaced: Export | None, manifest: Manifest) -> None:
    """Remove the files beside an artefact that has been replaced, once nothing in the manifest names them."""
    for name in replaced.companions if replaced else ():
        if name not in manifest.files:
            (folder / name).unlink(missing_ok=True)


def _export(
    network: Network,
    exporter: Exporter,
    folder: Path,
    request: ExportRequest,
    verifier: Verifier | None,
    progress: Progress,
) -> Exported:
    path = folder / f"{network.graph.name}{exporter.suffix}"
    delivery = deliver(
        network, exporter, path, request.options,
        verify=request.verify, allow_inconclusive=request.allow_inconclusive, verifier=verifier, progress=progress,
    )  # fmt: skip
    return Exported(path, exporter.name, exporter.notice, exporter.usage(network, path), delivery)


def _verifier(network: Network) -> Verifier:
    from archc.verification.check import Verifier

    return Verifier(network)


def _exporter(name: str) -> Exporter:
    if name not in exporters():
        help = did_you_mean(name, exporters()) or f"the exporters are {', '.join(exporters())}"
        raise UsageError(f"there is no exporter '{name}'", code="unknown-format", help=help)
    return exporters()[name]


def _folder(folder: Path | None, network: Network) -> Path:
    """The build's folder, made if it is not there."""
    folder = folder or Path("build") / network.graph.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {folder}: {error.strerror}", code="bad-option") from None
    return folder


def _refuse_other_build(
    folder: Path, present: Manifest | None, network: Network, request: ExportRequest, origin: Callable[[], str]
) -> None:
    """Raise UsageError if the folder holds weights, and they are others than those that are exported."""
    if present is None or WEIGHTS not in present.files or _is_own_build(folder, request):
        return
    if not present.same_network(new_manifest(network.graph, origin(), network.seed)):
        raise UsageError(
            f"{folder} is a build of another network or of other weights",
            code="other-build",
            help=f"export that build with `archc export {folder}`, or choose another folder with -o",
        )


def _manifest_for(
    folder: Path, present: Manifest | None, network: Network, request: ExportRequest, origin: str
) -> Manifest:
    """The manifest of the build that an artefact lands in: the folder's own if it holds this network."""
    fresh = new_manifest(network.graph, origin, network.seed)
    if present and (present.same_network(fresh) or _is_own_build(folder, request)):
        return present
    write_description(folder, resolved_text(request.target.spec, request.settings), network.graph, fresh)
    return fresh


def _is_own_build(folder: Path, request: ExportRequest) -> bool:
    return folder == request.target.build and request.weights.file is None


def _origin(weights: WeightOptions) -> Callable[[], str]:
    """Where a network's weights come from, as the manifest records it; a file is hashed meanwhile, by a thread."""
    if weights.file is None:
        return lambda: "initialised"
    return ThreadPoolExecutor(1).submit(sha256_of, weights.file).result

"""A build: a folder with the resolved spec, the printed graph, the weights, the artefacts, and a manifest of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_serializer

from archc.builds.folders import refuse_links
from archc.builds.hashing import CHANGED, sha256_of
from archc.builds.json_text import json_text
from archc.builds.targets import MANIFEST
from archc.diagnostics import BuildError
from archc.files import read_regular, write_text
from archc.ir.graph import Graph
from archc.ir.printer import fingerprint, print_graph
from archc.version import VERSION

SPEC = "spec.yaml"
WEIGHTS = "model.safetensors"
PARITY = "parity.json"
INITIALISED = "initialised"


MOST_BYTES = 16 << 20  # of a manifest, or of a file of its kind


def _file_name(name: str) -> str:
    if name in ("", ".", "..") or PureWindowsPath(name).name != name or not name.isprintable():
        raise ValueError("this is not the name of a file in the folder")
    return name


FileName = Annotated[str, AfterValidator(_file_name)]


class Export(BaseModel):
    """How an artefact was made, what its verification found (None: it was not verified), and the files beside it.

    What else it holds are the exporter's options, by name.
    """

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, bool | int | float | str | None] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    exporter: str
    verdict: str | None = None
    companions: list[FileName] = []

    @property
    def options(self) -> dict[str, Any]:
        """The options that the artefact was written with, by name."""
        return dict(self.model_extra or {})

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        made = {"exporter": self.exporter, **self.options}
        return {**made, "verdict": self.verdict, "companions": self.companions}


class Manifest(BaseModel):
    """What a build is made of. `files` holds the SHA-256 of every file, artefacts included.

    `weights` is "initialised" (with the seed) or the SHA-256 of the file that was given; `initialised` names the
    tensors that were drawn from the seed in place of the file's. `tensors` is a digest of what decides every tensor
    (see `archc.weights.identity`); manifests of an older archc do not have it. `sensitivity` is the smallest relative
    change of each block's weights that a proof would notice. What there is nothing to tell of is left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1] = 1
    name: str
    fingerprint: str
    seed: int
    weights: str
    initialised: list[str] = []
    tensors: str | None = None
    versions: dict[str, str]
    files: dict[FileName, str] = {}
    exports: dict[FileName, Export] = {}
    sensitivity: dict[str, str] = {}

    @property
    def fresh(self) -> bool:
        """Whether the weights were initialised, not given."""
        return self.weights == INITIALISED

    def same_network(self, other: Manifest) -> bool:
        """Whether both are known to describe the same structure with the same weights."""
        return not self.differs_from(other)

    def differs_from(self, other: Manifest) -> str | None:
        """Why artefacts of this build are not known to be of the other: a sentence about one; None if they are."""
        if self.fingerprint != other.fingerprint:
            return "it is of another network"
        if self.tensors is None or other.tensors is None:
            return f"the {MANIFEST} of an older archc does not tell which weights it has"
        stored = {manifest.files[WEIGHTS] for manifest in (self, other) if WEIGHTS in manifest.files}
        same = (self.weights, self.tensors) == (other.weights, other.tensors) and len(stored) < 2
        return None if same else "it has other weights"

    def as_json(self) -> dict[str, Any]:
        """Plain data, as the file holds it."""
        return self.model_dump(
            exclude={name for name in ("initialised", "tensors", "sensitivity") if not getattr(self, name)}
        )

    def write(self, folder: Path) -> None:
        """Write the manifest into its build. Raises ExportError."""
        write_text(folder / MANIFEST, json_text(self.as_json()))


def new_manifest(graph: Graph, weights: str, seed: int, tensors: str, initialised: Sequence[str] = ()) -> Manifest:
    """The manifest of a build that has no files yet."""
    return Manifest(
        name=graph.name,
        fingerprint=fingerprint(graph),
        seed=seed,
        weights=weights,
        initialised=list(initialised),
        tensors=tensors,
        versions=versions("archc", "numpy"),
    )


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of packages."""
    return {package: _version(package) for package in packages}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a build.

    Raises: BuildError: it is not there, damaged, or does not list what it vouches for; a file that it lists is a link
    that leads out of the folder.
    """
    path = folder / MANIFEST
    refuse_links(folder, MANIFEST)
    try:
        manifest = Manifest.model_validate_json(read_regular(path, MOST_BYTES))
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}", code="bad-manifest") from None
    except ValidationError as error:
        raise damaged(path, error) from None
    companions = (name for export in manifest.exports.values() for name in export.companions)
    for name in (SPEC, *manifest.exports, *companions):
        if name not in manifest.files:
            raise BuildError(f"{path} is damaged: its `files` do not list {name}", code="bad-manifest")
    refuse_links(folder, *manifest.files)
    return manifest


def damaged(path: Path, error: ValidationError, *inside: str) -> BuildError:
    """What is wrong with a manifest; `inside` leads to the part of it that was validated."""
    first = error.errors(include_url=False)[0]
    where = "".join(f"{part}: " for part in (*inside, *first["loc"]))
    return BuildError(f"{path} is damaged: {where}{first['msg']}", code="bad-manifest")


def write_description(folder: Path, resolved_spec: str, graph: Graph, manifest: Manifest) -> None:
    """Write the resolved spec and the printed graph. Raises ExportError."""
    manifest.files[SPEC] = write_text(folder / SPEC, resolved_spec)
    manifest.files["graph.txt"] = write_text(folder / "graph.txt", print_graph(graph))


def write_parity(folder: Path, manifest: Manifest, reports: Mapping[str, dict[str, Any] | None]) -> None:
    """Put verifications of artefacts into `parity.json`; what the manifest does not know is left out of it.

    None forgets an older one. Raises ExportError.
    The manifest does not list the file: measured errors vary with threads and machines, and manifests do not.
    """
    path = folder / PARITY
    try:
        stored = json.loads(read_regular(path, MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        stored = {}
    stored = stored if isinstance(stored, dict) else {}
    verified = {name for name, export in manifest.exports.items() if export.verdict is not None}
    kept = {name: report for name, report in stored.items() if name in verified - reports.keys()}
    kept |= {name: report for name, report in reports.items() if report is not None}
    if kept or path.exists():
        write_text(path, json_text(kept))


def remove_replaced(
    folder: Path, before: Manifest | None, now: Manifest, notice: Callable[[str], None] = lambda sentence: None
) -> None:
    """Remove the files that only the manifest of before knows, unless somebody changed them; tell of each artefact.

    It is called when the new manifest is in place, so that a crash leaves files too many and never too few.
    Raises: BuildError: a file cannot be removed.
    """
    if before is None:
        return
    beside = {name for export in before.exports.values() for name in export.companions}
    reason = before.differs_from(now)
    for name, digest in before.files.items():
        path = folder / name
        if name in now.files or not path.is_file():
            continue
        changed = sha256_of(path) != digest
        if not changed:
            _remove(path)
        if name not in beside and reason:
            notice(f"{path} is {'changed and no longer part of the build' if changed else 'removed'}: {reason}")


def doubt_exports(folder: Path, manifest: Manifest, now: Manifest, notice: Callable[[str], None]) -> None:
    """Give a manifest of an older archc the digest of its tensors, and call no artefact passed that may have others."""
    reason = manifest.differs_from(now)
    if manifest.tensors is None:
        manifest.tensors = now.tensors
        for name, export in manifest.exports.items():
            export.verdict = None
            notice(f"{folder / name} is no longer called passed: {reason}; `archc verify {folder}` verifies it")


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise BuildError(f"cannot remove {path}: {error.strerror}", code="cannot-write") from None


def changed_files(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The files that are not what the manifest says: and in what, by name. Raises BuildError: one cannot be read."""
    changes: dict[str, str] = {}
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.exists():
            changes[name] = "missing"
        elif sha256_of(path) != digest:
            changes[name] = CHANGED
    return changes


def _version(package: str) -> str:
    if package == "archc":  # the code that runs, whatever it was installed as
        return VERSION
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

"""A build: a folder with the resolved spec, the printed graph, the weights, the artefacts, and a manifest of all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archc import __version__
from archc.builds.hashing import sha256_of
from archc.builds.json_text import json_text
from archc.builds.targets import MANIFEST
from archc.diagnostics import BuildError
from archc.files import write_text
from archc.ir.graph import Graph
from archc.ir.printer import fingerprint, print_graph

CHANGED = "not the file that was built: its SHA-256 differs"
SPEC = "spec.yaml"
WEIGHTS = "model.safetensors"
PARITY = "parity.json"
INITIALISED = "initialised"


FileName = Annotated[str, Field(pattern=r"^[^/\\]+$")]


class Export(BaseModel):
    """How an artefact was made, what its verification found (None: it was not verified), and the files beside it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    exporter: str
    opset: int | None = None
    fold_batch_norm: bool = True
    verdict: str | None = None
    companions: list[FileName] = []


class Manifest(BaseModel):
    """What a build is made of. `files` holds the SHA-256 of every file, artefacts included.

    `weights` is "initialised" (with the seed) or the SHA-256 of the file that was given; `initialised` names the
    tensors that were drawn from the seed in place of the file's. `sensitivity` is the smallest relative change of each
    block's weights that a proof would notice. Both are left out where there is nothing to tell.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1] = 1
    name: str
    fingerprint: str
    seed: int
    weights: str
    initialised: list[str] = []
    versions: dict[str, str]
    files: dict[FileName, str] = {}
    exports: dict[FileName, Export] = {}
    sensitivity: dict[str, str] = {}

    @property
    def fresh(self) -> bool:
        """Whether the weights were initialised, not given."""
        return self.weights == INITIALISED

    def same_network(self, other: Manifest) -> bool:
        """Whether both describe the same structure with the same weights."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[object, ...]:
        drawn = self.fresh or self.initialised
        return self.fingerprint, self.weights, self.initialised, self.seed if drawn else 0

    def as_json(self) -> dict[str, Any]:
        """Plain data, as the file holds it."""
        return self.model_dump(exclude={name for name in ("initialised", "sensitivity") if not getattr(self, name)})

    def write(self, folder: Path) -> None:
        """Write the manifest into its build. Raises ExportError."""
        write_text(folder / MANIFEST, json_text(self.as_json()))


def new_manifest(graph: Graph, weights: str, seed: int, initialised: Sequence[str] = ()) -> Manifest:
    """The manifest of a build that has no files yet."""
    return Manifest(
        name=graph.name,
        fingerprint=fingerprint(graph),
        seed=seed,
        weights=weights,
        initialised=list(initialised),
        versions=versions("archc", "numpy"),
    )


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of packages."""
    return {package: _version(package) for package in packages}


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a build. Raises BuildError: it is not there, or damaged."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}", code="bad-manifest") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise BuildError(f"{path} is damaged: {where}{first['msg']}", code="bad-manifest") from None


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
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stored = {}
    stored = stored if isinstance(stored, dict) else {}
    kept = {name: report for name, report in stored.items() if name in manifest.exports and name not in reports}
    kept |= {name: report for name, report in reports.items() if report is not None}
    if kept or path.exists():
        write_text(path, json_text(kept))


def remove_replaced(folder: Path, before: Manifest | None, now: Manifest) -> None:
    """Remove the files that only the manifest of before knows, unless somebody changed them. Raises BuildError.

    It is called when the new manifest is in place, so that a crash leaves files too many and never too few.
    """
    for name, digest in before.files.items() if before else ():
        path = folder / name
        if name not in now.files and path.is_file() and sha256_of(path) == digest:
            try:
                path.unlink()
            except OSError as error:
                raise BuildError(f"cannot remove {path}: {error.strerror}", code="cannot-write") from None


def changed_files(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The files that are not what the manifest says: and in what, by name. Raises BuildError: one cannot be read."""
    changes: dict[str, str] = {}
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            changes[name] = "missing"
        elif sha256_of(path) != digest:
            changes[name] = CHANGED
    return changes


def _version(package: str) -> str:
    if package == "archc":  # the code that runs, whatever it was installed as
        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

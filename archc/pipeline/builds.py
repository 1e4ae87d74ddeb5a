"""A build: a folder with the resolved spec, the printed graph, the weights, the artefacts, and a manifest of all."""

from __future__ import annotations

import json
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from archc.diagnostics import BuildError
from archc.files import write_text
from archc.ir.graph import Graph
from archc.ir.printer import fingerprint, print_graph
from archc.targets import MANIFEST

CHANGED = "not the file that was built: its SHA-256 differs"
WEIGHTS = "model.safetensors"
PARITY = "parity.json"


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

    `weights` is "initialised" (with the seed) or the SHA-256 of the file that was given.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[1] = 1
    name: str
    fingerprint: str
    seed: int
    weights: str
    versions: dict[str, str]
    files: dict[FileName, str] = {}
    exports: dict[FileName, Export] = {}

    @property
    def fresh(self) -> bool:
        """Whether the weights were initialised, not given."""
        return self.weights == "initialised"

    def same_network(self, other: Manifest) -> bool:
        """Whether both describe the same structure with the same weights."""
        mine, others = (
            (manifest.fingerprint, manifest.weights, manifest.seed if manifest.fresh else 0)
            for manifest in (self, other)
        )
        return mine == others

    def write(self, folder: Path) -> None:
        """Write the manifest into its build. Raises ExportError."""
        write_text(folder / MANIFEST, self.model_dump_json(indent=2) + "\n")


def new_manifest(graph: Graph, weights: str, seed: int) -> Manifest:
    """The manifest of a build that has no files yet."""
    packages = {name: _version(name) for name in ("archc", "numpy")}
    return Manifest(name=graph.name, fingerprint=fingerprint(graph), seed=seed, weights=weights, versions=packages)


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
    manifest.files["spec.yaml"] = write_text(folder / "spec.yaml", resolved_spec)
    manifest.files["graph.txt"] = write_text(folder / "graph.txt", print_graph(graph))


def write_parity(folder: Path, artefact: str, report: dict[str, Any] | None) -> None:
    """Put an artefact's verification into `parity.json`, or remove an older one. Raises ExportError.

    The manifest does not list the file: measured errors vary with threads and machines, and manifests do not.
    """
    path = folder / PARITY
    try:
        reports = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        reports = {}
    reports = {name: kept for name, kept in reports.items() if name != artefact} if isinstance(reports, dict) else {}
    if report is not None:
        reports[artefact] = report
    if report is not None or path.exists():
        write_text(path, json.dumps(reports, indent=2) + "\n")


def changed_files(folder: Path, manifest: Manifest) -> dict[str, str]:
    """The files that are not what the manifest says: and in what, by name."""
    changes: dict[str, str] = {}
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file():
            changes[name] = "missing"
        elif sha256_of(path) != digest:
            changes[name] = "not the file that was built: its SHA-256 differs"
    return changes


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"

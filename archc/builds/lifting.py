"""An artefact -> its spec: the one that it keeps, or one that is read from its graph and proved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archc.builds.delivery import reasons
from archc.builds.diffing import file_diff
from archc.diagnostics import BuildError, LiftError, Note, UsageError, VerificationFailed, option
from archc.exporting import Artefact, DeclaredInput, exporter_for
from archc.files import atomic_write, write_text
from archc.ir.graph import Graph
from archc.spec.format import format_text
from archc.weights import InitializedWeights, Weights, match, write_safetensors
from archc.weights.network import Network

if TYPE_CHECKING:
    import numpy as np

    from archc.verification import Report


KEPT = "the spec that the file keeps"
READ = "a spec that was read from the file"
ONLY = "input"  # what the command line calls an input that it does not name

Progress = Callable[[str], None]


@dataclass(frozen=True)
class LiftedFile:
    """The spec of a file. `tensors` are the file's, by the keys of the spec; `notes` are for the reader.

    `how` tells where the spec comes from; `report` is on the file beside a spec that was read from it.
    """

    path: Path
    how: str
    text: str
    graph: Graph
    tensors: Mapping[str, np.ndarray]
    is_flat: bool = False
    notes: tuple[str, ...] = ()
    report: Report | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data for a script."""
        return {
            "name": self.graph.name,
            "flat": self.is_flat,
            "how": self.how,
            "spec": self.text,
            "notes": list(self.notes),
            "verification": self.report.as_json() if self.report else None,
        }

    def weights(self) -> Weights:
        """The weights of the spec. Raises BuildError: the file does not hold all of them as they are."""
        try:
            return match(self.tensors, self.graph.parameters())
        except BuildError as error:
            raise BuildError(
                f"{self.path} does not hold all tensors of its spec as they were",
                code="missing-weights",
                notes=error.diagnostics[0].notes,
                help="folded batch norms cannot be had back, nor what runs in training only",
            ) from None


def lift_file(
    path: Path,
    shapes: Mapping[str, Sequence[int]] | None = None,
    *,
    flat: bool = False,
    progress: Progress = lambda message: None,
) -> LiftedFile:
    """The spec of an artefact, as text in the canonical style.

    `shapes` are those of inputs, without the batch, where a file that archc did not write leaves sizes open.
    Raises: UsageError: there is no such file, or a size is open; ExportError: it cannot be read; SpecError: the spec
    that it keeps is wrong; LiftError: the language has no word for a call; VerificationFailed: the spec is not the
    file's.
    """
    exporter = exporter_for(path)
    if not path.is_file():
        raise UsageError(f"there is no file {path}", code="unreadable")
    progress(f"reading {path.name}")
    artefact = exporter.open(path)
    if text := artefact.spec():
        return _kept(path, artefact, text, flat=flat)
    return _read(path, artefact, shapes or {}, flat=flat, progress=progress)


def _kept(path: Path, artefact: Artefact, text: str, *, flat: bool) -> LiftedFile:
    """The spec that a file keeps, if it fits the file: nodes as far as the format tells, keys and shapes."""
    from archc.verification.kept_spec import kept_graph

    name = f"the spec in {path}"
    graph = kept_graph(name, text)
    if differences := file_diff(graph, path, name, str(path)).differences:
        message = f"{path} keeps a spec that is not its own"
        raise VerificationFailed(message, code="verification-failed", notes=tuple(map(Note, differences[:5])))
    network = Network(graph, InitializedWeights(graph.parameters(), 0), True, 0)
    return LiftedFile(path, KEPT, _styled(graph, text, name, flat=flat), graph, artefact.stored_tensors(network), flat)


def _styled(graph: Graph, text: str, name: str, *, flat: bool) -> str:
    if not flat:
        return format_text(text, name)
    from archc.lifting.decompile import spec_text

    return spec_text(graph, flat=True)


def _read(
    path: Path, artefact: Artefact, given: Mapping[str, Sequence[int]], *, flat: bool, progress: Progress
) -> LiftedFile:
    """The spec of the calls in a file, proved against a module that makes them and against the file itself."""
    from archc.lifting import lift
    from archc.lifting.files import read_program

    reading = read_program(artefact.program())
    module = reading.module()
    shapes = {name: _shape(path, each, given) for name, each in zip(reading.inputs, artefact.inputs(), strict=True)}
    try:
        found = lift(module, shapes, name=path.stem, source=f"read from {path.name}", flat=flat, progress=progress)
    except UsageError as error:  # what a person's module would have raised
        raise LiftError(f"the calls of {path} cannot be run by themselves: {error.args[0]}", code="no-word") from None
    tensors = {key: tensor.numpy() for key, tensor in module.state_dict().items()}
    notes = (*reading.notes, *found.notes)
    lifted = LiftedFile(path, READ, found.text, found.graph, tensors, found.is_flat, notes)
    progress(f"verifying {path.name}")
    return replace(lifted, report=_proved(path, artefact, Network(found.graph, lifted.weights(), False)))


def _shape(path: Path, declared: DeclaredInput, given: Mapping[str, Sequence[int]]) -> list[int]:
    """The shape of an input without the batch."""
    if (asked := given.get(declared.name) or (given.get(ONLY) if len(given) == 1 else None)) is not None:
        return list(asked)
    if any(size is None for size in declared.shape[1:]):
        message = f"{path} leaves sizes of its input open: {declared}"
        raise UsageError(message, code="bad-option", help=f"choose one with {option('input', '3x224x224')}")
    return [size for size in declared.shape[1:] if size is not None]


def _proved(path: Path, artefact: Artefact, network: Network) -> Report:
    """The report on the file as it runs. Raises VerificationFailed: the spec with the file's weights gives another."""
    from archc.verification import Verdict
    from archc.verification.check import Verifier

    report = Verifier(network).verify(path.name, artefact)
    if report.verdict is Verdict.FAILED:
        message = f"the spec that was read from {path} does not compute what the file does: {reasons(report)}"
        raise VerificationFailed(message, code="verification-failed")
    return report


def write_spec(path: Path, text: str) -> str:
    """Write a spec, and return the SHA-256. Raises ExportError."""
    return write_text(path, text)


def write_weights(path: Path, weights: Weights) -> str:
    """Write weights as safetensors, and return the SHA-256. Raises ExportError."""
    digest = sha256()
    with atomic_write(path, digest) as file:
        write_safetensors(file, weights)
    return digest.hexdigest()

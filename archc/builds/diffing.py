"""What differs between two targets, each of which may be an artefact.

An artefact is compared as the network of the build that it lies in. One from elsewhere is held to what its exporter
writes for the other target's network, as far as a file of its format tells.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archc.builds.compilation import compile_target
from archc.builds.loading import check_file
from archc.builds.manifest import read_manifest
from archc.builds.targets import MANIFEST, fixed_build
from archc.diagnostics import UsageError
from archc.differences import Diff, compare
from archc.differences.labels import generic
from archc.exporting import exporter_of
from archc.ir.graph import Graph

Settings = Mapping[str, str]
_ORIGIN = re.compile(r" \([^()]*\)$")


@dataclass(frozen=True)
class FileDiff:
    """How a file differs from what its exporter writes for a network."""

    one: str
    other: str
    differences: tuple[str, ...]
    note: str

    @property
    def is_equal(self) -> bool:
        """True if nothing differs that was looked at."""
        return not self.differences

    def __str__(self) -> str:
        verdict = "equal" if self.is_equal else f"different, {len(self.differences)} found"
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for each in self.differences:
            alike[generic(_ORIGIN.sub("", each))].append(each)
        texts = [f"{first}{f', and {len(more)} like it' if more else ''}" for first, *more in alike.values()]
        return "\n".join(
            [f"{self.one} → {self.other}: {verdict}", *(f"  {text}" for text in texts), f"  note: {self.note}"]
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        verdict = "equal" if self.is_equal else "different"
        found = {"first": self.one, "second": self.other, "differences": list(self.differences), "notes": [self.note]}
        return {"verdict": verdict, "equal": self.is_equal, **found}


def diff_targets(
    one: str | Path | Graph, other: str | Path | Graph, settings: tuple[Settings, Settings], outputs: Sequence[str] = ()
) -> Diff | FileDiff:
    """What differs between two targets, artefacts or graphs, both cut at these outputs.

    Raises: SpecError; UsageError: there is no such target, or two files of which no network is known; BuildError: an
    artefact is not the file that was built; ExportError: it cannot be read.
    """
    targets = (one, other)
    graphs = [_graph(target, own, outputs) for target, own in zip(targets, settings, strict=True)]
    names = tuple(target.name if isinstance(target, Graph) else str(target) for target in targets)
    names = names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")
    match graphs:
        case [Graph() as first, Graph() as second]:
            notes = [_note(target) for target in targets if _is_artefact(target)]
            return replace(compare(first, second, (names[0], names[1])), notes=tuple(notes))
        case [Graph() as graph, None]:
            return file_diff(graph, Path(str(other)), names[0], names[1])
        case [None, Graph() as graph]:
            return file_diff(graph, Path(str(one)), names[0], names[1])
    message = f"neither {one} nor {other} lies in a build that lists it, so no network is known"
    help = "`archc verify` compares what two files compute"
    raise UsageError(message, code="unknown-target", help=help)


def _is_artefact(target: str | Path | Graph) -> bool:
    return not isinstance(target, Graph) and exporter_of(Path(target).name) is not None and Path(target).is_file()


def _graph(target: str | Path | Graph, settings: Settings, outputs: Sequence[str]) -> Graph | None:
    """The graph of a target; None for an artefact that no build lists."""
    if isinstance(target, Graph):
        return target
    if not _is_artefact(target):
        return compile_target(target, settings, outputs)
    path = Path(target)
    if not (path.parent / MANIFEST).is_file():
        return None
    manifest = read_manifest(path.parent)
    if path.name not in manifest.exports:
        return None
    if settings:
        raise fixed_build(path.parent, "parameters")
    check_file(path.parent, manifest, path.name)
    return compile_target(path.parent, {}, outputs)


def _note(target: str | Path | Graph) -> str:
    return f"{target} is compared as the network of its build, whose manifest has the file's SHA-256"


def file_diff(graph: Graph, path: Path, one: str, other: str) -> FileDiff:
    """Hold a file to its exporter, with weights of our own: their values are not looked at."""
    from archc.verification.structure import ABSENT, fit
    from archc.weights import InitializedWeights
    from archc.weights.network import Network

    exporter = exporter_of(path.name)
    assert exporter is not None, "it is an artefact"
    network = Network(graph, InitializedWeights(graph.parameters(), 0), True, 0)
    artefact = exporter.open(path)
    inputs, _ = fit(artefact.inputs(), network)
    if artefact.differences(network) is None:
        found = tuple(filter(None, [inputs, ABSENT]))
        note = f"{path} is of another program or network: only its inputs and the names of its tensors were compared"
    else:
        found = tuple(artefact.structure_differences(network))
        level = "node by node" if artefact.shows_nodes else "by the names and shapes of its tensors"
        note = f"{path} is held to what archc writes of the network at inference, {level}; tensors' values do not count"
    return FileDiff(one, other, found, note)

"""Writes an artefact under a temporary name, verifies it there, and gives it its real name only if it passed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from archc.builds.beside import beside
from archc.diagnostics import ArchcError, Diagnostic, Inconclusive, VerificationFailed, option
from archc.exporting import Artefact, Exporter, Options
from archc.files import Companions, atomic_write, settle
from archc.weights.network import Network

if TYPE_CHECKING:
    from hashlib import _Hash

    from archc.verification import Report
    from archc.verification.check import Verifier
    from archc.verification.structure import Structure

Progress = Callable[[str], None]

_IMPORTING = partial(import_module, "archc.verification.check")
"""Imports what a proof takes, PyTorch above all."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An artefact that has its name: its verification, its SHA-256, and those of the files beside it, by name."""

    report: Report | None
    sha256: str
    companions: Mapping[str, str]


def deliver(
    network: Network,
    exporter: Exporter[Any],
    path: Path,
    options: Options,
    *,
    verify: bool = True,
    allow_inconclusive: bool = False,
    verifier: Callable[[], Verifier] | None = None,
    progress: Progress = lambda message: None,
    failed: Callable[[Path, Report], None] = lambda file, report: None,
    confirm: Callable[[], None] = lambda: None,
) -> Delivery:
    """Write one artefact; with `verify`, only if it is shown to compute the network's function.

    What `verifier` gives serves several artefacts of one network with one reference run. `failed` gets the file
    of a proof that failed, which is then removed. `confirm` raises if the artefact is not to be delivered although it
    was written.
    Raises: ExportError; VerificationFailed; Inconclusive: unless allowed.
    """
    report, digest = None, sha256()
    with atomic_write(path, digest) as file:
        temporary = Path(file.name)
        progress(f"writing {path.name}")
        work = partial(_write, network, exporter, options, file, digest, Companions(path), verify=verify)
        with _errors_under(path.name, temporary.name):
            # PyTorch is imported meanwhile, unless writing needs it as well.
            written = beside(work, _IMPORTING) if verify and "torch" not in exporter.packages else work()
            try:
                confirm()
                if verify:
                    progress(f"verifying {path.name}")
                    artefact = written.artefact or exporter.open(temporary, options)
                    report = _verified(network, artefact, path.name, written.structure, verifier)
                    report = _report_under(path.name, temporary.name, report)
                    _judge(report, path, allow_inconclusive, partial(failed, temporary, report))
            except BaseException:
                written.companions.discard()
                raise
    return Delivery(report, written.sha256, written.companions.digests)


@dataclass(frozen=True, slots=True)
class _Written:
    """A file that was written: its SHA-256, the files beside it, and the first claim of its proof, if one is made.

    `artefact` is the file that was opened for that claim; another process opens it anew.
    """

    sha256: str
    companions: Companions
    structure: Structure | None = None
    artefact: Artefact | None = None

    def __reduce__(self) -> tuple[type[_Written], tuple[str, Companions, Structure | None]]:
        return _Written, (self.sha256, self.companions, self.structure)


def _write(
    network: Network,
    exporter: Exporter[Any],
    options: Options,
    file: BinaryIO,
    digest: _Hash,
    companions: Companions,
    *,
    verify: bool,
) -> _Written:
    """Write an artefact, and hold what the disk then has to the exporter. PyTorch is not needed for that."""
    structure = artefact = None
    try:
        if verify:
            network = _drawn_once(network)
        exporter.write(network, file, options, companions)
        file.flush()
        if verify:
            from archc.verification.structure import Structure

            artefact = exporter.open(Path(file.name), options)
            structure = Structure.of(artefact, network, own=True)
        settle(file)
    except BaseException:
        companions.discard()
        raise
    return _Written(digest.hexdigest(), companions, structure, artefact)


def _drawn_once(network: Network) -> Network:
    """The network with its initial weights in memory: they are drawn at each access, and two have to have them."""
    from archc.weights import read_all

    return network.with_weights(read_all(network.weights)) if network.fresh else network


def _verified(
    network: Network,
    artefact: Artefact,
    name: str,
    structure: Structure | None,
    verifier: Callable[[], Verifier] | None,
) -> Report:
    from archc.verification.check import Verifier

    made = verifier() if verifier else Verifier(network)
    return made.verify(name, artefact, own=True, structure=structure)


def _report_under(name: str, temporary: str, report: Report) -> Report:
    """The report, in which the artefact has its name and not its temporary one."""
    rows = (replace(row, reason=row.reason.replace(temporary, name)) for row in report.comparisons)
    found = report.divergence and replace(report.divergence, reason=report.divergence.reason.replace(temporary, name))
    differences = (difference.replace(temporary, name) for difference in report.differences)
    return replace(report, comparisons=tuple(rows), differences=tuple(differences), divergence=found)


@contextmanager
def _errors_under(name: str, temporary: str) -> Iterator[None]:
    """In errors that the block raises, the artefact has its name and not its temporary one."""

    def named(problem: Diagnostic) -> Diagnostic:
        help = problem.help and problem.help.replace(temporary, name)
        return replace(problem, message=problem.message.replace(temporary, name), help=help)

    try:
        yield
    except ArchcError as error:
        raise type(error)(map(named, error.diagnostics)) from error.__cause__


def _judge(report: Report, path: Path, allow_inconclusive: bool, failed: Callable[[], None]) -> None:
    from archc.verification import Verdict

    if report.verdict is Verdict.FAILED:
        failed()
        raise VerificationFailed(f"{path} is not delivered: {reasons(report)}", code="verification-failed")
    if report.verdict is Verdict.INCONCLUSIVE and not allow_inconclusive:
        raise Inconclusive(
            f"{path} is not delivered: {reasons(report)}",
            code="verification-inconclusive",
            help=f"{option('allow_inconclusive', 'True')} delivers it all the same",
        )


def reasons(report: Report) -> str:
    """Why a report did not pass, in a line."""
    found = [f"{row.runner}, {row.output}: {row.reason}" for row in report.comparisons if row.reason]
    if report.divergence:
        found.append(str(report.divergence))
    return "; ".join([*report.differences[:3], *dict.fromkeys(found)])

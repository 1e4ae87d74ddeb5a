"""Writes an artefact under a temporary name, verifies it there, and gives it its real name only if it passed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from archc.diagnostics import Inconclusive, VerificationFailed
from archc.exporting import Exporter, ExportOptions
from archc.files import Companions, atomic_write
from archc.weights.network import Network

if TYPE_CHECKING:
    from archc.verification import Report
    from archc.verification.check import Verifier

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An artefact that has its name: its verification, its SHA-256, and those of the files beside it, by name."""

    report: Report | None
    sha256: str
    companions: Mapping[str, str]


def deliver(
    network: Network,
    exporter: Exporter,
    path: Path,
    options: ExportOptions,
    *,
    verify: bool = True,
    allow_inconclusive: bool = False,
    verifier: Verifier | None = None,
    progress: Progress = lambda message: None,
    confirm: Callable[[], None] = lambda: None,
) -> Delivery:
    """Write one artefact; with `verify`, only if it is shown to compute the network's function.

    A `verifier` that is given serves several artefacts of one network with one reference run. `confirm` raises if the
    artefact is not to be delivered although it was written.
    Raises: ExportError; VerificationFailed; Inconclusive: unless allowed.
    """
    report, digest, companions = None, sha256(), Companions(path)
    try:
        with atomic_write(path, digest) as file:
            progress(f"writing {path.name}")
            exporter.write(network, file, options, companions)
            confirm()
            if verify:
                file.flush()
                progress(f"verifying {path.name}")
                report = _verified(network, exporter, Path(file.name), path.name, options, verifier)
                _judge(report, path, allow_inconclusive)
    except BaseException:
        companions.discard()
        raise
    return Delivery(report, digest.hexdigest(), companions.digests)


def _verified(
    network: Network,
    exporter: Exporter,
    written: Path,
    name: str,
    options: ExportOptions,
    verifier: Verifier | None,
) -> Report:
    from archc.verification.check import Verifier

    return (verifier or Verifier(network)).verify(name, exporter.open(written), options, own=True)


def _judge(report: Report, path: Path, allow_inconclusive: bool) -> None:
    from archc.verification import Verdict

    if report.verdict is Verdict.FAILED:
        raise VerificationFailed(f"{path} is not delivered: {reasons(report)}", code="verification-failed")
    if report.verdict is Verdict.INCONCLUSIVE and not allow_inconclusive:
        raise Inconclusive(
            f"{path} is not delivered: {reasons(report)}",
            code="verification-inconclusive",
            help="--allow-inconclusive delivers it all the same",
        )


def reasons(report: Report) -> str:
    """Why a report did not pass, in a line."""
    found = [f"{row.runner}, {row.output}: {row.reason}" for row in report.comparisons if row.reason]
    if report.divergence:
        found.append(str(report.divergence))
    return "; ".join([*report.differences[:3], *dict.fromkeys(found)])

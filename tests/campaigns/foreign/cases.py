"""Verifies correct files of one network, each as a file from elsewhere."""

from __future__ import annotations

import logging
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import torch

from archc.builds.delivery import reasons
from archc.verification.check import Verifier
from archc.weights.network import Network
from tests.campaigns.bugs.networks import bundled, small_image
from tests.campaigns.bugs.weights import WEIGHTS
from tests.campaigns.foreign.sources import ONNX, SOURCES, TOOLS, Rewrite
from tests.elaborate.specs import compiled

NOT_MADE = "not made"  # the exporter or tool refuses, so that there is nothing to verify


@dataclass(frozen=True)
class Case:
    """What the verification said of one file; `reason` is empty where it passed without a word."""

    spec: str
    weights: str
    source: str
    tool: str
    verdict: str
    reason: str
    seconds: float


def cases(spec: str, weights: Sequence[str], nominal: bool, threads: int) -> list[Case]:
    """Every file of a bundled network, at its usual size or at a small one."""
    torch.set_num_threads(threads)
    logging.disable(logging.WARNING)  # of torch.onnx, about packages that it could use
    text = bundled(spec) if nominal else small_image(bundled(spec))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's exporters
        return [case for kind in weights for case in _cases(spec, kind, WEIGHTS[kind](compiled(text)))]


def _cases(spec: str, weights: str, network: Network) -> Iterator[Case]:
    verifier = Verifier(network)
    for source, write in SOURCES.items():
        with tempfile.TemporaryDirectory(prefix="foreign-") as folder:
            path = Path(folder) / f"{spec}.onnx"
            try:
                with redirect_stdout(StringIO()):
                    write(network, path)
            except Exception as error:  # every exporter has exceptions of its own
                yield Case(spec, weights, source, "", NOT_MADE, _told(error), 0.0)
                continue
            for tool, rewrite in TOOLS.items():
                yield Case(spec, weights, source, tool, *_verified(verifier, path, rewrite))


def _verified(verifier: Verifier, path: Path, rewrite: Rewrite | None) -> tuple[str, str, float]:
    """Verdict, reason, and the seconds that the verification took."""
    made = path
    if rewrite is not None:
        made = path.with_stem(f"{path.stem}.rewritten")
        made.unlink(missing_ok=True)
        try:
            with redirect_stdout(StringIO()):
                rewrite(path, made)
        except Exception as error:  # every tool has exceptions of its own
            return NOT_MADE, _told(error), 0.0
    begun = time.perf_counter()
    report = verifier.verify(made.name, ONNX.open(made))
    return report.verdict.value, reasons(report), time.perf_counter() - begun


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"

"""What a verification found."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

PYTORCH = "PyTorch float64"


class Verdict(Enum):
    """Whether an artefact is equal to its network, as far as numbers can tell."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one way to run an artefact, against the float64 reference, over all batches.

    `rms_error` and `bound` decide. Where rounding makes the network `noisy`, nodes are compared one by one as well, and
    where it is `chaotic`, they alone decide (see docs/verification.md). `float32_error` is that of PyTorch's own
    float32 run, and `input_dependence` the RMS of what differs between images. All are absolute, in the unit of the
    output.
    """

    runner: str
    output: str
    batches: tuple[int, ...]
    rms_error: float
    float32_error: float
    bound: float
    rms_output: float
    input_dependence: float
    max_error: float
    cosine: float
    top1_agreement: float | None
    verdict: Verdict
    reason: str
    noisy: bool = False
    chaotic: bool = False

    @property
    def samples(self) -> int:
        """Number of images; the smaller batches are parts of the largest."""
        return max(self.batches)

    @property
    def relative_error(self) -> float:
        """The error in units of the output."""
        return self.rms_error / self.rms_output if self.rms_output else math.nan

    @property
    def ratio(self) -> float:
        """The error in units of PyTorch's own float32 error."""
        return self.rms_error / self.float32_error if self.float32_error else math.nan


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first node of an artefact that computes something else, and the line of the spec that it comes from.

    `error` and `bound` are RMS over the node's output, from float64 inputs.
    """

    path: str
    operator: str
    position: str | None
    error: float
    bound: float
    reason: str

    def __str__(self) -> str:
        where = f" ({self.position})" if self.position else ""
        return f"the first node that diverges is {self.operator} {self.path}{where}: {self.reason}"


@dataclass(frozen=True)
class Report:
    """All comparisons of an artefact with `reference`: the network's module, or another artefact by its name.

    `twin` tells that they were made with a calibrated twin's weights.
    """

    artefact: str
    twin: bool
    comparisons: tuple[Comparison, ...]
    differences: tuple[str, ...] = ()
    divergence: Divergence | None = None
    reference: str = PYTORCH

    @property
    def weights(self) -> str | None:
        """Under which weights the comparisons were made; None for two files, of which each has its own."""
        if self.reference != PYTORCH:
            return None
        return "calibrated twin" if self.twin else "own"

    @property
    def verdict(self) -> Verdict:
        """Failed if anything failed, else inconclusive if anything was, else passed."""
        verdicts = {comparison.verdict for comparison in self.comparisons}
        if self.differences or self.divergence or Verdict.FAILED in verdicts:
            return Verdict.FAILED
        return Verdict.INCONCLUSIVE if Verdict.INCONCLUSIVE in verdicts or not verdicts else Verdict.PASSED

    def as_json(self) -> dict[str, Any]:
        """The report as plain data."""
        rows = [
            _plain_row(comparison)
            | {name: _plain(getattr(comparison, name)) for name in ("samples", "relative_error", "ratio")}
            for comparison in self.comparisons
        ]
        return {
            "artefact": self.artefact,
            "verdict": self.verdict.value,
            "reference": self.reference,
            "weights": self.weights,
            "differences": list(self.differences),
            "divergence": _plain_row(self.divergence) if self.divergence else None,
            "comparisons": rows,
        }


def _plain_row(record: Comparison | Divergence) -> dict[str, Any]:
    return {key: _plain(value) for key, value in asdict(record).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value

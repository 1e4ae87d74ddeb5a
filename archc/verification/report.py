"""What a verification found: three claims about an artefact, and the verdict that follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archc.weights import Array

if TYPE_CHECKING:
    from archc.verification.sharpness import Sharpness

PYTORCH = "PyTorch float64"
OWN, TWIN = "own", "calibrated twin"


class Verdict(Enum):
    """Whether an artefact is equal to its network, as far as numbers can tell.

    `BY_PARTS`: rounding is so large in the whole that its numbers decide nothing, but the file is node for node what
    the exporter gives, and each kind of node computes what it should.
    """

    PASSED = "passed"
    BY_PARTS = "passed by structure and nodes"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output of one way to run an artefact, against the float64 reference, over all batches.

    `rms_error` and `bound` decide: they are those of the worst part of the output, as are `float32_error`, PyTorch's
    own, and `rms_output`. `float32_share` is PyTorch's own error as a share of the whole output, and `input_dependence`
    the RMS of what differs between images. All errors are absolute, in the unit of the output. `noisy` tells that
    rounding alone may explain a large error, `identical` that every bit is that of PyTorch's float32 run, and
    `wrong_part` numbers the first part with a wrong image.
    """

    runner: str
    output: str
    batches: tuple[int, ...]
    rms_error: float
    float32_error: float
    bound: float
    rms_output: float
    float32_share: float
    input_dependence: float
    max_error: float
    cosine: float
    top1_agreement: float | None
    verdict: Verdict
    reason: str
    noisy: bool = False
    identical: bool = False
    wrong_part: int = 0
    weights: str = OWN

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

    `error` and `bound` are RMS over the node's output, from float64 inputs; infinite where the file lacks it.
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
class Evidence:
    """What was run where a comparison failed: inputs, what the outputs ought to be, and what they were.

    `names` are those of the inputs, where they are known.
    """

    runner: str
    inputs: Sequence[Array]
    expected: Sequence[Array]
    actual: Sequence[Array]
    names: Sequence[str] = ()

    def save(self, folder: Path) -> None:
        """Write `inputs.npz`, `expected.npz` and `actual.npz`. Raises OSError."""
        for name, arrays in (("expected", self.expected), ("actual", self.actual)):
            np.savez(folder / f"{name}.npz", *arrays)
        named = dict(zip(self.names, self.inputs, strict=True)) if self.names else {}
        np.savez(folder / "inputs.npz", *(() if named else self.inputs), **named)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Nodes:
    """How many kinds of node were compared, for how many nodes they stand, and the first node that diverged."""

    kinds: int
    nodes: int
    divergence: Divergence | None = None


@dataclass(frozen=True)
class Report:
    """Three claims about an artefact, against `reference`: the network's module, or another artefact by its name.

    `structure` is true where the file is what archc's exporter gives, false where it ought to be and is not, and None
    where another program wrote it or nothing is known of it. `nodes` is None where they were not compared.
    `sharpness` tells by weights what the comparison of the whole can notice. `seed` is that of all inputs.
    """

    artefact: str
    comparisons: tuple[Comparison, ...]
    differences: tuple[str, ...] = ()
    divergence: Divergence | None = None
    reference: str = PYTORCH
    structure: bool | None = None
    nodes: Nodes | None = None
    sharpness: Mapping[str, Sharpness] = field(default_factory=dict)
    seed: int | None = None
    notes: tuple[str, ...] = ()
    evidence: Evidence | None = field(default=None, compare=False, repr=False)

    @property
    def weights(self) -> str | None:
        """Under which weights the comparisons were made; None for two files, of which each has its own."""
        if self.reference != PYTORCH:
            return None
        return " and ".join(dict.fromkeys(row.weights for row in self.comparisons))

    @property
    def verdict(self) -> Verdict:
        """The worst of what was found; inconclusive if nothing was run."""
        if self.differences or self.divergence:
            return Verdict.FAILED
        verdicts = {row.verdict for row in self.comparisons}
        worst = (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.BY_PARTS, Verdict.PASSED)
        return next((verdict for verdict in worst if verdict in verdicts), Verdict.INCONCLUSIVE)

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
            "seed": self.seed,
            "structure": self.structure,
            "nodes": {"kinds": self.nodes.kinds, "nodes": self.nodes.nodes} if self.nodes else None,
            "sharpness": {weights: _plain_sharpness(sharpness) for weights, sharpness in self.sharpness.items()},
            "differences": list(self.differences),
            "divergence": _plain_row(self.divergence) if self.divergence else None,
            "comparisons": rows,
            "notes": list(self.notes),
        }


def _plain_sharpness(sharpness: Sharpness) -> dict[str, Any]:
    least = sharpness.least
    return {
        "float32_share": _plain(sharpness.float32_share),
        "least_sensitive_block": least.block if least else None,
        "smallest_change_noticed_there": _plain(least.smallest) if least else None,
    }


def _plain_row(record: Comparison | Divergence) -> dict[str, Any]:
    return {key: _plain(value) for key, value in asdict(record).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value

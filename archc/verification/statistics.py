"""When an artefact's numbers count as the network's.

Errors are root mean squares against a float64 run. With e the artefact's error, t that of PyTorch's own float32 run and
s the size of the output,
    e <= FACTOR * t + FLOOR * s
passes: t is what rounding does to this very network, so a correct export has e of about t whatever the depth (measured
on correct exports: 0.5 to 4 times). FLOOR covers what t does not show: PyTorch sums pairwise, and runtimes that sum one
value after the other lose up to 36 roundings in a norm over thousands of nearly equal values.

An output is judged cell by cell (`cells.py`). It must tell right from wrong: its part that depends on the input has to
exceed the bound VACUITY times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from archc.verification.cells import Cells, cells, which_are_wrong, wrong_images
from archc.verification.images import USUAL
from archc.verification.report import Comparison, Verdict
from archc.verification.rounding import CHAOTIC, FACTOR, FLOOR, SHARP, relative_error, rms
from archc.weights import Array

VACUITY = 100.0
EXCEEDS = "the error exceeds the bound"
VACUOUS = "the output hardly depends on the input, so agreement proves nothing"


def compare(
    runner: str,
    output: str,
    actual: Sequence[Array],
    exact: Sequence[Array],
    single: Sequence[Array],
    parts: Sequence[Array] | None = None,
    *,
    kinds: Sequence[str] = (),
    depends: bool = True,
) -> Comparison:
    """Compare one output of an artefact over several batches with the float64 and float32 runs on the same images.

    `parts` numbers the images of each batch, which `kinds` names; without, larger batches begin with the smaller ones.
    `depends` asks that the output depends on the image.
    """
    parts = parts or [np.arange(len(part)) for part in exact]
    wrong = _wrong_type(actual, exact, single)
    if wrong:
        return unmeasured(runner, output, parts, wrong)
    a, e, t = (np.concatenate([part.astype(np.float64) for part in each]) for each in (actual, exact, single))
    if not np.all(np.isfinite(e)) or not np.all(np.isfinite(t)):
        return unmeasured(runner, output, parts, "the reference is not finite", Verdict.INCONCLUSIVE)
    if not np.all(np.isfinite(a)):
        return unmeasured(runner, output, parts, "the output is not finite")
    identical = all(map(np.array_equal, actual, single))
    with np.errstate(all="ignore"):  # an output may be zero
        share = relative_error(t, e)
        found = cells(a, e, t, share)
        row = _measured(unmeasured(runner, output, parts, ""), found, a, e, share)
        usual = _usual(e, np.concatenate(parts))
        row = replace(row, identical=identical, input_dependence=rms(usual - usual.mean(axis=0, keepdims=True)))
        least = VACUITY * (FACTOR * row.float32_share + FLOOR) * rms(usual) if depends else -1
        verdict, reason = _judge(row, least)
        if reason == EXCEEDS:
            reason += which_are_wrong(found, parts, kinds)
        part = next((index for index, images in enumerate(wrong_images(found, parts)) if images), 0)
        return replace(row, verdict=verdict, reason=reason, wrong_part=part)


def _measured(row: Comparison, found: Sequence[Cells], a: Array, e: Array, share: float) -> Comparison:
    """A comparison with the numbers of its worst cell, and those of the whole that people look at."""
    worst, image = max(((each, int(each.excess.argmax())) for each in found), key=lambda at: at[0].excess[at[1]])
    return replace(
        row,
        rms_error=float(worst.error[image]),
        float32_error=float(worst.own[image]),
        bound=float(worst.bound[image]),
        rms_output=float(worst.size[image]),
        float32_share=share,
        max_error=float(np.max(np.abs(a - e), initial=0.0)),
        cosine=_cosine(a.reshape(-1), e.reshape(-1)),
        top1_agreement=float(np.mean(np.argmax(a, 1) == np.argmax(e, 1))) if e.ndim == 2 and e.size else None,
        noisy=share > SHARP,
    )


def _judge(row: Comparison, least_dependence: float) -> tuple[Verdict, str]:
    if row.float32_share > CHAOTIC:
        share = f"{row.float32_share:.0e} of the output"
        return Verdict.INCONCLUSIVE, f"rounding alone is {share}, so its numbers prove nothing"
    if row.rms_error > row.bound:
        return Verdict.FAILED, EXCEEDS
    if row.input_dependence <= least_dependence:
        return Verdict.INCONCLUSIVE, VACUOUS
    return Verdict.PASSED, ""


def _usual(exact: Array, images: Array) -> Array:
    """The outputs for the usual images, each once; others may be a hundred times as large."""
    usual: Array = exact[[np.flatnonzero(images == image)[0] for image in range(USUAL) if image in images]]
    return usual


def _cosine(a: Array, e: Array) -> float:
    norms = float(np.linalg.norm(a) * np.linalg.norm(e))
    return float(a @ e) / norms if norms else 0.0


def _wrong_type(actual: Sequence[Array], exact: Sequence[Array], single: Sequence[Array]) -> str | None:
    """How the outputs differ from the network's in shape or element type."""
    for a, e, t in zip(actual, exact, single, strict=True):
        if a.shape != e.shape:
            return f"the output has shape {list(a.shape)}, not {list(e.shape)}"
        if a.dtype != t.dtype:
            return f"the output is {a.dtype}, not {t.dtype}"
    return None


def unmeasured(
    runner: str, output: str, parts: Sequence[Array], reason: str, verdict: Verdict = Verdict.FAILED
) -> Comparison:
    """The comparison of an output that could not be computed, or not be compared number by number."""
    nothing = float("nan")
    return Comparison(
        runner=runner, output=output, batches=tuple(dict.fromkeys(map(len, parts))), rms_error=nothing,
        float32_error=nothing, bound=nothing, rms_output=nothing, float32_share=nothing, input_dependence=nothing,
        max_error=nothing, cosine=nothing, top1_agreement=None, verdict=verdict, reason=reason,
    )  # fmt: skip

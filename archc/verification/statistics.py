"""When an artefact's numbers count as the network's.

Errors are root mean squares against a float64 run. With e the artefact's error, t that of PyTorch's own float32 run and
s the size of the output,
    e <= FACTOR * t + FLOOR * s
passes: t is what rounding does to this very network, so a correct export has e of about t whatever the depth (measured
on correct exports: 0.5 to 4 times). FLOOR covers what t does not show: PyTorch sums pairwise, and runtimes that sum one
value after the other lose up to 36 roundings in a norm over thousands of nearly equal values. The output must also tell
right from wrong: the part d of it that depends on the input has to exceed the bound VACUITY times, or agreement means
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archc.verification.report import Comparison, Verdict
from archc.weights import Array

FACTOR = 10.0
FLOOR = 64 * 2.0**-24
VACUITY = 100.0
VACUOUS = "the output hardly depends on the input, so agreement proves nothing"
NOISY = 1e-5  # beyond this share of the output, ten times PyTorch's error hides what half precision does to a layer
CHAOTIC = 1e-3  # beyond this share of the output PyTorch's own float32 error bounds nothing


def rms(values: Array) -> float:
    """Root mean square, in float64."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def compare(
    runner: str, output: str, actual: Sequence[Array], exact: Sequence[Array], single: Sequence[Array]
) -> Comparison:
    """Compare one output of an artefact over several batches with the float64 and float32 runs on the same images."""
    with np.errstate(all="ignore"):  # what is not finite is judged, not warned of
        return _compare(runner, output, actual, exact, single)


def _compare(
    runner: str, output: str, actual: Sequence[Array], exact: Sequence[Array], single: Sequence[Array]
) -> Comparison:
    if any(a.shape != e.shape for a, e in zip(actual, exact, strict=True)):
        return _wrong_shape(runner, output, actual, exact)
    a, e, t = (
        np.concatenate([part.reshape(-1) for part in parts]).astype(np.float64) for parts in (actual, exact, single)
    )
    error, own, size = rms(a - e), rms(t - e), rms(e)
    bound = FACTOR * own + FLOOR * size
    verdict, reason = _judge(error, own, bound, size, exact, a)
    return Comparison(
        runner=runner,
        output=output,
        batches=tuple(len(part) for part in exact),
        rms_error=error,
        float32_error=own,
        bound=bound,
        rms_output=size,
        input_dependence=_input_dependence(exact),
        max_error=float(np.max(np.abs(a - e), initial=0.0)),
        cosine=_cosine(a, e),
        top1_agreement=_top1_agreement(actual, exact),
        verdict=verdict,
        reason=reason,
        noisy=bool(np.isfinite(own) and own > NOISY * size),
        chaotic=bool(np.isfinite(own) and own > CHAOTIC * size),
    )


def _judge(
    error: float, own: float, bound: float, size: float, exact: Sequence[Array], a: Array
) -> tuple[Verdict, str]:
    if not np.isfinite(size) or not np.isfinite(own):
        return Verdict.INCONCLUSIVE, "the reference is not finite"
    if not np.all(np.isfinite(a)):
        return Verdict.FAILED, "the output is not finite"
    if own > CHAOTIC * size:
        return Verdict.INCONCLUSIVE, "PyTorch's own float32 error exceeds a thousandth of the output"
    if error > bound:
        return Verdict.FAILED, "the error exceeds the bound"
    if _input_dependence(exact) <= VACUITY * bound:
        return Verdict.INCONCLUSIVE, VACUOUS
    return Verdict.PASSED, ""


def _input_dependence(exact: Sequence[Array]) -> float:
    """RMS of what differs between images, over the largest batch."""
    largest = max(exact, key=len)
    return rms(largest - largest.mean(axis=0, keepdims=True))


def _cosine(a: Array, e: Array) -> float:
    norms = float(np.linalg.norm(a) * np.linalg.norm(e))
    return float(a @ e) / norms if norms else 0.0


def _top1_agreement(actual: Sequence[Array], exact: Sequence[Array]) -> float | None:
    if exact[0].ndim != 2:
        return None
    agreements = [np.argmax(a, 1) == np.argmax(e, 1) for a, e in zip(actual, exact, strict=True)]
    return float(np.mean(np.concatenate(agreements)))


def _wrong_shape(runner: str, output: str, actual: Sequence[Array], exact: Sequence[Array]) -> Comparison:
    shapes = [(a.shape, e.shape) for a, e in zip(actual, exact, strict=True) if a.shape != e.shape]
    reason = f"the output has shape {list(shapes[0][0])}, not {list(shapes[0][1])}"
    return failed(runner, output, tuple(map(len, exact)), reason)


def failed(runner: str, output: str, batches: tuple[int, ...], reason: str) -> Comparison:
    """The comparison of an output that could not be computed, or not be compared number by number."""
    nothing = float("nan")
    return Comparison(
        runner=runner, output=output, batches=batches, rms_error=nothing, float32_error=nothing, bound=nothing,
        rms_output=nothing, input_dependence=nothing, max_error=nothing, cosine=nothing, top1_agreement=None,
        verdict=Verdict.FAILED, reason=reason,
    )  # fmt: skip

"""The bound between rounding and a bug, and the comparisons that prove nothing."""

import math

import numpy as np
import pytest

from archc.verification import Comparison, Verdict
from archc.verification.rounding import CHAOTIC, FACTOR, FLOOR, ROUNDING, rms
from archc.verification.statistics import VACUITY, compare

BATCHES = (1, 2, 5)
EXACT = np.sign(np.random.default_rng(0).standard_normal((5, 10)))
UNIT = EXACT / rms(EXACT)  # every image and every channel is of size 1


def compared(actual: np.ndarray, exact: np.ndarray = UNIT, single: np.ndarray | None = None) -> Comparison:
    """The comparison of an output with the reference, at all batches."""
    single = exact if single is None else single
    return compare("runner", "output", *([part[:batch] for batch in BATCHES] for part in (actual, exact, single)))


def judged(actual: np.ndarray, exact: np.ndarray = UNIT, single: np.ndarray | None = None) -> tuple[Verdict, str]:
    row = compared(actual, exact, single)
    return row.verdict, row.reason


def shifted(error: float) -> np.ndarray:
    """The reference with an error of this RMS, alike in every element."""
    return UNIT + error


def test_the_same_numbers_pass() -> None:
    assert judged(UNIT) == (Verdict.PASSED, "")


@pytest.mark.parametrize("own", [0.0, 1e-7, 1e-5])
def test_the_bound_is_the_factor_times_pytorchs_own_error_plus_the_floor(own: float) -> None:
    bound = FACTOR * own + FLOOR + 2 * ROUNDING
    assert compared(UNIT, single=shifted(own)).bound == pytest.approx(bound, rel=1e-6)
    assert judged(shifted(0.99 * bound), single=shifted(own)) == (Verdict.PASSED, "")
    assert judged(shifted(1.01 * bound), single=shifted(own)) == (Verdict.FAILED, "the error exceeds the bound")


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_the_verdict_does_not_depend_on_the_unit_of_the_output(scale: float) -> None:
    assert judged(scale * shifted(0.5 * FLOOR), scale * UNIT) == (Verdict.PASSED, "")
    assert judged(scale * shifted(2 * FLOOR), scale * UNIT)[0] is Verdict.FAILED


def test_an_error_in_one_image_alone_is_an_error_and_the_image_is_named() -> None:
    actual = UNIT.copy()
    actual[4] += 1e-4
    assert judged(actual) == (Verdict.FAILED, "the error exceeds the bound for the images 4")


def test_an_error_at_one_batch_alone_is_an_error_and_the_batch_is_named() -> None:
    parts = [UNIT[:batch] for batch in BATCHES]
    wrong = [parts[0], parts[1] + 1e-4, parts[2]]
    row = compare("runner", "output", wrong, parts, parts)
    assert (row.verdict, row.reason) == (Verdict.FAILED, "the error exceeds the bound at batch 2")
    assert row.wrong_part == 1


MIXED = np.concatenate([300 * UNIT[:, :4], UNIT[:, 4:]], axis=1)
"""Boxes in pixels beside scores."""


@pytest.mark.parametrize("layout", ["columns", "channels", "rows of columns"])
def test_an_output_of_mixed_scales_is_judged_part_by_part(layout: str) -> None:
    shapes = {"columns": (5, 10), "channels": (5, 10, 1, 1), "rows of columns": (5, 1, 10)}
    actual = MIXED.copy()
    actual[:, 4:] += 0.01
    noun = "channels" if layout == "channels" else "columns"
    single = MIXED * (1 + 1e-7)  # as float32 would have it
    parts = [each.reshape(shapes[layout]) for each in (actual, MIXED, single)]
    assert judged(*parts) == (Verdict.FAILED, f"the error exceeds the bound in the {noun} 4-9")
    assert rms(actual - MIXED) < FACTOR * rms(single - MIXED) + FLOOR * rms(MIXED) * 20  # one number would hide it
    assert judged(parts[1] * (1 + 1e-7), *parts[1:]) == (Verdict.PASSED, "")


def test_a_dark_image_is_not_hidden_by_a_bright_one() -> None:
    exact = UNIT * np.array([1, 1, 1, 1, 1e-3])[:, None]
    actual = exact.copy()
    actual[4] *= 1.001
    assert judged(actual, exact)[0] is Verdict.FAILED


def test_an_image_without_an_output_may_be_off_by_the_rounding_of_the_others() -> None:
    exact = UNIT * np.array([1, 1, 1, 1, 0])[:, None]
    for error, verdict in ((0.5 * FLOOR, Verdict.PASSED), (2 * FLOOR, Verdict.FAILED)):
        actual = exact.copy()
        actual[4] += error
        assert judged(actual, exact)[0] is verdict


def test_an_output_of_another_element_type_fails() -> None:
    single = UNIT.astype(np.float32)
    assert judged(UNIT, UNIT, single) == (Verdict.FAILED, "the output is float64, not float32")


def test_a_permuted_batch_is_an_error() -> None:
    assert judged(UNIT[::-1])[0] is Verdict.FAILED


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_output_that_is_not_finite_fails(value: float) -> None:
    actual = UNIT.copy()
    actual[0, 0] = value
    assert judged(actual) == (Verdict.FAILED, "the output is not finite")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_reference_that_is_not_finite_proves_nothing(value: float) -> None:
    exact = UNIT.copy()
    exact[4, 3] = value
    with np.errstate(invalid="ignore"):
        assert judged(exact, exact, exact) == (Verdict.INCONCLUSIVE, "the reference is not finite")


def test_an_output_of_another_shape_fails() -> None:
    row = compared(UNIT[:, :9])
    assert (row.verdict, row.reason) == (Verdict.FAILED, "the output has shape [1, 9], not [1, 10]")
    assert math.isnan(row.rms_error)


def test_an_output_of_zeros_proves_nothing() -> None:
    zeros = np.zeros((5, 10))
    assert judged(zeros, zeros) == (
        Verdict.INCONCLUSIVE,
        "the output hardly depends on the input, so agreement proves nothing",
    )


@pytest.mark.parametrize(("dependence", "verdict"), [(0.9, Verdict.INCONCLUSIVE), (1.1, Verdict.PASSED)])
def test_an_output_must_depend_on_the_input_far_above_the_bound(dependence: float, verdict: Verdict) -> None:
    """A large constant, the same for every image, and a part that differs from image to image."""
    images = np.array([-1, 1, 0, 0, 0])[:, None]  # the first two are without a mean, of RMS 1
    exact = np.ones((5, 10)) + images * dependence * VACUITY * FLOOR
    assert judged(exact, exact)[0] is verdict


@pytest.mark.parametrize(("dependence", "verdict"), [(0.9, Verdict.INCONCLUSIVE), (1.1, Verdict.PASSED)])
def test_a_far_larger_image_hides_no_dependence_on_the_usual_ones(dependence: float, verdict: Verdict) -> None:
    images = np.array([-1, 1, 0, 0, 0])[:, None]
    exact = np.ones((5, 10)) + images * dependence * VACUITY * FLOOR
    exact[4] *= 1000
    assert judged(exact, exact)[0] is verdict


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_rounding_that_grows_beyond_a_thousandth_of_the_output_bounds_nothing(share: float) -> None:
    row = compared(UNIT + 1.0, UNIT, UNIT + share * CHAOTIC)
    assert row.noisy
    if share < 1:
        assert (row.verdict, row.reason) == (Verdict.FAILED, "the error exceeds the bound")
    else:
        reason = "rounding alone is 1e-03 of the output, so its numbers prove nothing"
        assert (row.verdict, row.reason) == (Verdict.INCONCLUSIVE, reason)


def test_what_people_look_at_is_reported_beside_what_decides() -> None:
    row = compared(shifted(1e-7), single=shifted(2e-7))
    assert row.batches == BATCHES
    assert row.rms_error == pytest.approx(1e-7)
    assert row.float32_error == pytest.approx(2e-7)
    assert row.ratio == pytest.approx(0.5)
    assert row.max_error == pytest.approx(1e-7)
    assert row.cosine == pytest.approx(1)
    assert row.top1_agreement == 1.0


def test_top_1_agreement_is_the_share_of_images_with_the_same_first_class() -> None:
    actual = UNIT.copy()
    actual[4] = -actual[4]  # one of the eight images that batches 1, 2 and 5 hold together
    assert compared(actual).top1_agreement == pytest.approx(7 / 8)
    assert compared(UNIT[:, :, None, None], UNIT[:, :, None, None]).top1_agreement is None

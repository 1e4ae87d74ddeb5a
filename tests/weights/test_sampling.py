"""Each initializer against torch.nn.init on the same shape, by statistics with derived tolerances."""

from math import sqrt
from statistics import NormalDist

import numpy as np
import pytest
import torch

from archc.ir.graph import Parameter
from archc.ir.initializers import (
    Constant,
    Initializer,
    KaimingNormal,
    KaimingUniform,
    Normal,
    Ones,
    Orthogonal,
    TruncNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)
from archc.weights import InitializedWeights

SHAPE = (256, 32, 5, 5)
COUNT = 256 * 32 * 5 * 5
# The means of two samples of COUNT differ by sqrt(2/COUNT) standard deviations, and their standard deviations
# relatively by sqrt((kurtosis - 1)/(2 COUNT)), kurtosis at most 3 here. Five times that happens once in 10^6.
Z = 5.0

RANDOM = [
    Uniform(a=-0.3, b=0.7),
    Normal(mean=1.5, std=0.1),
    TruncNormal(std=0.02),
    TruncNormal(mean=0.5, std=1.0, a=-1.0, b=1.0),
    XavierUniform(gain=1.7),
    XavierNormal(),
    KaimingUniform(a=5**0.5),
    KaimingUniform(mode="fan_out", nonlinearity="tanh"),
    KaimingNormal(mode="fan_out", nonlinearity="relu"),
    KaimingNormal(nonlinearity="selu"),
    KaimingNormal(nonlinearity="conv2d"),
]


def draw(initializer: Initializer, shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return InitializedWeights([Parameter("w", shape, initializer)], seed)["w"]


def draw_with_torch(initializer: Initializer, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    tensor = torch.empty(shape)
    generator = torch.Generator().manual_seed(1)
    arguments = initializer.model_dump()
    getattr(torch.nn.init, f"{initializer.word}_")(tensor, **arguments, generator=generator)
    return tensor.numpy()


@pytest.mark.parametrize("initializer", RANDOM, ids=repr)
def test_the_distribution_is_that_of_torch(initializer: Initializer) -> None:
    ours, theirs = draw(initializer), draw_with_torch(initializer)
    std = theirs.std(dtype=np.float64)
    assert abs(ours.mean(dtype=np.float64) - theirs.mean(dtype=np.float64)) < Z * sqrt(2 / COUNT) * std
    assert abs(ours.std(dtype=np.float64) / std - 1) < Z * sqrt(1 / COUNT)
    # Two-sample Kolmogorov-Smirnov: sqrt(-ln(p/2)/2) with p = 1e-6 is 2.7.
    grid = np.sort(np.concatenate([ours.ravel(), theirs.ravel()]))
    distance = np.abs(
        np.searchsorted(np.sort(ours.ravel()), grid, "right") - np.searchsorted(np.sort(theirs.ravel()), grid, "right")
    )
    assert distance.max() / COUNT < 2.7 * sqrt(2 / COUNT)


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (Uniform(a=-0.3, b=0.3), 0.3),
        (TruncNormal(std=1.0, a=-0.5, b=0.5), 0.5),
        (XavierUniform(), sqrt(6 / (32 * 25 + 256 * 25))),
        (KaimingUniform(a=5**0.5), 1 / sqrt(32 * 25)),
    ],
    ids=repr,
)
def test_bounded_distributions_reach_their_bounds_and_keep_them(initializer: Initializer, bound: float) -> None:
    largest = np.abs(draw(initializer)).max()
    # The chance that all of COUNT uniform draws stay below 1 - 1e-3 of the bound is e^-200.
    assert bound * (1 - 1e-3) < largest <= np.float32(bound)


@pytest.mark.parametrize(("low", "high"), [(3.0, 4.0), (-40.0, -6.0), (0.1, 0.2), (-0.1, 1e9), (2.0, float(2**40))])
def test_truncated_normals_follow_the_density_where_few_draws_would_be_inside(low: float, high: float) -> None:
    values = draw(TruncNormal(a=low, b=high), (100_000,)).astype(np.float64)
    assert values.min() >= np.float32(low)
    assert values.max() <= np.float32(high)
    # By symmetry the lower tail is used: P(v < x) keeps its digits there.
    normal = NormalDist()
    mirrored = np.sort(values if high <= 0 else -values)
    start, end = (low, high) if high <= 0 else (-high, -low)
    total = normal.cdf(end) - normal.cdf(start)
    expected = np.array([(normal.cdf(x) - normal.cdf(start)) / total for x in mirrored[::100]])
    actual = np.arange(0, 100_000, 100) / 100_000
    # One-sample Kolmogorov-Smirnov: sqrt(-ln(p/2)/2) with p = 1e-6 is 2.7.
    assert np.abs(expected - actual).max() < 2.7 / sqrt(100_000)


@pytest.mark.parametrize("shape", [(64, 16, 3, 3), (16, 64), (40, 3, 3, 3), (24, 24)])
def test_orthogonal_rows_or_columns_are_orthonormal_times_the_gain(shape: tuple[int, ...]) -> None:
    matrix = draw(Orthogonal(gain=2.0), shape).reshape(shape[0], -1).astype(np.float64)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    # Entries are rounded to float32 once: each of at most 144 products errs by 4 * 2^-24 at most.
    assert np.abs(gram - 4 * np.eye(len(gram))).max() < 144 * 4 * 2**-24


def test_orthogonal_matrices_have_no_preferred_sign() -> None:
    diagonals = [draw(Orthogonal(), (4, 4), seed).diagonal() for seed in range(200)]
    positive = np.mean(np.array(diagonals) > 0)
    assert abs(positive - 0.5) < Z * 0.5 / sqrt(800)


@pytest.mark.parametrize(
    ("initializer", "value"),
    [
        (Zeros(), 0.0),
        (Ones(), 1.0),
        (Constant(val=0.1), 0.1),
        (Normal(mean=3.0, std=0.0), 3.0),
        (TruncNormal(mean=5.0, std=0.0, b=2.0), 2.0),
        (Uniform(a=0.25, b=0.25), 0.25),
    ],
    ids=repr,
)
def test_constants_are_exact(initializer: Initializer, value: float) -> None:
    drawn = draw(initializer, (3, 4))
    assert drawn.dtype == np.float32
    np.testing.assert_array_equal(drawn, np.full((3, 4), value, np.float32))

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from archc.diagnostics import BuildError
from archc.ir.graph import Parameter
from archc.ir.initializers import (
    INITIALIZERS,
    KaimingNormal,
    KaimingUniform,
    Normal,
    Ones,
    Orthogonal,
    Uniform,
    XavierNormal,
    Zeros,
)
from archc.weights import InitializedWeights, read_all

CONV = Parameter("conv1.weight", (300, 500), KaimingNormal(mode="fan_out", nonlinearity="relu"))
FC = Parameter("fc.weight", (40, 30), Orthogonal())
COUNTER = Parameter("bn1.num_batches_tracked", (), Zeros(), dtype="int64", buffer=True)

HASH_IN_ANOTHER_PROCESS = """
import hashlib
from archc.ir.graph import Parameter
from archc.ir.initializers import KaimingNormal, Orthogonal
from archc.weights import InitializedWeights, read_all
parameters = [
    Parameter("conv1.weight", (300, 500), KaimingNormal(mode="fan_out", nonlinearity="relu")),
    Parameter("fc.weight", (40, 30), Orthogonal()),
]
tensors = read_all(InitializedWeights(parameters, 7), threads=3)
print(hashlib.sha256(b"".join(tensor.tobytes() for tensor in tensors.values())).hexdigest())
"""


def test_a_tensor_depends_on_the_seed_and_its_path_alone() -> None:
    alone = InitializedWeights([CONV], 7)["conv1.weight"]
    among_others = InitializedWeights([FC, CONV, COUNTER], 7)
    list(among_others.values())
    np.testing.assert_array_equal(among_others["conv1.weight"], alone)


def test_seeds_and_paths_give_other_numbers() -> None:
    other = Parameter("conv2.weight", CONV.shape, CONV.initializer)
    weights = InitializedWeights([CONV, other], 7)
    draws = [weights["conv1.weight"], weights["conv2.weight"], InitializedWeights([CONV], 8)["conv1.weight"]]
    correlations = np.corrcoef([draw.ravel() for draw in draws])
    # Independent samples of 150,000 correlate by 1/sqrt(150,000) at most times 5.
    assert np.abs(correlations - np.eye(3)).max() < 5 / 150_000**0.5


def test_processes_hash_seeds_and_thread_counts_agree() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", HASH_IN_ANOTHER_PROCESS],
            env={
                "PYTHONHASHSEED": threads,
                "OPENBLAS_NUM_THREADS": threads,
                "PYTHONPATH": ":".join(sys.path),
            },
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    tensors = read_all(InitializedWeights([CONV, FC], 7), threads=1)
    ours = hashlib.sha256(b"".join(tensor.tobytes() for tensor in tensors.values())).hexdigest()
    assert outputs == {f"{ours}\n"}


def test_the_numbers_of_a_seed_never_change() -> None:
    # People keep seeds: another NumPy or archc that draws other numbers must be noticed.
    drawn = [
        InitializedWeights([Parameter("w", (2, 2), initializer)], 0)["w"].ravel().tolist()
        for initializer in (Normal(), Uniform())
    ]
    assert drawn == [
        [0.19926905632019043, 0.29523196816444397, -0.2364789843559265, -1.542519450187683],
        [0.21279668807983398, 0.27119553089141846, 0.23200899362564087, 0.9454010128974915],
    ]


def test_each_access_gives_a_new_writable_array() -> None:
    weights = InitializedWeights([CONV], 0)
    first = weights["conv1.weight"]
    expected = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(weights["conv1.weight"], expected)


def test_counters_are_integer_zeros() -> None:
    counter = InitializedWeights([COUNTER], 0)["bn1.num_batches_tracked"]
    assert (counter.shape, counter.dtype, int(counter)) == ((), np.int64, 0)


def test_shapes_and_membership_draw_nothing() -> None:
    weights = InitializedWeights([Parameter("huge", (10**6, 10**6), Normal())], 0)
    assert weights.shape("huge") == (10**6, 10**6)
    assert weights.dtype("huge") == np.float32
    assert "huge" in weights
    assert "other" not in weights
    assert list(weights) == ["huge"]


def test_threads_read_the_same_in_the_same_order() -> None:
    weights = InitializedWeights([COUNTER, FC, CONV], 3)
    together = read_all(weights, threads=2)
    assert list(together) == ["bn1.num_batches_tracked", "fc.weight", "conv1.weight"]
    for name, tensor in together.items():
        np.testing.assert_array_equal(tensor, weights[name])


def test_every_problem_is_reported_before_anything_is_drawn() -> None:
    parameters = [
        Parameter("a.bias", (64,), KaimingUniform()),
        Parameter("b.bias", (), XavierNormal()),
        Parameter("c.bias", (8,), Uniform.model_construct(a=1.0, b=0.0)),
        Parameter("fine.bias", (8,), Ones()),
    ]
    with pytest.raises(BuildError) as caught:
        InitializedWeights(parameters, 0)
    assert [(problem.code, problem.message) for problem in caught.value.diagnostics] == [
        (
            "invalid-initializer",
            "a.bias cannot be initialised: kaiming_uniform needs two or more dimensions, and the shape is [64]",
        ),
        (
            "invalid-initializer",
            "b.bias cannot be initialised: xavier_normal needs two or more dimensions, and the shape is []",
        ),
        (
            "invalid-initializer",
            "c.bias cannot be initialised: uniform needs a <= b, and they are a=1.0 and b=0.0",
        ),
    ]


@pytest.mark.parametrize("word", INITIALIZERS)
def test_every_initializer_can_be_drawn(word: str) -> None:
    initializer = INITIALIZERS[word].model_validate({"val": 1.0} if word == "constant" else {})
    drawn = InitializedWeights([Parameter("w", (8, 4, 3, 3), initializer)], 0)["w"]
    assert (drawn.shape, drawn.dtype) == ((8, 4, 3, 3), np.float32)
    assert np.isfinite(drawn).all()

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from archc.diagnostics import BuildError, UsageError
from archc.ir.graph import Parameter
from archc.ir.initializers import Normal, Ones, Values, Zeros
from archc.weights import InitializedWeights, match

PARAMETERS = [
    Parameter("conv1.weight", (8, 3, 3, 3), Normal()),
    Parameter("bn1.weight", (8,), Ones()),
    Parameter("bn1.running_var", (8,), Ones(), buffer=True),
    Parameter("bn1.num_batches_tracked", (), Zeros(), dtype="int64", buffer=True),
    Parameter("fc.weight", (10, 8), Normal()),
]


def tensors(**replaced: np.ndarray | None) -> dict[str, np.ndarray]:
    """What fits PARAMETERS; keys are written with `__` for dots, and None leaves a tensor out."""
    fitting = dict(InitializedWeights(PARAMETERS, 0))
    fitting |= {key.replace("__", "."): array for key, array in replaced.items() if array is not None}
    return {key: array for key, array in fitting.items() if replaced.get(key.replace(".", "__"), array) is not None}


def problems(call: Callable[[], Any]) -> list[tuple[str, str, list[str]]]:
    with pytest.raises(BuildError) as caught:
        call()
    return [(p.code, p.message, [note.message for note in p.notes]) for p in caught.value.diagnostics]


def test_weights_that_fit_are_passed_on_under_the_parameters_order() -> None:
    given = tensors()
    matched = match(dict(reversed(given.items())), PARAMETERS)
    assert list(matched) == [parameter.path for parameter in PARAMETERS]
    for name, array in given.items():
        assert matched.shape(name) == array.shape
        np.testing.assert_array_equal(matched[name], array, strict=True)


def test_everything_that_does_not_fit_is_reported_at_once() -> None:
    given = tensors(
        conv1__weight=None,
        conv_1__weight=np.zeros((8, 3, 3, 3), np.float32),
        bn1__running_var=np.zeros(9, np.float32),
        bn1__weight=np.zeros(8, np.int64),
        fc__weight=None,
        aux__classifier=np.zeros((3, 3), np.float32),
    )
    assert problems(lambda: match(given, PARAMETERS)) == [
        (
            "missing-weights",
            "tensors missing from the weights: 2 of the network's 5",
            ["conv1.weight [8, 3, 3, 3] (there is conv_1.weight)", "fc.weight [10, 8]"],
        ),
        (
            "unexpected-weights",
            "tensors of the weights that the network does not have: 2",
            ["conv_1.weight [8, 3, 3, 3] (the network has conv1.weight)", "aux.classifier [3, 3]"],
        ),
        (
            "mismatched-shapes",
            "tensors of the weights with another shape than the network's: 1",
            ["bn1.running_var is [9], and the network's is [8]"],
        ),
        (
            "mismatched-dtypes",
            "tensors of the weights with another dtype than the network's: 1",
            ["bn1.weight is int64, and the network's is float32"],
        ),
    ]


def test_long_lists_end_in_a_count() -> None:
    parameters = [Parameter(f"layer{index}.weight", (1,), Zeros()) for index in range(15)]
    given = {f"other.{index:02}": np.zeros(2, np.float32) for index in range(12)}
    missing, unexpected = problems(lambda: match(given, parameters))
    assert missing[2] == [*(f"layer{index}.weight [1]" for index in range(10)), "and 5 more"]
    assert unexpected[2] == [*(f"other.{index:02} [2]" for index in range(10)), "and 2 more"]


def test_ignored_keys_that_the_network_does_not_have_may_be_left_over() -> None:
    given = tensors(aux1__weight=np.zeros(1), aux2__bias=np.zeros(1))
    assert match(given, PARAMETERS, ignore=["aux*"]).initialised == ()
    assert [code for code, _, _ in problems(lambda: match(given, PARAMETERS, ignore=["aux1*"]))] == [
        "unexpected-weights"
    ]


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("given", [np.ones((10, 8)), np.ones((1000, 8)), None], ids=["fits", "other shape", "absent"])
def test_a_parameter_whose_key_is_ignored_is_drawn_as_in_a_fresh_network(given: np.ndarray | None, seed: int) -> None:
    matched = match(tensors(fc__weight=given), PARAMETERS, ignore=["fc.*"], seed=seed)
    assert matched.initialised == ("fc.weight",)
    fresh = InitializedWeights(PARAMETERS, seed)
    np.testing.assert_array_equal(matched["fc.weight"], fresh["fc.weight"], strict=True)
    np.testing.assert_array_equal(matched["conv1.weight"], tensors()["conv1.weight"], strict=True)


def test_a_parameter_that_no_glob_matches_is_missing_although_others_are_ignored() -> None:
    given = tensors(fc__weight=None, conv1__weight=None)
    ((code, _, notes),) = problems(lambda: match(given, PARAMETERS, ignore=["fc.*"]))
    assert (code, notes) == ("missing-weights", ["conv1.weight [8, 3, 3, 3]"])


@pytest.mark.parametrize(
    ("glob", "help"),
    [
        ("fcc.*", "\n  = help: the nearest key is 'fc.weight'"),
        ("bn1.runing*", "\n  = help: the nearest key is 'bn1.running_var'"),
        ("head*", ""),
    ],
)
def test_a_glob_that_matches_nothing_is_refused_with_the_nearest_key(glob: str, help: str) -> None:
    with pytest.raises(UsageError) as caught:
        match(tensors(), PARAMETERS, ignore=["conv1.*", glob])
    assert str(caught.value) == (
        f"error[unused-glob]: nothing in the weights or in the network matches '{glob}', which is to be ignored{help}"
    )


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_a_prefix_of_training_that_every_key_has_is_removed(prefix: str) -> None:
    matched = match({prefix + key: array for key, array in tensors().items()}, PARAMETERS, ignore=["bn1.weigh?"])
    assert matched.initialised == ("bn1.weight",)
    np.testing.assert_array_equal(matched["fc.weight"], tensors()["fc.weight"], strict=True)


def test_a_network_may_have_the_prefix_itself() -> None:
    parameters = [Parameter("module.weight", (2,), Ones()), Parameter("module.bias", (2,), Zeros())]
    given = {"module.weight": np.full(2, 3, np.float32), "module.bias": np.full(2, 4, np.float32)}
    assert match(given, parameters)["module.bias"].tolist() == [4, 4]


@pytest.mark.parametrize(
    ("spell", "rename"),
    [
        ("backbone.{}", [("backbone.", "")]),
        ("model.encoder.{}", [("model.", ""), ("encoder.", "")]),
        ("{}_param", [(r"(.*)_param$", r"\1")]),
        ("x.{}.x", [(r"x\.(?P<name>.*)\.x$", r"\g<name>")]),
    ],
)
def test_prefixes_and_patterns_rename_the_files_keys(spell: str, rename: Sequence[tuple[str, str]]) -> None:
    given = {spell.format(key): array for key, array in tensors().items()}
    matched = match(given, PARAMETERS, rename=rename)
    np.testing.assert_array_equal(matched["fc.weight"], tensors()["fc.weight"])


def test_a_pattern_applies_to_the_beginning_of_a_key_only() -> None:
    given = {f"head.{key}" if key == "fc.weight" else key: array for key, array in tensors().items()}
    missing, unexpected = problems(lambda: match(given, PARAMETERS, rename=[("fc", "x")]))
    assert unexpected[2] == ["head.fc.weight [10, 8] (the network has fc.weight)"]
    assert missing[2] == ["fc.weight [10, 8] (there is head.fc.weight)"]


def test_a_renamed_key_that_does_not_fit_is_shown_with_both_names() -> None:
    given = tensors(old__weight=np.zeros(1, np.float32))
    ((_, _, notes),) = problems(lambda: match(given, PARAMETERS, rename=[("old", "new")]))
    assert notes == ["old.weight (renamed new.weight) [1]"]


def test_two_keys_of_one_name_are_refused() -> None:
    given = tensors() | {"ema.fc.weight": tensors()["fc.weight"]}
    assert problems(lambda: match(given, PARAMETERS, rename=[("ema.", "")])) == [
        (
            "ambiguous-weights",
            "rename gives tensors of the weights the same name",
            ["fc.weight and ema.fc.weight both become fc.weight"],
        )
    ]


@pytest.mark.parametrize("pair", [("(", ""), ("a(b)?", r"\2"), ("conv", r"\g<nothing>")])
def test_an_invalid_pattern_is_the_users_mistake(pair: tuple[str, str]) -> None:
    given = {"ab": np.zeros(1), **tensors()}
    with pytest.raises(UsageError, match=r"^error\[invalid-rename\]: a pattern of rename is not valid: "):
        match(given, PARAMETERS, rename=[pair])


def test_a_missing_batch_counter_is_zero() -> None:
    matched = match(tensors(bn1__num_batches_tracked=None), PARAMETERS)
    counter = matched["bn1.num_batches_tracked"]
    assert (counter.shape, counter.dtype, int(counter)) == ((), np.int64, 0)


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_other_precisions_are_converted_when_read(dtype: type[np.floating[Any]]) -> None:
    values = np.linspace(0, 1, 8).astype(dtype)
    matched = match(tensors(bn1__weight=values), PARAMETERS)
    np.testing.assert_array_equal(matched["bn1.weight"], values.astype(np.float32), strict=True)


def test_matching_reads_no_tensor() -> None:
    class Unreadable(InitializedWeights):
        def __getitem__(self, key: str) -> np.ndarray:
            raise AssertionError(f"{key} was read")

    matched = match(Unreadable(PARAMETERS, 0), PARAMETERS)
    assert "fc.weight" in matched
    with pytest.raises(AssertionError, match=r"fc\.weight was read"):
        matched["fc.weight"]


def test_thousands_of_foreign_keys_are_reported_quickly() -> None:
    parameters = [Parameter(f"layer{n // 50}.{n % 50}.conv.weight", (64, 64, 3, 3), Zeros()) for n in range(5000)]
    given = InitializedWeights(
        [Parameter(f"stages.{p.path}".replace("conv", "convolution"), p.shape, p.initializer) for p in parameters],
        0,
    )
    start = time.perf_counter()
    missing, unexpected = problems(lambda: match(given, parameters))
    # 0.2 s on a slow machine; comparing letters with every key takes minutes.
    assert time.perf_counter() - start < 5
    assert missing[2][7] == "layer0.7.conv.weight [64, 64, 3, 3] (there is stages.layer0.7.convolution.weight)"
    assert unexpected[2][10] == "and 4990 more"


INDEX = Parameter("index", (4,), Values(values=(2.0, 1.0, 0.0, 3.0)), "int64", buffer=True)
MASK = Parameter("mask", (2, 2), Values(values=(0.0, -100.0, -100.0, 0.1)), buffer=True)


def test_constants_that_the_spec_does_not_compute_are_refused_by_their_keys() -> None:
    given = {"index": np.array([2, 1, 3, 3]), "mask": np.array([[0, -100], [-100, 0.2]], np.float32)}
    assert problems(lambda: match(given, [INDEX, MASK])) == [
        (
            "mismatched-constants",
            "constants of the weights that are not those of the network: 2",
            ["index[2] is 3, and the spec's is 0", "mask[1, 1] is 0.2, and the spec's is 0.1"],
        )
    ]
    assert list(match(given, [INDEX, MASK], ignore=["index", "mask"])) == ["index", "mask"]


def test_constants_may_be_rounded_to_half_precision_and_left_out() -> None:
    rounded = {"mask": np.array([[0, -100], [-100, 0.1]], np.float16)}
    np.testing.assert_array_equal(match(rounded, [INDEX, MASK])["index"], [2, 1, 0, 3])

"""A `state_dict` from Python: each value is read as what it is, or refused with its key and the reason."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from archc.diagnostics import BuildError
from archc.ir.graph import Parameter
from archc.ir.initializers import Normal, Zeros
from archc.weights import Weights, match, open_weights
from archc.weights.state_dict import arrays, digest
from tests.weights.test_load import compressed, half_complex, jagged, meta, nested, packed, quantized, sparse

WEIGHT = Parameter("w", (3,), Normal())
COUNTER = Parameter("n", (), Zeros(), dtype="int64", buffer=True)
NUMBERS = [1.5, -0.25, 2.0]


class Subclass(torch.nn.Parameter):
    pass


class Stubborn(torch.Tensor):
    """A subclass that computes nothing, as some of distributed or quantised tensors."""

    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (torch.Tensor.new_empty, torch.Tensor.numpy):
            raise NotImplementedError(function.__name__)
        return super().__torch_function__(function, types, args, kwargs or {})


class Refuses:
    def __array__(self, *_: object, **__: object) -> Any:
        raise KeyError("no")


def tensor(dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor(NUMBERS).to(dtype)


def every_second(values: torch.Tensor) -> torch.Tensor:
    return torch.stack([values, values], 1).flatten()[::2]


READ: dict[str, Callable[[], object]] = {
    "float32": lambda: tensor(torch.float32),
    "float16": lambda: tensor(torch.float16),
    "bfloat16": lambda: tensor(torch.bfloat16),
    "float8": lambda: tensor(torch.float8_e4m3fn),
    "float64": lambda: tensor(torch.float64),
    "parameter": lambda: torch.nn.Parameter(tensor(torch.float32)),
    "a subclass": lambda: Subclass(tensor(torch.float32)),
    "with a gradient": lambda: tensor(torch.float64).requires_grad_() * 1,
    "narrow, with a gradient": lambda: tensor(torch.bfloat16).requires_grad_() * 1,
    "a view": lambda: every_second(tensor(torch.float32)),
    "negative view": lambda: torch.complex(torch.zeros(3), -tensor(torch.float32)).conj().imag,
    "array": lambda: np.array(NUMBERS, np.float32),
    "half array": lambda: np.array(NUMBERS, np.float16),
    "double array": lambda: np.array(NUMBERS),
    "longest array": lambda: np.array(NUMBERS, np.longdouble),
    "big-endian array": lambda: np.array(NUMBERS, ">f4"),
    "brain floats": lambda: np.array(NUMBERS, ml_dtypes.bfloat16),
    "eight bits": lambda: np.array(NUMBERS, ml_dtypes.float8_e5m2),
    "strided array": lambda: np.repeat(np.array(NUMBERS, np.float32), 2)[::2],
    "list": lambda: NUMBERS,
}


@pytest.mark.filterwarnings("ignore:.*CSR")
@pytest.mark.parametrize("name", READ)
def test_numbers_are_read_whatever_holds_them(name: str) -> None:
    read = match(arrays({"w": READ[name]()}), [WEIGHT])["w"]
    assert (read.dtype, read.flags.c_contiguous, read.flags.writeable) == (np.float32, True, True)
    np.testing.assert_array_equal(read, np.array(NUMBERS, np.float32), strict=True)


def test_what_is_read_shares_no_memory_and_has_its_rows_in_order() -> None:
    given = {"t": torch.ones(2, 3).T, "a": np.ones((2, 3), np.float32).T, "empty": torch.zeros(0, 3)}
    read = arrays(given)
    assert {key: value.shape for key, value in read.items()} == {"t": (3, 2), "a": (3, 2), "empty": (0, 3)}
    for key in ("t", "a"):
        assert read[key].flags.c_contiguous
        read[key][:] = 9
        np.testing.assert_array_equal(np.asarray(given[key]), np.ones((3, 2)))


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "meta": (meta, "without data, on the meta device"),
    "sparse": (sparse, "sparse_coo"),
    "compressed": (compressed, "sparse_csr"),
    "quantized": (quantized, "quantized"),
    "nested": (nested, "nested"),
    "jagged": (jagged, "nested"),
    "complex32": (half_complex, "complex32"),
    "bits": (packed, "bits8"),
    "lazy": (lambda: torch.nn.UninitializedParameter(), "without data, an uninitialized parameter"),
    "stubborn": (lambda: torch.ones(3).as_subclass(Stubborn), "Stubborn"),
    "masked": (lambda: np.ma.masked_array(NUMBERS, [True, False, False]), "masked"),
    "ragged": (lambda: [[1.0], [1.0, 2.0]], "no array can be made of it: ValueError"),
    "own words": (Refuses, "no array can be made of it: KeyError"),
}


@pytest.mark.filterwarnings("ignore")  # torch's, of what it calls experimental
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_plain_tensor_is_refused_by_its_key(name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(BuildError) as caught:
        arrays({"v": torch.ones(1), "w": make()})
    assert str(caught.value) == (
        f"error[unreadable-weights]: cannot read weights from the state_dict: these are not plain tensors: w ({reason})"
        "\n  = help: give them dense, as float32"
    )


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(BuildError, match=r"not plain tensors: 3 \(the key is of type int\)"):
        arrays({3: torch.ones(1)})  # type: ignore[dict-item]


OTHER_KINDS = {
    "bool": torch.tensor([True, False, True]),
    "complex64": torch.ones(3, dtype=torch.complex64),
    "int64": torch.ones(3, dtype=torch.int64),
    "uint64": np.ones(3, np.uint64),
    "object": np.array([1.0, None, 2.0]),
    "void32": np.zeros(3, [("a", "f4")]),
    "str96": np.array(["one", "two", "six"]),
    "datetime64[s]": np.zeros(3, "datetime64[s]"),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_another_kind_of_number_is_refused_by_its_name(kind: str) -> None:
    with pytest.raises(BuildError) as caught:
        match(arrays({"w": OTHER_KINDS[kind]}), [WEIGHT])
    (problem,) = caught.value.diagnostics
    assert problem.code == "mismatched-dtypes"
    assert [note.message for note in problem.notes] == [f"w is {kind}, and the network's is float32"]


@pytest.mark.parametrize("count", [np.uint64(2**63), np.float32(1), True, None])
def test_a_counter_takes_whole_numbers_alone(count: object) -> None:
    with pytest.raises(BuildError, match="and the network's is int64"):
        match(arrays({"n": count}), [COUNTER])


def stored(tmp_path: Path, form: str) -> dict[str, Any] | Any:
    """A number beyond float32, from Python or from a file."""
    values = np.array([1.0, -1e300, np.inf])
    if form == "array":
        return arrays({"w": values})
    if form == "tensor":
        return arrays({"w": torch.from_numpy(values)})
    path = tmp_path / f"weights{form}"
    if form == ".pt":
        torch.save({"w": torch.from_numpy(values)}, path)
    else:
        safetensors.numpy.save_file({"w": values}, path)
    return open_weights(path)


@pytest.mark.parametrize("form", ["array", "tensor", ".pt", ".safetensors"])
def test_a_number_beyond_float32_is_refused_and_infinity_is_not(form: str, tmp_path: Path) -> None:
    matched = match(stored(tmp_path, form), [WEIGHT])
    with pytest.raises(BuildError, match=r"w of .* holds -1e\+300, which is beyond the range of float32") as caught:
        matched["w"]
    assert [problem.code for problem in caught.value.diagnostics] == ["mismatched-dtypes"]
    unbounded = match({"w": np.array([np.inf, -np.inf, np.nan])}, [WEIGHT])["w"]
    np.testing.assert_array_equal(unbounded, np.array([np.inf, -np.inf, np.nan], np.float32), strict=True)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "C64"])
def test_a_dtype_of_safetensors_that_is_not_read_is_named_with_its_key(dtype: str, tmp_path: Path) -> None:
    header = f'{{"w":{{"dtype":"{dtype}","shape":[3],"data_offsets":[0,3]}}}}'.encode()
    path = tmp_path / "weights.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(3))
    with pytest.raises(BuildError, match=f"'w' has the dtype '{dtype}', which archc cannot read"):
        open_weights(path)


@pytest.mark.parametrize("dtype", ["F64", "F16", "BF16"])
def test_floats_of_any_width_are_read_from_safetensors(dtype: str, tmp_path: Path) -> None:
    width = {"F64": torch.float64, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"w": tensor(width)}, path)
    np.testing.assert_array_equal(match(open_weights(path), [WEIGHT])["w"], np.array(NUMBERS, np.float32), strict=True)


@pytest.mark.parametrize("dtype", ["I8", "BOOL", "U64"])
def test_whole_numbers_of_safetensors_are_no_weights(dtype: str, tmp_path: Path) -> None:
    width = {"I8": np.int8, "BOOL": np.bool_, "U64": np.uint64}[dtype]
    path = tmp_path / "weights.safetensors"
    safetensors.numpy.save_file({"w": np.ones(3, width)}, path)
    with pytest.raises(BuildError, match="and the network's is float32"):
        match(open_weights(path), [WEIGHT])


def test_a_digest_tells_values_shapes_dtypes_and_keys_apart_and_no_order() -> None:
    one = {"a": np.ones(4, np.float32), "b": np.zeros(2, np.float32)}
    others: list[Weights] = [
        {**one, "a": np.ones((2, 2), np.float32)},
        {**one, "a": np.ones(4, np.float64)},
        {**one, "b": np.full(2, -0.0, np.float32)},
        {"c": one["a"], "b": one["b"]},
    ]
    assert digest(one) == digest(dict(reversed(one.items())))
    assert len({digest(weights) for weights in [one, *others]}) == 5

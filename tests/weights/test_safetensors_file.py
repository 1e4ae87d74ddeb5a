import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from safetensors import safe_open

from archc.diagnostics import BuildError
from archc.weights import SafetensorsFile, read_all, write_safetensors

TENSORS: dict[str, np.ndarray] = {
    "layer1.0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "bn.num_batches_tracked": np.array(7, np.int64),
    "bn.bias": np.array([-1.5, 2.5], np.float32),
    "a": np.array([1.0, 1e300]),
    "mask": np.array([True, False, True]),
    "half": np.array([0.5, 65504.0], np.float16),
    "bytes": np.arange(5, dtype=np.uint8),
    "empty": np.zeros((0, 3), np.float32),
    "größe": np.array([3], np.int32),
}


def write(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    with path.open("wb") as file:
        write_safetensors(file, tensors)
    return path


def with_header(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def tensor(shape: list[Any], begin: int, end: int, dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_the_written_bytes_are_those_of_the_library() -> None:
    file = io.BytesIO()
    write_safetensors(file, TENSORS)
    assert file.getvalue() == safetensors.numpy.save(TENSORS, metadata={"format": "pt"})


def test_the_order_of_the_mapping_does_not_matter() -> None:
    files = io.BytesIO(), io.BytesIO()
    write_safetensors(files[0], TENSORS)
    write_safetensors(files[1], dict(reversed(TENSORS.items())))
    assert files[0].getvalue() == files[1].getvalue()


def test_the_library_loads_what_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", TENSORS)
    loaded = safetensors.numpy.load_file(path)
    assert loaded.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(loaded[name], array, strict=True)
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt"}
        assert file.get_tensor("bn.num_batches_tracked") == torch.tensor(7)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    weights = SafetensorsFile(write(tmp_path / "w.safetensors", TENSORS))
    assert sorted(weights) == sorted(TENSORS)
    assert len(weights) == len(TENSORS)
    for name, array in TENSORS.items():
        assert (weights.shape(name), weights.dtype(name)) == (array.shape, array.dtype)
        np.testing.assert_array_equal(weights[name], array, strict=True)
        assert weights[name].flags.writeable


def test_a_transposed_array_is_written_in_its_logical_order(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert safetensors.numpy.load_file(write(tmp_path / "w.safetensors", {"t": array}))["t"].tolist() == array.tolist()


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    values = torch.tensor([[1.0, -2.5], [3.14159, float("inf")], [1e-40, -0.0]]).bfloat16()
    safetensors.torch.save_file({"w": values}, tmp_path / "w.safetensors")
    weights = SafetensorsFile(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(weights["w"], values.float().numpy(), strict=True)
    assert weights.dtype("w") == np.float32


def test_an_open_file_outlives_its_replacement(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", {"w": np.zeros(4, np.float32)})
    weights = SafetensorsFile(path)
    write(tmp_path / "new", {"w": np.ones(4, np.float32)}).replace(path)
    assert weights["w"].tolist() == [0, 0, 0, 0]


def test_shapes_are_known_without_the_data(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    with_header(path, {"w": tensor([2**20, 2**10], 0, 2**32)})
    header = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(header + 2**32)  # sparse
    weights = SafetensorsFile(path)
    assert weights.shape("w") == (2**20, 2**10)
    assert "w" in weights
    assert "v" not in weights


def test_a_file_that_shrinks_while_open_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", {"w": np.zeros(1000, np.float32)})
    weights = SafetensorsFile(path)
    with path.open("r+b") as file:
        file.truncate(500)
    with pytest.raises(BuildError, match="it was truncated while it was being read"):
        weights["w"]


def test_arrays_share_no_bytes_and_are_aligned(tmp_path: Path) -> None:
    tensors = {f"{size}": np.full(size, size % 251, np.uint8) for size in (*range(200), 60_000, 70_000)}
    weights = SafetensorsFile(write(tmp_path / "w.safetensors", tensors))
    arrays = read_all(weights, threads=3)
    assert list(arrays) == list(weights)
    for array in arrays.values():
        assert array.flags.writeable
        array += 1
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, tensors[name] + 1, strict=True)
        assert (array.ctypes.data - owner(array).ctypes.data) % 64 == 0


def owner(array: np.ndarray) -> np.ndarray:
    return array if array.base is None else array.base


def test_small_arrays_share_a_block_and_large_ones_have_memory_of_their_own(tmp_path: Path) -> None:
    sizes = {"large": 9 << 20, "a": 1 << 20, "b": 3 << 20, "medium": 7 << 20, "c": 6 << 20}
    tensors = {name: np.zeros(size, np.uint8) for name, size in sizes.items()}
    weights = SafetensorsFile(write(tmp_path / "w.safetensors", tensors))
    blocks = {name: owner(weights[name]) for name in sizes}
    assert {name: block.nbytes >> 20 for name, block in blocks.items()} == {
        "large": 9,
        "a": 16,
        "b": 16,
        "medium": 16,
        "c": 16,
    }
    assert blocks["a"] is blocks["b"] is blocks["medium"] is not blocks["c"]


def test_a_block_is_no_larger_than_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", {name: np.zeros(100, np.uint8) for name in "abc"})
    assert owner(SafetensorsFile(path)["a"]).nbytes == path.stat().st_size


ONE = tensor([1], 0, 4)
REFUSED: dict[str, tuple[object, bytes, str]] = {
    "overlap": ({"a": ONE, "b": tensor([2], 0, 8)}, bytes(8), "the data of 'b' overlap another tensor's"),
    "gap": ({"a": ONE, "b": tensor([1], 8, 12)}, bytes(12), "there is a gap before the data of 'b'"),
    "begins late": ({"a": tensor([1], 4, 8)}, bytes(8), "there is a gap before the data of 'a'"),
    "beyond the end": (
        {"a": tensor([2], 0, 8)},
        bytes(4),
        "its tensors take 8 bytes, and 4 follow the header",
    ),
    "rest": ({"a": ONE}, bytes(5), "its tensors take 4 bytes, and 5 follow the header"),
    "size": ({"a": tensor([3], 0, 8)}, bytes(8), "'a' takes 8 bytes, and its shape needs 12"),
    "backwards": ({"a": tensor([1], 4, 0)}, bytes(4), "'a' takes -4 bytes, and its shape needs 4"),
    "negative size": ({"a": tensor([-1], 0, 4)}, bytes(4), "'a' has the shape [-1]"),
    "enormous size": ({"a": tensor([2**70, 0], 0, 0)}, b"", f"'a' has the shape [{2**70}, 0]"),
    "negative offset": ({"a": tensor([1], -4, 0)}, b"", "'a' has the data_offsets [-4, 0]"),
    "boolean size": ({"a": tensor([True], 0, 4)}, bytes(4), "'a' has the shape [True]"),
    "float offset": ({"a": ONE | {"data_offsets": [0, 4.0]}}, bytes(4), "'a' has the data_offsets [0, 4.0]"),
    "three offsets": (
        {"a": ONE | {"data_offsets": [0, 4, 4]}},
        bytes(4),
        "'a' has the data_offsets [0, 4, 4]",
    ),
    "dtype": ({"a": ONE | {"dtype": "F4"}}, bytes(4), "'a' has the dtype 'F4', which archc cannot read"),
    "list as dtype": ({"a": ONE | {"dtype": []}}, bytes(4), "'a' has the dtype [], which archc cannot read"),
    "fields": ({"a": ONE | {"x": 1}}, bytes(4), "'a' is not described by dtype, shape and data_offsets"),
    "entry": ({"a": 3}, b"", "'a' is not described by dtype, shape and data_offsets"),
    "list": ([], b"", "its header is not a JSON object"),
    "metadata": ({"__metadata__": {"a": 1}}, b"", "its __metadata__ does not map strings to strings"),
    "duplicate": (b'{"a": 1, "a": 2}', b"", "its header has a key twice"),
    "NaN": (b'{"a": NaN}', b"", "its header is not JSON: NaN"),
    "half a surrogate": (b'{"\\ud800": {}}', b"", "the name '\\ud800' is not valid Unicode"),
    "ndim": ({"a": tensor([1] * 33, 0, 4)}, bytes(4), "'a' has the shape [1, 1, 1, 1, 1, 1, 1, 1, ...]"),
    "long name": (
        {"a" * 10**6: 3},
        b"",
        f"'{'a' * 97}...{'a' * 98}' is not described by dtype, shape and data_offsets",
    ),
    "nested shape": (
        b'{"a": {"dtype": "F32", "data_offsets": [0, 4], "shape": ' + b"[" * 700 + b"]" * 700 + b"}}",
        bytes(4),
        "'a' has the shape [[[[[[[...]]]]]]]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_header_that_breaks_the_format_is_refused(case: str, tmp_path: Path) -> None:
    header, data, reason = REFUSED[case]
    path = with_header(tmp_path / "w.safetensors", header, data)
    with pytest.raises(BuildError) as caught:
        SafetensorsFile(path)
    (problem,) = caught.value.diagnostics
    assert problem.code == "unreadable-weights"
    assert problem.message == f"cannot read weights from {path}: it is not a valid safetensors file: {reason}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has 0 bytes"),
        ((2**63).to_bytes(8, "little") + b"{}", f"its header claims {2**63} bytes, and 2 are possible"),
        ((3).to_bytes(8, "little") + b"{}", "its header claims 3 bytes, and 2 are possible"),
        (
            (2).to_bytes(8, "little") + b"\xff\xff",
            "its header is not JSON: 'utf-8' codec can't decode byte 0xff",
        ),
        (
            (200_000).to_bytes(8, "little") + b"[" * 200_000,
            "its header is not JSON: maximum recursion depth exceeded",
        ),
        (
            (6006).to_bytes(8, "little") + b'{"a":' + b"9" * 6000 + b"}",
            "its header has an integer of thousands of digits",
        ),
    ],
)
def test_bytes_that_are_no_header_are_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(BuildError) as caught:
        SafetensorsFile(path)
    prefix = f"cannot read weights from {path}: it is not a valid safetensors file: {reason}"
    assert caught.value.diagnostics[0].message.startswith(prefix)

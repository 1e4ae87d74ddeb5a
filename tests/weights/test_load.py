"""Opening files of weights: what is accepted, and what each refusal says."""

import os
import pickle
import socket
import time
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from archc.diagnostics import BuildError
from archc.weights import archive, checkpoint, open_weights

STATE: dict[str, torch.Tensor] = {
    "conv.weight": torch.arange(12.0).reshape(3, 4),
    "bn.num_batches_tracked": torch.tensor(5),
}


def refusal(path: Path) -> str:
    with pytest.raises(BuildError) as caught:
        open_weights(path)
    (problem,) = caught.value.diagnostics
    assert problem.code == "unreadable-weights"
    return problem.message.replace(str(path), "FILE")


def assert_is_state(path: Path) -> None:
    weights = open_weights(path)
    assert sorted(weights) == sorted(STATE)
    for name, tensor in STATE.items():
        assert (weights.shape(name), weights.dtype(name)) == (tuple(tensor.shape), tensor.numpy().dtype)
        np.testing.assert_array_equal(weights[name], tensor.numpy(), strict=True)


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        OrderedDict(STATE),
        {"state_dict": STATE, "epoch": 3},
        {"model": STATE, "optimizer": {"lr": 0.1}},
        {"model_state_dict": STATE},
        {"state_dict_ema": STATE},
        {f"module.{key}": tensor for key, tensor in STATE.items()},
        {f"_orig_mod.{key}": tensor for key, tensor in STATE.items()},
        {f"_orig_mod.module.{key}": tensor for key, tensor in STATE.items()},
        {f"module._orig_mod.{key}": tensor for key, tensor in STATE.items()},
        {key: torch.nn.Parameter(tensor, requires_grad=False) for key, tensor in STATE.items()},
    ],
)
def test_checkpoints_are_read_however_they_are_nested(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pth")
    assert_is_state(tmp_path / "w.pth")


def test_checkpoints_older_than_the_zip_format_are_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt", _use_new_zipfile_serialization=False)
    assert_is_state(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w"])
def test_the_content_decides_what_a_file_is(name: str, tmp_path: Path) -> None:
    safetensors.torch.save_file(STATE, tmp_path / name)
    assert_is_state(tmp_path / name)
    torch.save(STATE, tmp_path / "checkpoint")
    assert_is_state(tmp_path / "checkpoint")


def test_a_prefix_that_only_some_keys_have_stays(tmp_path: Path) -> None:
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "w.pt")
    assert list(open_weights(tmp_path / "w.pt")) == ["module.a", "b"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_narrow_floats_are_read_as_float32(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = torch.tensor([1.5, -0.25]).to(dtype)
    torch.save({"w": tensor}, tmp_path / "w.pt")
    weights = open_weights(tmp_path / "w.pt")
    assert weights.dtype("w") == np.float32
    np.testing.assert_array_equal(weights["w"], np.array([1.5, -0.25], np.float32), strict=True)


def test_arrays_share_no_memory_with_each_other(tmp_path: Path) -> None:
    shared = torch.ones(2, 3)
    torch.save({"a": shared, "b": shared, "c": shared.T}, tmp_path / "w.pt")
    weights = open_weights(tmp_path / "w.pt")
    first = weights["a"]
    first[:] = 9
    for name in "abc":
        assert (weights[name] == 1).all()
    assert weights["c"].shape == (3, 2)


class Payload:
    def __init__(self, function: Callable[..., Any], argument: object) -> None:
        self.reduced = function, (argument,)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def touching(mark: Path) -> list[Payload]:
    """Payloads that make a file, each by a function that torch refuses with words of its own."""
    return [
        Payload(Path.touch, mark),
        Payload(os.system, f"touch '{mark}'"),
        Payload(eval, f"open({str(mark)!r}, 'w').close()"),
    ]


HOLDS_CODE = (
    "cannot read weights from FILE: it holds more than tensors and plain containers, "
    "which could run code when it is loaded"
)
NEW_PROTOCOL = (
    "cannot read weights from FILE: it is written in pickle's protocol 4 or 5, "
    "which PyTorch reads only in a way that could run code"
)


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("which", range(3))
def test_a_checkpoint_with_code_is_refused_and_the_code_does_not_run(
    which: int, new_format: bool, tmp_path: Path
) -> None:
    mark, path = tmp_path / "it ran", tmp_path / "w.pt"
    content = {"w": torch.ones(1), "x": touching(mark)[which]}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    assert refusal(path) == HOLDS_CODE
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the payload works"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("which", range(3))
def test_a_plain_pickle_with_code_is_refused_and_the_code_does_not_run(
    which: int, protocol: int, tmp_path: Path
) -> None:
    mark, path = tmp_path / "it ran", tmp_path / "w.pt"
    path.write_bytes(pickle.dumps(touching(mark)[which], protocol))
    assert refusal(path) == (NEW_PROTOCOL if protocol >= 4 else HOLDS_CODE)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the payload works"


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    assert "it holds more than tensors and plain containers" in refusal(tmp_path / "w.pt")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_archive_is_named(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(1)), str(tmp_path / "w.pt"))
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        message = refusal(tmp_path / "w.pt")
    assert message == "cannot read weights from FILE: it is a TorchScript archive, not a checkpoint"
    assert leaked == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([torch.ones(1)], "it holds a list, not a state_dict"),
        ({}, "it holds no state_dict"),
        ({"epoch": 3, "w": torch.ones(1)}, "it holds no state_dict: not tensors are epoch"),
    ],
)
def test_a_checkpoint_without_weights_says_what_it_holds(content: Any, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    assert refusal(tmp_path / "w.pt") == f"cannot read weights from FILE: {reason}"


def meta() -> torch.Tensor:
    return torch.empty(3, device="meta")


def sparse() -> torch.Tensor:
    return torch.eye(3).to_sparse()


def compressed() -> torch.Tensor:
    return torch.eye(3).to_sparse_csr()


def quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)


def nested() -> torch.Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def jagged() -> torch.Tensor:
    return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)


def half_complex() -> torch.Tensor:
    return torch.empty(3, dtype=torch.complex32)


def packed() -> torch.Tensor:
    return torch.empty(3, dtype=torch.bits8)


@pytest.mark.filterwarnings("ignore")  # torch's, of what it calls experimental
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (meta, "without data, on the meta device"),
        (sparse, "sparse_coo"),
        (compressed, "sparse_csr"),
        (quantized, "quantized"),
        (nested, "nested"),
        (jagged, "nested"),
        (half_complex, "complex32"),
        (packed, "bits8"),
    ],
)
def test_tensors_that_are_no_arrays_are_refused_in_words(
    make: Callable[[], torch.Tensor], what: str, tmp_path: Path
) -> None:
    torch.save({"v": torch.ones(1), "w": make()}, tmp_path / "w.pt")
    with warnings.catch_warnings(record=True) as leaked:
        warnings.simplefilter("always")
        message = refusal(tmp_path / "w.pt")
    assert message == f"cannot read weights from FILE: these are not plain tensors: w ({what})"
    assert leaked == []


@pytest.mark.parametrize(
    "tensor",
    [
        torch.nn.Parameter(torch.ones(3)),
        torch.arange(12.0).reshape(3, 4).T[::2],
        torch.ones(1).expand(5),
        torch.zeros(0, 3),
        torch.tensor([True, False]),
        torch.tensor([1, 2], dtype=torch.uint16),
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([1 + 2j]).conj().imag,  # with the negative bit
    ],
)
def test_unusual_tensors_are_read_as_what_they_are(tensor: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"w": tensor}, tmp_path / "w.pt")
    weights = open_weights(tmp_path / "w.pt")
    expected = tensor.numpy(force=True)
    assert (weights.shape("w"), weights.dtype("w")) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(weights["w"], expected, strict=True)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and devices among the files")
def test_what_is_no_file_is_refused_without_being_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    os.mkfifo("pipe.pt")
    Path("zero.safetensors").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("ear.pt")
        told = {name: refusal(Path(name)) for name in ("pipe.pt", "zero.safetensors", "ear.pt")}
    assert told == {
        "pipe.pt": "cannot read weights from FILE: it is a pipe",
        "zero.safetensors": "cannot read weights from FILE: it is a device",
        "ear.pt": "cannot read weights from FILE: it is a socket",
    }


def test_missing_files_directories_and_other_formats_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello, these are no weights")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 and nothing more")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("a", "b")
    damaged = "cannot read weights from FILE: it is not a PyTorch checkpoint, or it is damaged"
    assert {name: refusal(tmp_path / name) for name in ("missing.pt", ".", "text.txt", "broken.pt", "zip.pt")} == {
        "missing.pt": "cannot read weights from FILE: No such file or directory",
        ".": "cannot read weights from FILE: it is a directory",
        "text.txt": "cannot read weights from FILE: "
        "it is neither a safetensors file nor a PyTorch checkpoint (.pt, .pth)",
        "broken.pt": f"{damaged} (BadZipFile)",
        "zip.pt": f"{damaged} (RuntimeError)",
    }


def rezipped(source: Path, target: Path, change: Callable[[str, bytes], bytes]) -> None:
    """The same archive, compressed, after a change of its records."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def test_a_compressed_checkpoint_that_inflates_to_a_long_pickle_is_refused_at_once(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt")
    bomb = b"\x80\x02]" + b"Na" * (32 << 20) + b"."  # a list of so many times None
    rezipped(tmp_path / "w.pt", tmp_path / "bomb.pt", lambda name, data: bomb if name.endswith("data.pkl") else data)
    begun = time.process_time()
    assert refusal(tmp_path / "bomb.pt").endswith("data.pkl has more than 8,388,608 bytes")
    assert time.process_time() - begun < 1


def test_a_checkpoint_whose_tensors_inflate_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(17 << 20)}, tmp_path / "w.pt")
    rezipped(tmp_path / "w.pt", tmp_path / "bomb.pt", lambda name, data: data)
    assert refusal(tmp_path / "bomb.pt").endswith("its records inflate to more than 67,108,864 bytes")


@pytest.mark.parametrize("zipped", [True, False], ids=["archive", "of before PyTorch 1.6"])
def test_the_steps_of_a_pickle_are_bounded(zipped: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_PICKLE_BYTES", 10_000)
    monkeypatch.setattr(checkpoint, "MOST_PICKLE_BYTES", 10_000)
    torch.save(STATE, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    assert len(open_weights(tmp_path / "w.pt")) == len(STATE)
    torch.save({**STATE, "losses": [0.5] * 10_000}, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    told = refusal(tmp_path / "w.pt")
    assert told.endswith("data.pkl has more than 10,000 bytes" if zipped else "pickles take more than 10,000 steps")


def test_records_that_overlap_are_refused(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt", "a") as file:
        for number in range(10_000):
            file.filelist.append(copy(file.filelist[0]))  # which all begin at the same place
            file.filelist[-1].filename = f"w/data/{number + 2}"
        file._didModify = True  # type: ignore[attr-defined]
    assert refusal(tmp_path / "w.pt").endswith("its records overlap")


def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt", "a") as file:
        file.writestr("w/DATA.pkl", b"N.")
    assert refusal(tmp_path / "w.pt").endswith("it has two records w/DATA.pkl")


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])
    assert "it is not a PyTorch checkpoint, or it is damaged" in refusal(path)

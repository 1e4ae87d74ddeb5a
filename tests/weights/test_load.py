"""Opening files of weights: what is accepted, and what each refusal says."""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from archc.diagnostics import BuildError
from archc.weights import open_weights

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
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_checkpoint_with_code_is_refused_and_the_code_does_not_run(new_format: bool, tmp_path: Path) -> None:
    mark, path = tmp_path / "it ran", tmp_path / "w.pt"
    torch.save({"w": torch.ones(1), "x": Payload(mark)}, path, _use_new_zipfile_serialization=new_format)
    assert refusal(path) == (
        "cannot read weights from FILE: it holds more than tensors and plain containers, "
        "which could run code when it is loaded"
    )
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the payload works"


def test_a_plain_pickle_with_code_is_refused_and_the_code_does_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "it ran", tmp_path / "w.pt"
    path.write_bytes(pickle.dumps(Payload(mark)))
    assert refusal(path).startswith("cannot read weights from FILE: it ")
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "the payload works"


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "w.pt")
    assert "it holds more than tensors and plain containers" in refusal(tmp_path / "w.pt")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_archive_is_named(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.ones(1)), str(tmp_path / "w.pt"))
    assert refusal(tmp_path / "w.pt") == "cannot read weights from FILE: it is a TorchScript archive, not a checkpoint"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ([torch.ones(1)], "it holds a list, not a state_dict"),
        ({}, "it holds no state_dict"),
        ({"epoch": 3, "w": torch.ones(1)}, "it holds no state_dict: not plain tensors are epoch"),
        ({"w": torch.eye(3).to_sparse()}, "it holds no state_dict: not plain tensors are w"),
    ],
)
def test_a_checkpoint_without_weights_says_what_it_holds(content: Any, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    assert refusal(tmp_path / "w.pt") == f"cannot read weights from FILE: {reason}"


def test_missing_files_directories_and_other_formats_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello, these are no weights")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04 and nothing more")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("a", "b")
    damaged = "cannot read weights from FILE: it is not a PyTorch checkpoint, or it is damaged (RuntimeError)"
    assert {name: refusal(tmp_path / name) for name in ("missing.pt", ".", "text.txt", "broken.pt", "zip.pt")} == {
        "missing.pt": "cannot read weights from FILE: No such file or directory",
        ".": "cannot read weights from FILE: it is a directory",
        "text.txt": "cannot read weights from FILE: "
        "it is neither a safetensors file nor a PyTorch checkpoint (.pt, .pth)",
        "broken.pt": damaged,
        "zip.pt": damaged,
    }


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-200])
    assert "it is not a PyTorch checkpoint, or it is damaged" in refusal(path)

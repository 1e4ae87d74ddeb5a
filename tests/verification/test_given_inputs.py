"""`archc verify --images` compares on the user's own inputs as well, and says what does not fit."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archc.cli import run
from archc.diagnostics import UsageError
from archc.verification.given import given_samples
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import DYNAMIC, RESIDUAL, compiled


def network(spec: str = RESIDUAL) -> Network:
    graph = compiled(spec)
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_an_archive_holds_an_array_for_the_input(tmp_path: Path) -> None:
    x = noise(11, 3, 32, 32)
    np.savez(tmp_path / "mine.npz", anything=x)
    (sample,) = given_samples(tmp_path / "mine.npz", network())
    assert np.array_equal(sample.inputs[0], x)
    assert [len(part) for part in sample.parts(every=True)] == [8, 8]  # all of them, eight at a time
    assert set(np.concatenate(sample.parts(every=True)).tolist()) == set(range(11))
    assert sample.where == " on mine.npz 32x32"


def test_a_folder_holds_arrays_and_pictures_of_several_sizes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noise(3, 24, 32))
    np.save(tmp_path / "b.npy", noise(3, 40, 20))
    pixels = np.arange(3 * 48 * 64, dtype=np.uint8).reshape(48, 64, 3)
    Image.fromarray(pixels).save(tmp_path / "c.png")
    (tmp_path / "notes.txt").write_text("not an image")
    usual, other = given_samples(tmp_path, network(DYNAMIC))
    assert (usual.kinds, usual.inputs[0].shape) == (("a.npy", "c.png"), (2, 3, 24, 32))
    assert (other.kinds, other.inputs[0].shape) == (("b.npy",), (1, 3, 40, 20))
    picture = usual.inputs[0][1]
    assert (picture.dtype, picture.min() >= 0, picture.max() <= 1) == (np.float32, True, True)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (noise(2, 3, 32, 33), "has the shape [2, 3, 32, 33], and the network takes [batch, 3, 32, 32]"),
        (noise(3, 32, 32), "has the shape [3, 32, 32], and the network takes [batch, 3, 32, 32]"),
        (np.zeros((1, 3, 32, 32), np.uint8), "is of type uint8; the network takes numbers as they are after"),
        (np.zeros((0, 3, 32, 32), np.float32), "holds no images"),
    ],
    ids=["size", "rank", "type", "none"],
)
def test_what_does_not_fit_is_refused_in_words(array: np.ndarray, told: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", array)
    with pytest.raises(UsageError) as caught:
        given_samples(tmp_path / "mine.npz", network())
    assert told in str(caught.value)


def test_an_array_of_objects_is_refused_without_running_it(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", np.array([Path("x")], dtype=object))
    with pytest.raises(UsageError, match="cannot be read as"):
        given_samples(tmp_path / "mine.npz", network())


@pytest.mark.skipif(os.name != "posix", reason="needs pipes among the files")
def test_a_picture_is_refused_where_the_network_takes_no_images(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    signals = network("name: net\ninput: {channels: 3, length: 8}\nlayers: [relu]\n")
    with pytest.raises(UsageError, match=r"a\.png is a picture, and the network takes float32\[batch, 3, 8\]"):
        given_samples(tmp_path, signals)


@pytest.mark.parametrize("name", ["a.npz", "a.npy", "a.png"])
def test_a_pipe_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match="it is a pipe"):
        given_samples(tmp_path / name if name.endswith(".npz") else tmp_path, network())


def test_given_inputs_have_rows_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text(RESIDUAL)
    np.savez(tmp_path / "mine.npz", noise(3, 3, 32, 32))
    build = str(tmp_path / "build")
    assert run(["export", str(tmp_path / "small.yaml"), "--onnx", "--no-verify", "-o", build]) == 0
    assert run(["verify", f"{build}/small.onnx", "--images", str(tmp_path / "mine.npz")]) == 0
    assert capsys.readouterr().out.count("output on mine.npz 32x32") == 2

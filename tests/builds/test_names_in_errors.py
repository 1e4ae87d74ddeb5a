"""What is wrong with an artefact that is still under its temporary name is told under its real one."""

import errno
import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import onnx
import onnxruntime
import pytest
from google.protobuf.message import DecodeError

from archc.builds.delivery import deliver
from archc.diagnostics import ArchcError, ExportError
from archc.exporting import exporters
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]
writer = importlib.import_module("archc.exporters.onnx.emission")


def network(*, fresh: bool = True) -> Network:
    graph = compiled(RESIDUAL)
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=fresh)


def refused(folder: Path, exporter: Any = ONNX, **options: bool) -> str:
    """What is told of an artefact that is not delivered."""
    path = folder / f"small{exporter.suffix}"
    with pytest.raises(ArchcError) as caught:
        deliver(network(fresh=False), exporter, path, exporter.asked(**options))
    assert list(folder.iterdir()) == []
    return caught.value.diagnostics[0].message


def raising(error: Callable[[str], Exception]) -> Callable[..., Any]:
    """A function that refuses the file that it is given first, by its name."""

    def refuse(path: object, *args: object, **options: object) -> None:
        raise error(str(path))

    return refuse


def test_a_file_that_is_too_large_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "load_model_from_string", raising(lambda data: DecodeError("Error parsing message")))
    told = f"{tmp_path}/small.onnx cannot be read as an ONNX file: Error parsing message"
    assert refused(tmp_path) == told


def test_a_session_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", raising(lambda path: RuntimeError(f"Load model from {path}")))
    reason = "cannot be run on images [3, 32, 32]: ONNX Runtime refuses small.onnx: Load model from small.onnx"
    assert refused(tmp_path).startswith(
        f"{tmp_path}/small.onnx is not delivered: ONNX Runtime, not optimised, output: {reason}"
    )


def test_a_companion_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*args: Any, **options: Any) -> None:
        ONNX.write(*args, **options)
        next(tmp_path.glob("*.weights")).unlink()

    told = refused(tmp_path, replace(ONNX, write=write), external_data=True)
    assert told.startswith(f"{tmp_path}/small.onnx has its weights in 'small-")
    assert told.endswith(".weights', which cannot be read: No such file or directory")


@pytest.mark.parametrize("name", ["torchscript", "pt2"])
def test_an_archive_of_pytorch_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    def write(network: Network, file: BinaryIO, options: object, companions: object = None) -> None:
        file.write(b"nothing")

    exporter = exporters()[name]
    assert refused(tmp_path, replace(exporter, write=write)).startswith(
        f"{tmp_path}/small{exporter.suffix} cannot be read as"
    )


def test_a_companion_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(initializers: object, weights: object, file: BinaryIO) -> None:
        monkeypatch.setattr("os.fsync", no_space)
        file.write(bytes(10))

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "write_external_data", full)
    assert refused(tmp_path, external_data=True) == f"cannot write {tmp_path}/small-….weights: No space left on device"


def test_an_exporter_of_another_package_may_name_the_file_as_it_likes(tmp_path: Path) -> None:
    def refuse(path: Path, options: object = None) -> Any:
        raise ExportError(f"{path} is odd", code="unreadable", help=f"look at {path.name}")

    assert refused(tmp_path, replace(ONNX, open=refuse)) == f"{tmp_path}/small.onnx is odd"

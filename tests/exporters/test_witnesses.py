"""A witness that does not take a file says so in a row or in words."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from archc.diagnostics import ExportError, MissingDependency
from archc.exporting import exporters
from archc.verification import Report, Verdict
from archc.verification.check import Verifier
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import RESIDUAL, compiled

ONNX = exporters()["onnx"]
witnesses = importlib.import_module("archc.exporters.onnx.witnesses")
engines = importlib.import_module("archc.exporters.onnx.engines")


def verified(folder: Path, witness: str) -> Report:
    graph = compiled(RESIDUAL)
    network = Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)
    path = folder / "small.onnx"
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked())
    return Verifier(network).verify(path.name, ONNX.open(path), [witness])


def raising(error: Exception) -> Callable[[Path], None]:
    def refuse(path: Path) -> None:
        raise error

    return refuse


@pytest.mark.parametrize("error", [NotImplementedError("Op of no kind"), RuntimeError("no such layer"), KeyError("x")])
@pytest.mark.parametrize("witness", ["onnx-reference", "openvino"])
def test_a_witness_that_refuses_has_failed_rows(
    witness: str, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines.ENGINES, witness, raising(error))
    monkeypatch.setitem(engines.MODULES, witness, ("numpy",))  # OpenVINO need not be installed
    found = verified(tmp_path, witness)
    (row,) = (row for row in found.comparisons if row.runner == witnesses.RUNNERS[witness].name)
    assert row.verdict is Verdict.FAILED
    assert row.reason == f"cannot be run on images [3, 32, 32]: {witness} refuses small.onnx: {error}"


def test_a_parser_that_fails_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(witnesses.PARSERS, "tensorrt-rtx", raising(RuntimeError("no memory")))
    with pytest.raises(ExportError, match=r"tensorrt-rtx refuses small\.onnx: no memory"):
        verified(tmp_path, "tensorrt-rtx")


def test_a_witness_that_is_not_installed_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependency, match="the witness openvino is not installed"):
        verified(tmp_path, "openvino")

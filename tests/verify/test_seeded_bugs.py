"""The proof is itself proved: it notices bugs seeded into the exporter, and rejects no correct export."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from archc.diagnostics import VerificationFailed
from archc.exporting import ExportOptions, exporters
from archc.ir.graph import Graph
from archc.network import Network
from archc.pipeline.delivery import deliver
from archc.verify import Report, Verdict, verify
from archc.weights import InitializedWeights
from tests.exporters.small_networks import compiled
from tests.verify.random_networks import random_network
from tests.verify.seeded_bugs import BUGS, Bug

exporter_module = importlib.import_module("archc.exporters.onnx_exporter")
ONNX = exporters()["onnx"]


def fresh(graph: Graph) -> Network:
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)


def report_on(network: Network, path: Path, options: ExportOptions) -> Report:
    with path.open("wb") as file:
        ONNX.write(network, file, options)
    return verify(network, ONNX.open(path), path.name, options)


@pytest.fixture
def seeded(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Bug:
    """The exporter with a bug in it, which also decides what it expects to find in its files."""
    bug: Bug = request.param
    right = exporter_module.emit

    def wrong(network: Network, options: ExportOptions) -> object:
        builder = right(network, options)
        bug.change(builder)
        return builder

    monkeypatch.setattr(exporter_module, "emit", wrong)
    return bug


@pytest.mark.parametrize("seeded", BUGS, ids=str, indirect=True)
def test_a_bug_in_the_exporter_is_noticed_by_the_numbers(seeded: Bug, tmp_path: Path) -> None:
    report = report_on(fresh(compiled(seeded.spec)), tmp_path / "net.onnx", ExportOptions(fold_batch_norm=seeded.fold))
    assert report.differences == ()
    assert report.twin
    assert [row.verdict for row in report.comparisons] == [Verdict.FAILED, Verdict.FAILED]
    # A twin in which every layer matters shows a bug in one of them far above the bound (the faintest: 190 times).
    assert all(row.rms_error > 100 * row.bound for row in report.comparisons)
    assert str(report.divergence).startswith(f"the first node that diverges is {seeded.node}: ")


@pytest.mark.parametrize("fold", [True, False], ids=["folded", "unfolded"])
@pytest.mark.parametrize("spec", sorted({bug.spec for bug in BUGS}), ids=["residual", "varied"])
def test_without_a_seeded_bug_the_same_networks_pass(spec: str, fold: bool, tmp_path: Path) -> None:
    report = report_on(fresh(compiled(spec)), tmp_path / "net.onnx", ExportOptions(fold_batch_norm=fold))
    assert (report.verdict, report.differences) == (Verdict.PASSED, ())


@pytest.mark.parametrize("seeded", BUGS[1:2], ids=str, indirect=True)
def test_what_a_buggy_exporter_writes_is_not_delivered(seeded: Bug, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with pytest.raises(VerificationFailed, match="the error exceeds the bound"):
        deliver(fresh(compiled(seeded.spec)), ONNX, path, ExportOptions())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(40))
def test_no_correct_export_is_rejected(seed: int, tmp_path: Path) -> None:
    network = random_network(np.random.default_rng(seed), fresh=seed % 2 == 0)
    report = report_on(network, tmp_path / "net.onnx", ExportOptions(fold_batch_norm=seed % 3 > 0))
    assert [(row.runner, row.output, row.reason) for row in report.comparisons if row.reason] == []
    assert (report.verdict, report.differences, report.twin) == (Verdict.PASSED, (), network.fresh)

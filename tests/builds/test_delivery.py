"""What is delivered when a proof fails or proves nothing: nothing, and what was there before stays."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archc import cli
from archc.builds.manifest import read_manifest
from archc.ir.emitter import OnnxTensor
from archc.operators.activation import Relu
from tests.exporters.small_networks import RESIDUAL

SATURATED = """\
name: saturated
input: {channels: 1, height: 8, width: 8}
layers:
  - conv2d: {name: conv, out_channels: 4, kernel_size: 3}
  - sigmoid
  - flatten
  - linear: {name: a, out_features: 16}
  - sigmoid
  - linear: {name: b, out_features: 16}
  - sigmoid
  - linear: {name: c, out_features: 16}
  - sigmoid
  - linear: {name: d, out_features: 16}
  - sigmoid
  - linear: {name: e, out_features: 10}
"""
"""With PyTorch's initialisation taken as given weights, its output hardly depends on its input."""


CANCELLED = """\
name: cancelled
input: {channels: 1, height: 10, width: 33}
layers:
  - layer_norm: {elementwise_affine: false}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: 2
"""
"""The mean of what a norm has made of mean zero: rounding is all that is left of it."""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)
    Path("saturated.yaml").write_text(SATURATED)


@pytest.fixture
def broken_relu(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX files in which every ReLU is a leaky one."""
    right = Relu.onnx

    def wrong(op: Relu, b: Any, *x: OnnxTensor) -> OnnxTensor:
        y = right(op, b, *x)
        b.nodes[-1] = replace(b.nodes[-1], op_type="LeakyRelu", attributes={"alpha": 0.001})
        return y

    monkeypatch.setattr(Relu, "onnx", wrong)


def files(folder: str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


@pytest.mark.usefixtures("broken_relu")
def test_a_failed_proof_delivers_nothing_and_exits_with_5(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "out"]) == 5
    printed = capsys.readouterr()
    assert printed.out == ""
    assert (
        "error[verification-failed]: out/small.onnx is not delivered: "
        "ONNX Runtime, not optimised, output: the error exceeds the bound; "
    ) in printed.err
    assert "the first node that diverges is relu relu (small.yaml:9)" in printed.err
    assert [path.name for path in Path("out").iterdir()] == ["small.onnx.failed"]


@pytest.mark.usefixtures("broken_relu")
def test_a_failed_proof_is_kept_with_the_command_that_replays_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "out", "--seed", "3"]) == 5
    kept = Path("out/small.onnx.failed")
    assert f"note: {kept} keeps the file, its report, and the command that proves it again\n" in capsys.readouterr().err
    report = json.loads((kept / "report.json").read_text())
    assert report["verdict"] == "failed"
    inputs = np.load(kept / "inputs.npz")["input"]
    expected, actual = (np.load(kept / f"{name}.npz")["arr_0"] for name in ("expected", "actual"))
    assert (inputs.shape[1:], expected.shape) == ((3, 32, 32), actual.shape)
    (command,) = (
        str(line.strip()) for line in (kept / "README.txt").read_text().splitlines() if "archc verify" in line
    )
    assert command == "archc verify out/small.onnx.failed/small.onnx --against small.yaml --seed 3 --inputs-seed 0"
    assert cli.run(shlex.split(command)[1:]) == 5
    assert "the first node that diverges is relu relu (small.yaml:9)" in capsys.readouterr().out


def test_an_older_artefact_survives_a_failed_export(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["build", "small.yaml", "-o", "out"]) == 0
    assert cli.run(["export", "out", "--onnx"]) == 0
    before = files("out")
    request.getfixturevalue("broken_relu")
    assert cli.run(["export", "out", "--onnx"]) == 5
    after = files("out")
    assert {name: after[name] for name in before} == before
    assert {name.partition("/")[0] for name in after.keys() - before.keys()} == {"small.onnx.failed"}
    capsys.readouterr()


@pytest.mark.usefixtures("broken_relu")
def test_without_a_proof_a_broken_file_is_delivered_and_a_later_proof_finds_it(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "out", "--no-verify"]) == 0
    assert "not verified" in capsys.readouterr().out
    assert cli.run(["verify", "out/small.onnx"]) == 5
    assert cli.run(["verify", "out"]) == 5
    assert "the first node that diverges is relu relu" in capsys.readouterr().out


def given_weights() -> list[str]:
    """Weights as somebody would give them, who never trained the network."""
    assert cli.run(["build", "saturated.yaml", "-o", "weights"]) == 0
    return ["--weights", "weights/model.safetensors"]


def test_a_proof_that_proves_nothing_delivers_nothing_and_exits_with_7(capsys: pytest.CaptureFixture[str]) -> None:
    weights = given_weights()
    capsys.readouterr()
    assert cli.run(["export", "saturated.yaml", "--onnx", "-o", "out", *weights]) == 7
    printed = capsys.readouterr()
    reason = "the output hardly depends on the input, so agreement proves nothing"
    assert printed.out == ""
    assert printed.err == (
        "error[verification-inconclusive]: out/saturated.onnx is not delivered: "
        f"ONNX Runtime, not optimised, output: {reason}; ONNX Runtime, optimised, output: {reason}\n"
        "  = help: --allow-inconclusive delivers it all the same\n"
    )
    assert not Path("out/saturated.onnx").exists()


def test_rounding_that_is_all_there_is_counts_as_no_divergence(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cancelled.yaml").write_text(CANCELLED)
    assert cli.run(["export", "cancelled.yaml", "--onnx", "-o", "out"]) == 7
    assert capsys.readouterr().err.startswith("error[verification-inconclusive]: ")


def test_what_proves_nothing_can_be_delivered_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    weights = given_weights()
    command = ["export", "saturated.yaml", "--onnx", "-o", "out", "--allow-inconclusive", *weights]
    assert cli.run(command) == 0
    assert "inconclusive" in capsys.readouterr().out
    assert read_manifest(Path("out")).exports["saturated.onnx"].verdict == "inconclusive"
    assert cli.run(["verify", "out/saturated.onnx", *weights]) == 7


def test_the_same_network_freshly_initialised_is_proved_with_its_twin(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "saturated.yaml", "--onnx", "-o", "out"]) == 0
    assert "under a calibrated twin's weights" in capsys.readouterr().out


def test_against_another_artefact_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "small.yaml", "--onnx", "--torchscript", "-o", "a"]) == 0
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "b", "--no-fold"]) == 0
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "c", "--seed", "1"]) == 0
    capsys.readouterr()
    pairs = [("a/small.onnx", "b/small.onnx"), ("b/small.onnx", "a/small.onnx"), ("a/small.pt", "b/small.onnx")]
    for artefact, against in pairs:
        assert cli.run(["verify", artefact, "--against", against]) == 0
        assert f"\nagainst {Path(against).name} " in capsys.readouterr().out
    assert cli.run(["verify", "a/small.onnx", "--against", "c/small.onnx"]) == 5


def test_archives_of_pytorch_are_compared_where_one_of_them_or_its_build_tells_the_size(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["export", "small.yaml", "--torchscript", "--pt2", "-o", "a", "--no-verify"]) == 0
    assert cli.run(["verify", "a/small.pt", "--against", "a/small.pt"]) == 0
    for name in ("small.pt", "small.pt2"):
        Path("a", name).rename(name)
    assert cli.run(["verify", "small.pt", "--against", "small.pt2"]) == 0
    assert cli.run(["verify", "small.pt", "--against", "small.pt"]) == 4
    assert "neither small.pt nor small.pt tells the size of its input" in capsys.readouterr().err


def test_against_a_spec_means_the_seed_or_the_given_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", "small.yaml", "-o", "a", "--seed", "1"]) == 0
    assert cli.run(["export", "a", "--onnx"]) == 0
    assert cli.run(["verify", "a/small.onnx", "--against", "small.yaml"]) == 5
    assert "conv1.weight differs from the network's weights" in capsys.readouterr().out
    assert cli.run(["verify", "a/small.onnx", "--against", "small.yaml", "--seed", "1"]) == 0
    assert cli.run(["verify", "a/small.onnx", "--against", "a"]) == 0
    weights = ["--weights", "a/model.safetensors"]
    # Under its own initial weights this network tells its input apart well enough for a proof.
    assert cli.run(["verify", "a/small.onnx", "--against", "small.yaml", *weights]) == 0
    assert cli.run(["verify", "a/small.onnx", "--against", "small.yaml", "--set", "num_classes=11"]) == 5


ENTRY_POINT = """\
from dataclasses import replace

from archc.exporters.onnx import EXPORTER as ONNX

def write(network, file, options, companions=None):
    halved = {key: array / 2 for key, array in network.weights.items()}
    ONNX.write(network.with_weights(halved), file, options)

EXPORTER = replace(ONNX, name="broken", suffix=".broken", summary="ONNX that is wrong.", write=write)
"""


def test_an_exporter_of_another_package_is_found_and_proved_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from archc.exporting import exporters

    package = tmp_path / "packages"
    (package / "broken-1.dist-info").mkdir(parents=True)
    (package / "broken_exporter.py").write_text(ENTRY_POINT)
    (package / "broken-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (package / "broken-1.dist-info" / "entry_points.txt").write_text(
        "[archc.exporters]\nbroken = broken_exporter:EXPORTER\n"
    )
    monkeypatch.syspath_prepend(package)
    exporters.cache_clear()
    try:
        assert cli.run(["export", "small.yaml", "--to", "broken", "-o", "out"]) == 5
    finally:
        monkeypatch.undo()
        exporters.cache_clear()
    assert "conv1.weight differs from the network's weights" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("*broken*")] == ["small.broken.failed"]

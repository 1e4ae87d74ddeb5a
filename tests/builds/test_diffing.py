"""`archc.diff` of specs, builds, graphs, and artefacts inside and outside of builds."""

import shutil
from pathlib import Path

import pytest

import archc
from archc.builds.diffing import FileDiff
from archc.cli import run
from archc.differences import Diff
from tests.exporters.small_networks import RESIDUAL


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)
    Path("deeper.yaml").write_text(RESIDUAL.replace("count: 2", "count: 3"))
    Path("silu.yaml").write_text(RESIDUAL.replace("  - relu\n", "  - silu\n"))


@pytest.fixture
def build() -> Path:
    assert run(["build", "small.yaml"]) == 0
    assert run(["export", "build/small", "--onnx", "--no-verify"]) == 0
    return Path("build/small")


def test_a_build_is_equal_to_its_spec_and_different_from_another(build: Path) -> None:
    assert archc.diff("small.yaml", build).is_equal
    found = archc.diff(build, "deeper.yaml")
    assert str(found).startswith(
        "build/small → deeper.yaml: different, 30 operators in both\n"
        "only in deeper.yaml\n"
        "  BasicBlock at layer2.2: 7 operators, 4,672 parameters\n"
    )


def test_an_artefact_is_compared_as_the_network_of_its_build(build: Path) -> None:
    found = archc.diff(build / "small.onnx", "silu.yaml")
    assert isinstance(found, Diff)
    assert [str(group) for group in found.changed] == ["relu: relu → silu"]
    assert found.notes == (
        "build/small/small.onnx is compared as the network of its build, whose manifest has the file's SHA-256",
    )


def test_an_artefact_of_a_build_that_was_changed_is_refused(build: Path) -> None:
    path = build / "small.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(archc.BuildError):
        archc.diff(path, "small.yaml")


def test_an_artefact_outside_of_a_build_is_held_to_its_exporter(build: Path) -> None:
    shutil.copy(build / "small.onnx", "copy.onnx")
    assert str(archc.diff("copy.onnx", "small.yaml")) == (
        "copy.onnx → small.yaml: equal\n"
        "  note: copy.onnx is held to what archc writes of the network at inference, node by node; "
        "tensors' values do not count"
    )
    found = archc.diff("silu.yaml", "copy.onnx")
    assert isinstance(found, FileDiff)
    assert not found.is_equal
    assert "/silu/Sigmoid is missing (silu silu, silu.yaml:9)" in str(found)


def test_a_file_of_another_network_is_compared_as_far_as_it_tells(build: Path) -> None:
    shutil.copy(build / "small.onnx", "copy.onnx")
    assert str(archc.diff("copy.onnx", "deeper.yaml")) == (
        "copy.onnx → deeper.yaml: different, 1 found\n"
        "  the file does not hold the network's tensors\n"
        "  note: copy.onnx is of another program or network: only its inputs and the names of its tensors were compared"
    )


def test_two_files_without_a_network_are_refused(build: Path) -> None:
    shutil.copy(build / "small.onnx", "copy.onnx")
    with pytest.raises(archc.UsageError, match="no network is known"):
        archc.diff("copy.onnx", "copy.onnx")


def test_graphs_with_other_parameters_are_compared() -> None:
    found = archc.diff(archc.compile("small.yaml"), archc.compile("small.yaml", num_classes=3))
    assert isinstance(found, Diff)
    assert [str(group) for group in found.changed] == ["fc: out_features 10 → 3"]
    assert archc.diff("small.yaml", "small.yaml", num_classes=3).is_equal
    assert archc.diff("small.yaml", "deeper.yaml", outputs="layer1").is_equal


def test_what_is_no_target_is_refused() -> None:
    with pytest.raises(archc.UsageError, match="there is no spec, build or bundled spec 'smal'"):
        archc.diff("small.yaml", "smal")

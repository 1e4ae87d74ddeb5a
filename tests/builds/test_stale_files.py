"""What a build leaves of the one that was there before, and what a proof says of files that nobody knows."""

import json
from pathlib import Path

import pytest

from archc import cli
from archc.builds.manifest import read_manifest
from archc.builds.options import WeightOptions
from archc.builds.production import ExportRequest, write_build, write_exports
from archc.builds.proof import Proof, ProofOptions, verify_build
from archc.builds.targets import find_target
from archc.diagnostics import UsageError
from tests.exporters.small_networks import RESIDUAL

BUILD = Path("out")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)


def build(seed: int) -> None:
    write_build(find_target("small.yaml"), BUILD, WeightOptions(seed=seed), {})


def export(
    *formats: str, target: str = "out", seed: int | None = None, external: bool = False, verify: bool = False
) -> None:
    options = {"external_data": external}
    write_exports(
        ExportRequest(find_target(target), formats, BUILD, WeightOptions(seed=seed), {}, options, verify=verify)
    )


def names() -> set[str]:
    return {path.name for path in BUILD.iterdir()}


def proved(*witnesses: str) -> Proof:
    return verify_build(BUILD, WeightOptions(), ProofOptions(witnesses), lambda message: None)


def test_a_build_of_other_weights_takes_the_artefacts_of_the_old_one_away() -> None:
    build(seed=0)
    export("onnx", "torchscript", external=True, verify=True)
    build(seed=1)
    assert names() == {"spec.yaml", "graph.txt", "model.safetensors", "manifest.json", "parity.json"}
    assert json.loads((BUILD / "parity.json").read_text()) == {}
    assert proved().exit_status == 0


def test_a_build_of_the_same_network_keeps_them() -> None:
    build(seed=0)
    export("onnx", external=True, verify=True)
    before = {path.name: path.read_bytes() for path in BUILD.iterdir()}
    build(seed=0)
    assert {path.name: path.read_bytes() for path in BUILD.iterdir()} == before


def test_an_artefact_that_somebody_removed_is_forgotten() -> None:
    build(seed=0)
    before = (BUILD / "manifest.json").read_bytes()
    export("onnx")
    (BUILD / "small.onnx").unlink()
    assert proved().problems == ("out/small.onnx is missing",)
    build(seed=0)
    assert (BUILD / "manifest.json").read_bytes() == before


def test_an_export_of_other_weights_takes_the_other_formats_away() -> None:
    export("onnx", "torchscript", target="small.yaml", seed=0, verify=True)
    export("onnx", target="small.yaml", seed=1)
    assert names() == {"spec.yaml", "graph.txt", "small.onnx", "manifest.json", "parity.json"}
    assert json.loads((BUILD / "parity.json").read_text()) == {}
    assert set(read_manifest(BUILD).exports) == {"small.onnx"}


def test_a_file_that_somebody_changed_stays_and_is_reported() -> None:
    build(seed=0)
    export("onnx", "torchscript")
    (BUILD / "small.onnx").write_bytes(b"mine")
    (BUILD / "notes.txt").write_text("mine as well")
    build(seed=1)
    assert names() == {"spec.yaml", "graph.txt", "model.safetensors", "manifest.json", "small.onnx", "notes.txt"}
    proof = proved()
    assert proof.problems == ("out/small.onnx is an artefact that manifest.json does not know",)
    assert proof.exit_status == 5


def test_weights_beside_an_artefact_go_when_it_is_exported_with_them_inside() -> None:
    build(seed=0)
    export("onnx", external=True)
    assert any(name.endswith(".weights") for name in names())
    export("onnx")
    assert names() == {"spec.yaml", "graph.txt", "model.safetensors", "manifest.json", "small.onnx"}
    assert set(read_manifest(BUILD).files) == {"spec.yaml", "graph.txt", "model.safetensors", "small.onnx"}


def test_a_failed_export_takes_nothing_away() -> None:
    export("onnx", "torchscript", target="small.yaml", seed=0)
    before = {path.name: path.read_bytes() for path in BUILD.iterdir()}
    (BUILD / "small.pt2").mkdir()
    with pytest.raises(Exception, match=r"cannot write out/small\.pt2"):
        export("pt2", target="small.yaml", seed=1)
    (BUILD / "small.pt2").rmdir()
    assert {path.name: path.read_bytes() for path in BUILD.iterdir()} == before


def test_an_artefact_that_only_has_a_checksum_is_verified() -> None:
    build(seed=0)
    export("onnx")
    manifest = read_manifest(BUILD)
    del manifest.exports["small.onnx"]
    manifest.write(BUILD)
    assert [report.artefact for report in proved().reports] == ["small.onnx"]


def test_a_manifest_of_another_graph_is_noticed() -> None:
    build(seed=0)
    manifest = read_manifest(BUILD)
    manifest.fingerprint = "0" * len(manifest.fingerprint)
    manifest.write(BUILD)
    proof = proved()
    assert proof.problems == ("out/manifest.json has another fingerprint than the graph of spec.yaml",)
    assert proof.exit_status == 5


def test_a_build_without_artefacts_tells_what_was_checked(capsys: pytest.CaptureFixture[str]) -> None:
    build(seed=0)
    assert cli.run(["verify", "out"]) == 0
    assert capsys.readouterr() == ("out: 3 files are unchanged, and no artefact was verified\n", "")


def test_a_witness_that_no_artefact_of_the_build_has_is_refused() -> None:
    build(seed=0)
    export("torchscript")
    with pytest.raises(UsageError, match="there is no witness 'onnx-reference' for the artefacts in out"):
        proved("onnx-reference")

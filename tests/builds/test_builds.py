"""What a build holds, what its manifest knows, and what its checksums notice."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from archc.api import compile
from archc.builds.hashing import CHANGED
from archc.builds.loading import load_network
from archc.builds.manifest import Manifest, changed_files, read_manifest
from archc.builds.options import WeightOptions
from archc.builds.production import ExportRequest, write_build, write_exports
from archc.builds.proof import Proof, ProofOptions, verify_build
from archc.builds.targets import find_target
from archc.cli.commands.export import only_build
from archc.diagnostics import ArchcError, BuildError, UsageError
from archc.ir.printer import fingerprint, print_graph
from archc.verification import Verdict
from archc.weights import open_weights, write_safetensors
from tests.exporters.small_networks import RESIDUAL


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RESIDUAL)
    return path


def built(spec: Path, folder: Path, seed: int | None = None, **settings: str) -> Manifest:
    _, manifest = write_build(find_target(spec), folder, WeightOptions(seed=seed), settings)
    return manifest


def export(
    target: Path, *formats: str, folder: Path | None = None, seed: int | None = None, **settings: str
) -> list[Path]:
    request = ExportRequest(find_target(target), formats, folder, WeightOptions(seed=seed), settings, {}, verify=False)
    return [artefact.path for artefact in write_exports(request).artefacts]


def proved(folder: Path) -> Proof:
    return verify_build(folder, WeightOptions(), ProofOptions(), lambda message: None)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_a_build_holds_spec_graph_weights_and_their_checksums(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "build"
    manifest = built(spec, folder, seed=3)
    files = {name: digest(folder / name) for name in ("spec.yaml", "graph.txt", "model.safetensors")}
    assert names(folder) == {*files, "manifest.json"}
    assert read_manifest(folder) == manifest
    graph = compile(spec)
    assert (folder / "graph.txt").read_text() == print_graph(graph)
    assert json.loads((folder / "manifest.json").read_text()) == {
        "format": 1,
        "name": "small",
        "fingerprint": fingerprint(graph),
        "seed": 3,
        "weights": "initialised",
        "tensors": manifest.tensors,
        "versions": manifest.versions,
        "files": files,
        "exports": {},
    }
    assert set(manifest.versions) >= {"archc", "numpy"}


def test_two_builds_are_alike_to_the_last_byte(spec: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        built(spec, tmp_path / name)
    for name in names(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    built(spec, tmp_path / "other", seed=1)
    assert digest(tmp_path / "other" / "model.safetensors") != digest(tmp_path / "one" / "model.safetensors")


def test_no_path_of_the_machine_is_in_a_build(spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build")
    export(tmp_path / "build", "onnx", "torchscript", "pt2")
    for path in (tmp_path / "build").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path.name


def test_the_resolved_spec_holds_the_settings(spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build", num_classes="7")
    assert compile(tmp_path / "build").outputs[0].value.type.shape[1] == 7
    assert fingerprint(compile(tmp_path / "build")) == fingerprint(compile(spec, num_classes=7))


def test_a_build_is_its_own_target_with_its_own_weights(spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build", seed=5)
    network = load_network(find_target(tmp_path / "build"), WeightOptions(), {})
    stored = open_weights(tmp_path / "build" / "model.safetensors")
    assert (network.fresh, network.seed) == (True, 5)
    assert all(network.weights[key].tobytes() == stored[key].tobytes() for key in stored)


@pytest.mark.parametrize("name", ["spec.yaml", "graph.txt", "model.safetensors", "small.onnx"])
def test_one_changed_bit_in_any_file_is_noticed(name: str, spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    built(spec, folder)
    export(folder, "onnx")
    assert changed_files(folder, read_manifest(folder)) == {}
    data = bytearray((folder / name).read_bytes())
    data[-2] ^= 1
    (folder / name).write_bytes(data)
    assert changed_files(folder, read_manifest(folder)) == {name: CHANGED}
    proof = proved(folder)
    assert (proof.problems, proof.exit_status) == (
        (f"{folder / name} is {CHANGED}",),
        5,
    )
    (folder / name).unlink()
    assert changed_files(folder, read_manifest(folder)) == {name: "missing"}


def test_exports_land_in_the_build_and_its_manifest_knows_them(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    before = built(spec, folder)
    paths = export(folder, "onnx", "torchscript", "pt2")
    assert paths == [folder / f"small{suffix}" for suffix in (".onnx", ".pt", ".pt2")]
    manifest = read_manifest(folder)
    assert manifest.files == {**before.files, **{path.name: digest(path) for path in paths}}
    assert {name: (made.exporter, made.verdict) for name, made in manifest.exports.items()} == {
        "small.onnx": ("onnx", None),
        "small.pt": ("torchscript", None),
        "small.pt2": ("pt2", None),
    }


def test_a_whole_build_is_verified_artefact_by_artefact(spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build")
    export(tmp_path / "build", "onnx", "torchscript")
    proof = proved(tmp_path / "build")
    assert [(report.artefact, report.verdict) for report in proof.reports] == [
        ("small.onnx", Verdict.PASSED),
        ("small.pt", Verdict.PASSED),
    ]
    assert (proof.problems, proof.exit_status) == ((), 0)


def test_an_export_of_a_spec_makes_a_build_without_weights_that_can_be_verified(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    export(spec, "onnx", folder=folder, seed=2)
    assert names(folder) == {"spec.yaml", "graph.txt", "small.onnx", "manifest.json"}
    assert proved(folder).exit_status == 0
    export(folder, "torchscript")
    assert proved(folder).exit_status == 0


def test_a_build_of_other_weights_is_not_written_over(spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build", seed=0)
    with pytest.raises(UsageError, match="is a build of another network or of other weights"):
        export(spec, "onnx", folder=tmp_path / "build", seed=1)
    with pytest.raises(UsageError, match="is a build of another network or of other weights"):
        export(spec, "onnx", folder=tmp_path / "build", num_classes="7")
    assert names(tmp_path / "build") == {"spec.yaml", "graph.txt", "model.safetensors", "manifest.json"}


def test_given_weights_are_recorded_by_their_checksum(spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "first", seed=9)
    file = tmp_path / "mine.safetensors"
    with file.open("wb") as out:
        write_safetensors(out, open_weights(tmp_path / "first" / "model.safetensors"))
    _, manifest = write_build(find_target(spec), tmp_path / "second", WeightOptions(file), {})
    assert (manifest.weights, manifest.fresh) == (digest(file), False)
    assert digest(tmp_path / "second" / "model.safetensors") == digest(tmp_path / "first" / "model.safetensors")


def test_a_target_is_a_path_then_a_build_then_a_bundled_spec(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundled = find_target("resnet18")
    assert (bundled.spec.name, bundled.build) == ("resnet18.yaml", None)
    built(spec, tmp_path / "resnet18")
    assert find_target("resnet18").build == Path("resnet18")
    assert compile("resnet18").name == "small"
    Path("resnet34").write_text(RESIDUAL)
    assert find_target("resnet34").spec == Path("resnet34")
    assert compile("resnet34").name == "small"


def test_a_target_that_is_nothing_says_what_was_perhaps_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_target("resnet43")
    assert str(caught.value).splitlines()[0] == (
        "error[unknown-target]: there is no spec, build or bundled spec 'resnet43'"
    )
    assert "did you mean 'resnet" in str(caught.value)
    with pytest.raises(UsageError) as caught:
        find_target(tmp_path)
    assert str(caught.value) == (
        f"error[unknown-target]: {tmp_path} is a folder without a manifest.json, so it is not a build"
    )


def test_the_only_build_needs_no_name(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    folder.mkdir()
    with pytest.raises(UsageError) as caught:
        only_build(folder)
    assert str(caught.value) == (
        f"error[unknown-target]: there is no build in {folder}/\n"
        "  = help: name a target, such as `archc export resnet34 --onnx`"
    )
    built(spec, folder / "b")
    (folder / "not-a-build").mkdir()
    assert only_build(folder).build == folder / "b"
    built(spec, folder / "a")
    with pytest.raises(UsageError) as caught:
        only_build(folder)
    assert str(caught.value) == (
        f"error[unknown-target]: there are 2 builds in {folder}/: a, b\n"
        f"  = help: name one, such as `archc export {folder / 'a'} --onnx`"
    )


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 2}', '{"format": 1, "name": 3}', "\x00"],
    ids=["empty", "cut", "list", "future", "wrong type", "binary"],
)
def test_a_damaged_manifest_is_an_error_in_words(text: str, spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build")
    (tmp_path / "build" / "manifest.json").write_text(text)
    with pytest.raises(BuildError, match=r"manifest\.json is damaged"):
        read_manifest(tmp_path / "build")


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/passwd", "a/b.onnx", "..\\b.onnx", ""])
def test_a_manifest_never_leads_out_of_its_build(name: str, spec: Path, tmp_path: Path) -> None:
    built(spec, tmp_path / "build")
    path = tmp_path / "build" / "manifest.json"
    for section, value in (("files", "0" * 64), ("exports", {"exporter": "onnx"})):
        data = json.loads(path.read_text())
        data[section][name] = value
        path.write_text(json.dumps(data))
        with pytest.raises(ArchcError, match=r"manifest\.json is damaged"):
            read_manifest(tmp_path / "build")
        data[section].pop(name)


def test_an_export_leaves_its_verification_beside_the_artefact(spec: Path, tmp_path: Path) -> None:
    request = ExportRequest(find_target(spec), ["onnx"], tmp_path / "build", WeightOptions(), {}, {}, verify=True)
    write_exports(request)
    reports = json.loads((tmp_path / "build" / "parity.json").read_text())
    assert list(reports) == ["small.onnx"]
    assert reports["small.onnx"]["verdict"] == "passed"
    assert [row["samples"] for row in reports["small.onnx"]["comparisons"]] == [2, 2]
    assert "parity.json" not in read_manifest(tmp_path / "build").files
    export(spec, "onnx", folder=tmp_path / "build")
    assert json.loads((tmp_path / "build" / "parity.json").read_text()) == {}, (
        "an unverified export forgets the old report"
    )


def external(spec: Path, folder: Path, *, seed: int = 0, beside: bool = True) -> set[str]:
    """Export with the weights beside the file; the names of such files that the folder then holds."""
    options = {"external_data": beside}
    write_exports(
        ExportRequest(find_target(spec), ("onnx",), folder, WeightOptions(seed=seed), {}, options, verify=False)
    )
    return {name for name in names(folder) if name.endswith(".weights")}


def test_a_manifest_knows_the_files_beside_an_artefact_and_the_replaced_are_removed(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    (first,) = external(spec, folder)
    assert read_manifest(folder).files[first] == digest(folder / first)
    assert read_manifest(folder).exports["small.onnx"].companions == [first]
    assert external(spec, folder) == {first}
    (second,) = external(spec, folder, seed=1)
    assert second != first
    assert set(read_manifest(folder).files) == {"spec.yaml", "graph.txt", "small.onnx", second}
    assert external(spec, folder, beside=False) == set()
    assert set(read_manifest(folder).files) == {"spec.yaml", "graph.txt", "small.onnx"}


def test_one_changed_bit_beside_an_artefact_is_noticed(spec: Path, tmp_path: Path) -> None:
    folder = tmp_path / "build"
    (name,) = external(spec, folder)
    data = bytearray((folder / name).read_bytes())
    data[100] ^= 1
    (folder / name).write_bytes(data)
    proof = proved(folder)
    assert (proof.problems, proof.reports, proof.exit_status) == (
        (f"{folder / name} is {CHANGED}",),
        (),
        5,
    )

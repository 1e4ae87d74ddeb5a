"""A file that archc writes keeps its resolved spec, and is lifted exactly."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

import archc
from archc import cli
from archc.builds.hashing import sha256_of
from archc.builds.lifting import lift_file
from archc.builds.manifest import read_manifest
from archc.builds.options import WeightOptions
from archc.builds.proof import ProofOptions, verify_build
from archc.diagnostics import ArchcError, BuildError, ExportError, SpecError, VerificationFailed
from archc.exporting import SPEC_KEY, exporter_for, exporters
from archc.ir.printer import fingerprint
from archc.weights import open_weights
from tests.exporters.small_networks import RESIDUAL

SUFFIXES = sorted(exporter.suffix for exporter in exporters().values())
ATTENTION = """\
name: attention
input: {channels: 4, height: 4, width: 4}
outputs: [a, b]
layers:
  - conv2d: {name: a, out_channels: 6, kernel_size: 3, padding: 1}
  - rearrange: n c h w -> n (h w) c
  - linear: {name: b, out_features: 5}
  - linear: {name: c, out_features: 5}
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(f"# A comment, which no resolved spec has.\n{RESIDUAL}")
    Path("attention.yaml").write_text(ATTENTION)


def exported(suffix: str) -> Path:
    path = Path("built") / f"small{suffix}"
    path.parent.mkdir(exist_ok=True)
    archc.export("small.yaml", path, verify=False, num_classes=7)
    return path


def changed(path: Path, change: Callable[[str], str]) -> None:
    """Write another spec into an ONNX file."""
    model = onnx.load(path)
    (entry,) = model.metadata_props
    entry.value = change(entry.value)
    onnx.save(model, path)


def lifted_error(path: Path, kind: type[ArchcError]) -> str:
    with pytest.raises(kind) as caught:
        lift_file(path)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["small", "attention"])
def test_lifting_an_archc_file_gives_the_resolved_spec_of_its_build(suffix: str, name: str) -> None:
    settings = ["--set", "num_classes=7"] if name == "small" else []
    flag = f"--{exporter_for(Path(f'x{suffix}')).name}"
    assert cli.run(["export", f"{name}.yaml", flag, "-o", "built", *settings]) == 0
    path = Path("built") / f"{name}{suffix}"
    found = lift_file(path)
    assert found.text == Path("built/spec.yaml").read_text()
    assert cli.run(["lift", str(path), "-o", "again.yaml"]) == 0
    assert archc.diff("again.yaml", "built").is_equal


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_weights_of_a_file_in_which_nothing_is_folded_are_those_that_it_was_written_with(suffix: str) -> None:
    assert cli.run(["build", "small.yaml", "--seed", "3", "-o", "given"]) == 0
    path = Path("given") / f"small{suffix}"
    archc.export("given", path, verify=False, fold_batch_norm=suffix != ".onnx")
    assert cli.run(["lift", str(path), "-o", "again.yaml", "--weights", "again.safetensors"]) == 0
    given, again = open_weights(Path("given/model.safetensors")), open_weights(Path("again.safetensors"))
    assert set(given) == set(again)
    assert all(np.array_equal(given[key], again[key]) for key in given)


def test_folded_weights_are_refused_and_not_written() -> None:
    path = exported(".onnx")
    assert cli.run(["lift", str(path), "-o", "again.yaml", "--weights", "again.safetensors"]) == BuildError.exit_status
    assert not Path("again.yaml").exists()
    assert not Path("again.safetensors").exists()
    with pytest.raises(BuildError, match=r"bn1\.running_mean"):
        lift_file(path).weights()


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_build_and_its_spec_are_exported_to_the_same_bytes(suffix: str) -> None:
    assert cli.run(["build", "small.yaml", "--set", "num_classes=7", "-o", "folder"]) == 0
    from_build = Path("folder") / f"small{suffix}"
    archc.export("folder", from_build, verify=False)
    assert from_build.read_bytes() == exported(suffix).read_bytes()


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "googlenet", "resnet18_fpn"])
def test_a_resolved_spec_resolves_to_itself(name: str) -> None:
    from archc.spec.bundled import bundled_specs
    from archc.spec.loading import resolved_text

    Path("once.yaml").write_text(resolved_text(bundled_specs()[name], {}))
    assert resolved_text("once.yaml", {}) == Path("once.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("count: 2", "count: 3"), "the spec that the file keeps is of another network"),
        (lambda text: "name: [", "the spec that the file keeps cannot be read"),
        (lambda text: "", "the file does not keep its spec"),
        (lambda text: text.replace("small", "other") + "# the same network\n", None),
    ],
    ids=["another", "broken", "none", "the same in other words"],
)
def test_verifying_a_build_holds_the_kept_spec_to_the_network(change: Callable[[str], str], told: str | None) -> None:
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "built"]) == 0
    changed(Path("built/small.onnx"), change)
    manifest = read_manifest(Path("built"))
    manifest.files["small.onnx"] = sha256_of(Path("built/small.onnx"))
    manifest.write(Path("built"))
    (report,) = verify_build(Path("built"), WeightOptions(), ProofOptions(), lambda message: None).reports
    assert report.differences == ((told,) if told else ())
    assert report.verdict.value == ("failed" if told else "passed")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_spec_that_is_not_the_files_own_is_refused(suffix: str) -> None:
    path = exported(suffix)
    if suffix == ".onnx":
        changed(path, lambda text: text.replace("width: 16", "width: 24"))
    else:
        _rewritten(path, lambda text: text.replace("width: 16", "width: 24"))
    assert "keeps a spec that is not its own" in lifted_error(path, VerificationFailed)


def _rewritten(path: Path, change: Callable[[str], str]) -> None:
    """Write another spec into an archive of PyTorch's, whose reader takes any stored records."""
    import torch

    reader = torch._C.PyTorchFileReader(str(path))
    records = {name: reader.get_record(name) for name in reader.get_all_records()}
    records[f"extra/{SPEC_KEY}"] = change(records[f"extra/{SPEC_KEY}"].decode()).encode()
    writer = torch._C.PyTorchFileWriter(str(path))
    for name, data in records.items():
        if name not in ("version", ".data/version", "byteorder", ".data/serialization_id"):
            writer.write_record(name, data, len(data))
    writer.write_end_of_file()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_kept_spec_is_held_to_the_limits_of_any_spec(suffix: str) -> None:
    path = exported(suffix)
    change = changed if suffix == ".onnx" else _rewritten
    change(path, lambda text: text.replace("count: 2", "count: 100000000"))
    assert "error[over-budget]" in lifted_error(path, SpecError)
    change(path, lambda text: "#" * (2 << 20))
    assert "too-large" in lifted_error(path, SpecError)


def test_a_kept_spec_reads_no_shared_file_of_the_folder() -> None:
    path = exported(".onnx")
    Path("built/mine.yaml").write_text("blocks: {mine: {layers: [relu]}}\n")
    changed(path, lambda text: f"use: [mine.yaml]\n{text}")
    assert "there is no shared file 'mine.yaml'" in lifted_error(path, SpecError)


def test_an_archive_that_is_damaged_is_refused() -> None:
    path = exported(".pt2")
    path.write_bytes(path.read_bytes()[:-30])
    assert "cannot be read" in lifted_error(path, ExportError)


def test_a_flat_spec_of_a_file_has_no_blocks_and_is_the_same_network() -> None:
    path = exported(".pt2")
    assert cli.run(["lift", str(path), "--flat", "-o", "flat.yaml"]) == 0
    assert "blocks:" not in Path("flat.yaml").read_text()
    flat, whole = archc.compile("flat.yaml"), archc.compile("small.yaml", num_classes=7)
    assert fingerprint(flat) == fingerprint(whole)


def test_the_record_lies_under_the_same_name_in_every_archive() -> None:
    for suffix in (".pt", ".pt2"):
        with zipfile.ZipFile(exported(suffix)) as archive:
            assert [name for name in archive.namelist() if name.endswith(f"extra/{SPEC_KEY}")]

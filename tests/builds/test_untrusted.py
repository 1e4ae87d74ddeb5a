"""Builds of strangers: files that are none, links that lead elsewhere, and manifests that do not list everything."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archc import cli
from archc.builds.hashing import sha256_of
from archc.diagnostics import BuildError
from archc.files import open_regular, read_regular
from tests.exporters.small_networks import RESIDUAL

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs pipes and devices among the files")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    (folder / "small.yaml").write_text(RESIDUAL)
    assert cli.run(["build", str(folder / "small.yaml"), "-o", str(folder / "build")]) == 0
    assert cli.run(["export", str(folder / "build"), "--onnx", "--torchscript", "--pt2", "--no-verify"]) == 0
    return folder


@pytest.fixture
def build(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    return Path("build")


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    os.mkfifo(path)


def ear(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def folder(path: Path) -> None:
    path.mkdir()


def elsewhere(path: Path) -> None:
    """The same file, but outside the build."""
    path.symlink_to(Path("kept").resolve())


COMMANDS = {
    "verify": ["verify", "build"],
    "export": ["export", "build", "--onnx", "--no-verify"],
    "build": ["build", "build", "-o", "other"],
    "check": ["check", "build"],
}
READ = {
    "manifest.json": {"verify", "export", "build"},
    "spec.yaml": {"verify", "export", "build", "check"},
    "model.safetensors": {"verify", "export", "build"},
    "graph.txt": {"verify"},
    "small.onnx": {"verify"},
    "small.pt": {"verify"},
    "small.pt2": {"verify"},
}


@pytest.mark.parametrize("replace", [endless, pipe, ear, folder, elsewhere])
@pytest.mark.parametrize("name", READ)
def test_no_command_waits_for_a_file_that_is_none_or_follows_a_link_out_of_a_build(
    name: str, replace: Callable[[Path], None], build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (build / name).rename("kept")
    replace(build / name)
    for command in sorted(READ[name]):
        status = cli.run(COMMANDS[command])
        told = capsys.readouterr().err
        assert status in (2, 3), (command, told)
        assert told.startswith("error["), command


@pytest.mark.parametrize("replace", [endless, pipe, ear, folder])
@pytest.mark.parametrize("name", ["a.onnx", "a.pt", "a.pt2"])
def test_what_is_no_artefact_is_refused(
    name: str, replace: Callable[[Path], None], build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(Path(name))
    assert cli.run(["verify", name, "--against", "build"]) == 2
    assert capsys.readouterr().err.startswith("error[")


def test_a_link_within_a_build_is_followed(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (build / "model.safetensors").rename(build / "kept")
    (build / "model.safetensors").symlink_to("kept")
    assert cli.run(["build", "build", "-o", "other"]) == 0


def test_a_link_out_of_a_build_is_named(build: Path) -> None:
    (build / "spec.yaml").rename("kept")
    elsewhere(build / "spec.yaml")
    with pytest.raises(BuildError, match=r"build/spec\.yaml is a link that leads out of the build"):
        cli._run(["verify", "build/small.onnx"])


def test_a_file_that_grows_while_it_is_read_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert read_regular(tmp_path / "a", 11) == b"x" * 11
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_regular(tmp_path / "a", 10)
    with pytest.raises(OSError, match="more than 10 bytes"):
        open_regular(tmp_path / "a", 10)


def changed(build: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = build / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("command", ["verify", "export", "build"])
@pytest.mark.parametrize("name", ["spec.yaml", "small.onnx"])
def test_a_manifest_lists_what_it_vouches_for(
    command: str, name: str, build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(build, lambda manifest: manifest["files"].pop(name))
    assert cli.run(COMMANDS[command]) == 3
    assert f"build/manifest.json is damaged: its `files` do not list {name}\n" in capsys.readouterr().err


def test_weights_that_the_manifest_does_not_list_are_an_error(build: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(build, lambda manifest: manifest["files"].pop("model.safetensors"))
    assert cli.run(["verify", "build"]) == 3
    assert "its `files` do not list model.safetensors\n" in capsys.readouterr().err


def test_given_weights_may_lie_beside_what_is_exported_from_them(
    build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = build / "model.safetensors"
    Path("out").mkdir()
    given.rename("out/model.safetensors")
    assert cli.run(["export", "small.yaml", "--weights", "out/model.safetensors", "--onnx", "-o", "out"]) == 0
    assert cli.run(["verify", "out", "--weights", "out/model.safetensors"]) == 0


@pytest.mark.parametrize(
    ("name", "exporter", "why"),
    [
        ("small.onnx", "nobody", "by the exporter 'nobody', which is not installed"),
        ("small.onnx", "pt2", "by the exporter 'pt2', which does not write such files"),
        ("graph.txt", "nobody", "by the exporter 'nobody', which is not installed"),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["build", "artefact"])
def test_an_export_of_an_unknown_exporter_is_an_error(
    name: str, exporter: str, why: str, whole: bool, build: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(build, lambda manifest: manifest["exports"].update({name: {"exporter": exporter}}))
    if whole or name.endswith(".onnx"):
        assert cli.run(["verify", "build" if whole else f"build/{name}"]) == 3
        assert f"says that {name} is {why}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", "a\\b", "C:a", "a\0", "a\x1b[2J", "a\n"])
def test_a_name_in_a_manifest_is_that_of_a_file_in_the_folder(name: str, build: Path) -> None:
    changed(build, lambda manifest: manifest["files"].update({name: sha256_of(build / "graph.txt")}))
    with pytest.raises(BuildError, match="is damaged: files: "):
        cli._run(["verify", "build"])

"""`archc fmt` as people and scripts use it: files, exit statuses, what is printed."""

import json
from pathlib import Path

import pytest

from archc import cli

LOOSE = "name: net  # mine\ninput: {height: 8,   width: 8, channels: 3}\nlayers: [relu: {}]\n"
CANONICAL = "name: net  # mine\ninput: {height: 8, width: 8, channels: 3}\n\nlayers:\n  - relu\n"


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    Path("specs/loose.yaml").write_text(LOOSE)
    Path("specs/neat.yaml").write_text(CANONICAL)


def test_files_below_a_folder_are_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("specs/loose.yaml").chmod(0o600)
    neat = Path("specs/neat.yaml").stat().st_ino
    assert cli.run(["fmt", "specs"]) == 0
    assert capsys.readouterr().out == "specs/loose.yaml: formatted\n1 file formatted, 1 unchanged\n"
    assert Path("specs/loose.yaml").read_text() == CANONICAL
    assert Path("specs/loose.yaml").stat().st_mode & 0o777 == 0o600
    assert Path("specs/neat.yaml").stat().st_ino == neat


def test_check_lists_what_would_change_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fmt", "--check", "specs"]) == 1
    assert capsys.readouterr().out == "specs/loose.yaml: would be formatted\n1 file would be formatted, 1 unchanged\n"
    assert Path("specs/loose.yaml").read_text() == LOOSE
    assert cli.run(["fmt", "--check", "specs/neat.yaml"]) == 0


def test_diff_prints_the_lines_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fmt", "--diff", "specs/loose.yaml"]) == 0
    assert capsys.readouterr().out == (
        "--- specs/loose.yaml\n+++ specs/loose.yaml\n@@ -1,3 +1,5 @@\n name: net  # mine\n"
        "-input: {height: 8,   width: 8, channels: 3}\n-layers: [relu: {}]\n"
        "+input: {height: 8, width: 8, channels: 3}\n+\n+layers:\n+  - relu\n"
        "1 file would be formatted, 0 unchanged\n"
    )
    assert Path("specs/loose.yaml").read_text() == LOOSE


def test_a_file_that_is_no_yaml_is_told_and_the_others_are_formatted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("specs/broken.yaml").write_text("name: [net\n")
    assert cli.run(["fmt", "specs"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "specs/loose.yaml: formatted\n1 file formatted, 1 unchanged\n"
    assert printed.err.startswith("specs/broken.yaml:2:1: error[syntax]: not YAML")
    assert Path("specs/broken.yaml").read_text() == "name: [net\n"


def test_a_script_gets_the_new_texts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fmt", "--check", "specs", "--format", "json"]) == 1
    changed = [{"path": "specs/loose.yaml", "text": CANONICAL}]
    assert json.loads(capsys.readouterr().out) == {"changed": changed, "problems": []}


def test_a_link_stays_a_link() -> None:
    Path("link.yaml").symlink_to("specs/loose.yaml")
    assert cli.run(["fmt", "link.yaml"]) == 0
    assert Path("link.yaml").is_symlink()
    assert Path("specs/loose.yaml").read_text() == CANONICAL


def test_a_file_of_a_build_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("specs/manifest.json").write_text("{}")
    assert cli.run(["fmt", "specs/loose.yaml"]) == 2
    assert "specs/loose.yaml is part of a build, which never changes" in capsys.readouterr().err
    assert Path("specs/loose.yaml").read_text() == LOOSE

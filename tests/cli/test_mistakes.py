"""What people get wrong is told in words, with the exit status of its kind: no traceback, no standard output."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from archc import cli
from tests.exporters.small_networks import RESIDUAL


@dataclass(frozen=True)
class Mistake:
    """A command line, its exit status, and what the first line on standard error says."""

    command: str
    status: int
    said: str

    def __str__(self) -> str:
        return self.command


MISTAKES = (
    Mistake(
        "check nowhere.yaml", 2, r"error\[unknown-target\]: there is no spec, build or bundled spec 'nowhere.yaml'"
    ),
    Mistake("check folder", 2, r"error\[unknown-target\]: folder is a folder without a manifest.json"),
    Mistake("check empty.yaml", 2, r"empty.yaml:1:1: error\[.+\]: "),
    Mistake("check binary.yaml", 2, r"binary.yaml.*error\[.+\]: "),
    Mistake("check broken.yaml", 2, r"broken.yaml:\d+:\d+: error\[unknown-field\]: conv2d has no field 'kernal_size'"),
    Mistake("build broken.yaml", 2, r"broken.yaml:\d+:\d+: error\[unknown-field\]: "),
    Mistake("summary small.yaml --set", 2, r""),
    Mistake(
        "summary small.yaml --set num_classes", 2, r"error\[bad-option\]: --set takes NAME=VALUE, not 'num_classes'"
    ),
    Mistake("summary small.yaml --set classes=3", 2, r"error\[.+\]: .*classes"),
    Mistake("summary small.yaml --set num_classes=ten", 2, r"error\[.+\]: .*num_classes"),
    Mistake("summary small.yaml --set num_classes=-1", 2, r".*error\[.+\]: "),
    Mistake("build small.yaml --seed -1", 2, r""),
    Mistake("build small.yaml --seed one", 2, r""),
    Mistake("build small.yaml -o small.yaml", 2, r"error\[bad-option\]: cannot make the folder small.yaml"),
    Mistake("build small.yaml --ignore x", 2, r"error\[bad-option\]: --ignore and --rename adapt a file of weights"),
    Mistake("export folder --onnx", 2, r"error\[unknown-target\]: folder is a folder without a manifest.json"),
    Mistake("build small.yaml --weights nowhere.pth", 3, r"error\[.+\]: .*nowhere.pth"),
    Mistake("build small.yaml --weights folder", 3, r"error\[.+\]: .*folder"),
    Mistake("build small.yaml --weights corrupt.pth", 3, r"error\[.+\]: .*corrupt.pth"),
    Mistake("build small.yaml --weights corrupt.safetensors", 3, r"error\[.+\]: .*corrupt.safetensors"),
    Mistake("build small.yaml --weights small.yaml", 3, r"error\[.+\]: .*small.yaml"),
    Mistake(
        "build small.yaml --weights corrupt.pth --rename x",
        2,
        r"error\[bad-option\]: --rename takes NAME=VALUE, not 'x'",
    ),
    Mistake("export --onnx", 2, r"error\[unknown-target\]: there is no build in build/"),
    Mistake("export small.yaml", 2, r"error\[bad-option\]: name a format, such as --onnx"),
    Mistake("export small.yaml --to coreml", 2, r"error\[unknown-format\]: there is no exporter 'coreml'"),
    Mistake("export small.yaml --onnx --opset 16", 4, r"error\[unsupported-opset\]: opset 16 is not supported: "),
    Mistake("export small.yaml --onnx --opset 999", 4, r"error\[unsupported-opset\]: opset 999 is not supported: "),
    Mistake("export small.yaml --onnx --opset new", 2, r""),
    Mistake("export damaged --onnx", 3, r"error\[bad-manifest\]: damaged/manifest.json is damaged"),
    Mistake("verify nowhere.onnx", 3, r"error\[unreadable\]: there is no file nowhere.onnx"),
    Mistake("verify nowhere.onnx --against small.yaml", 3, r"error\[unreadable\]: there is no file nowhere.onnx"),
    Mistake("verify small.yaml", 2, r"error\[unknown-format\]: no exporter writes files such as small.yaml"),
    Mistake("verify corrupt.onnx", 2, r"error\[unknown-target\]: corrupt.onnx lies in no build"),
    Mistake(
        "verify corrupt.onnx --against small.yaml",
        4,
        r"error\[unreadable\]: corrupt.onnx cannot be read as an ONNX file",
    ),
    Mistake(
        "verify corrupt.pt --against small.yaml", 4, r"error\[unreadable\]: corrupt.pt cannot be read as TorchScript"
    ),
    Mistake("verify corrupt.pt2 --against small.yaml", 4, r"error\[unreadable\]: corrupt.pt2 cannot be read"),
    Mistake(
        "verify corrupt.onnx --against corrupt.onnx",
        4,
        r"error\[unreadable\]: corrupt.onnx cannot be read as an ONNX file",
    ),
    Mistake("verify folder", 3, r"error\[bad-manifest\]: cannot read folder/manifest.json"),
    Mistake("verify damaged", 3, r"error\[bad-manifest\]: damaged/manifest.json is damaged"),
    Mistake("view nowhere.onnx", 2, r"error\[unknown-target\]: there is no spec, build or bundled spec 'nowhere.onnx'"),
    Mistake("frobnicate", 2, r""),
    Mistake("list --format xml", 2, r""),
)


@pytest.fixture(autouse=True)
def _in_a_folder_with_broken_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("damaged").mkdir()
    Path("damaged/spec.yaml").write_text(RESIDUAL)
    Path("damaged/manifest.json").write_text('{"format": 1')
    Path("small.yaml").write_text(RESIDUAL)
    Path("broken.yaml").write_text(
        RESIDUAL.replace("kernel_size: 3, stride: 2, padding: 1, bias", "kernal_size: 3, bias")
    )
    Path("empty.yaml").write_text("")
    Path("binary.yaml").write_bytes(bytes(range(256)))
    for name in ("corrupt.pth", "corrupt.safetensors", "corrupt.onnx", "corrupt.pt", "corrupt.pt2"):
        Path(name).write_bytes(b"\x80\x02this is no model" * 10)


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_is_told_in_words(mistake: Mistake, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path().rglob("*"))
    assert cli.run(mistake.command.split()) == mistake.status
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.match(mistake.said, printed.err), printed.err
    assert printed.err.strip()
    assert "Traceback" not in printed.err
    new = [path for path in Path().rglob("*") if path not in before and path.is_file()]
    assert [path for path in new if path.name not in ("spec.yaml", "graph.txt")] == []


def test_a_file_in_the_way_of_a_folder_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", "small.yaml", "-o", "small.yaml/build"]) == 2
    assert capsys.readouterr().err == "error[bad-option]: cannot make the folder small.yaml/build: Not a directory\n"


def test_a_folder_in_the_way_of_an_artefact_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    Path("out/small.onnx").mkdir(parents=True)
    assert cli.run(["export", "small.yaml", "--onnx", "-o", "out", "--no-verify"]) == 4
    assert capsys.readouterr().err.startswith("error[cannot-write]: cannot write out/small.onnx: it is a directory")


def test_weights_that_do_not_fit_are_told_key_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", "small.yaml", "-o", "other", "--set", "num_classes=11"]) == 0
    capsys.readouterr()
    assert cli.run(["build", "small.yaml", "--weights", "other/model.safetensors"]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "fc.weight" in printed.err
    assert "fc.bias" in printed.err


@pytest.mark.parametrize(
    "variable", ["ARCHC_MAX_PARAMETERS", "ARCHC_MAX_ACTIVATION_BYTES", "ARCHC_MAX_MULTIPLY_ADDS", "ARCHC_MAX_NODES"]
)
def test_a_network_over_budget_is_refused_with_its_position(
    variable: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "3")
    assert cli.run(["check", "small.yaml"]) == 2
    assert re.match(r"small.yaml:\d+:\d+: error\[over-budget\]: the network has ", capsys.readouterr().err)
    monkeypatch.setenv(variable, "many")
    assert cli.run(["check", "small.yaml"]) == 2
    assert capsys.readouterr().err == f"error[bad-environment]: {variable} must be a whole number, not 'many'\n"

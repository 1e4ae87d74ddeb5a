"""What people get wrong is told in words, with the exit status of its kind: no traceback, no standard output.

`golden/mistakes.txt` is the transcript: each command, all that it prints, and its exit status.
"""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from archc import cli
from tests.cli.broken_things import make_broken_things

TRANSCRIPT = Path(__file__).parent / "golden" / "mistakes.txt"
COMMANDS = (
    "frobnicate",
    "list --format xml",
    "explain unknown-feild",
    "check nowhere.yaml",
    "check lenet",
    "check folder",
    "check empty.yaml",
    "check binary.yaml",
    "check broken.yaml",
    "ARCHC_MAX_PARAMETERS=3 archc check small.yaml",
    "ARCHC_MAX_ACTIVATION_BYTES=3 archc check small.yaml",
    "ARCHC_MAX_MULTIPLY_ADDS=3 archc check small.yaml",
    "ARCHC_MAX_NODES=3 archc check small.yaml",
    "ARCHC_MAX_NODES=many archc check small.yaml",
    "summary small.yaml --set",
    "summary small.yaml --set num_classes",
    "summary small.yaml --set classes=3",
    "summary small.yaml --set num_classes=ten",
    "summary small.yaml --set num_classes=-1",
    "summary small.yaml --set num_classes=10 --set num_classes=20",
    "build small.yaml --seed 1 --seed 1",
    "export small.yaml --onnx --onnx --verify --no-verify",
    "build broken.yaml",
    "build small.yaml --seed -1",
    "build small.yaml --seed one",
    "build small.yaml -o small.yaml",
    "build small.yaml -o small.yaml/build",
    "build small.yaml -o out.onnx",
    "build small.yaml --ignore x",
    "build eleven --set num_classes=10",
    "build eleven --seed 1",
    "build small.yaml --weights ten/model.safetensors --seed 1",
    "build small.yaml --weights ten/model.safetensors --ignore 'fcc.*'",
    "build small.yaml --weights nowhere.pth",
    "build small.yaml --weights folder",
    "build small.yaml --weights corrupt.pth",
    "build small.yaml --weights corrupt.safetensors",
    "build small.yaml --weights code.pth",
    "build small.yaml --weights small.yaml",
    "build small.yaml --weights eleven/model.safetensors",
    "build small.yaml --weights whole_numbers.safetensors",
    "build small.yaml --weights eleven/model.safetensors --rename 'layer=lay' --set num_classes=11",
    "build small.yaml --weights eleven/model.safetensors --rename x",
    "build small.yaml --weights eleven/model.safetensors --rename '(=x'",
    "build small.yaml --weights eleven/model.safetensors --rename a=b --rename a=c",
    "build small.yaml --weights eleven/model.safetensors --rename 'layer2.[01]=layer2.0'",
    "export --onnx",
    "export folder --onnx",
    "export small.yaml",
    "export small.yaml --to coreml",
    "export small.yaml --onnx --opset 16",
    "export small.yaml --onnx --opset 999",
    "export small.yaml --onnx --opset new",
    "export small.yaml --pt2 --torchscript --opset 20",
    "export small.yaml --torchscript --no-fold",
    "export small.yaml --pt2 --external-data",
    "export small.yaml --onnx --no-verify -o in_the_way",
    "export small.yaml --onnx -o eleven",
    "export without_weights --onnx",
    "export damaged --onnx",
    "export other_weights --onnx --no-verify",
    "build other_spec -o anew",
    "export saturated.yaml --onnx --weights saturated/model.safetensors",
    "summary small.yaml --outputs layer9,layer1.7",
    "build small.yaml --outputs stem,",
    "export eleven --onnx --outputs layer1",
    "verify exported --outputs layer1",
    "verify nowhere.onnx",
    "verify nowhere.onnx --against small.yaml",
    "verify small.yaml",
    "verify corrupt.onnx",
    "verify corrupt.onnx --against small.yaml",
    "verify corrupt.pt --against small.yaml",
    "verify corrupt.pt2 --against small.yaml",
    "verify corrupt.onnx --against corrupt.onnx",
    "verify unknown_operator.onnx --against small.yaml --inputs-seed 1",
    "verify unknown_operator.onnx --against small.yaml --witness onnx-reference --inputs-seed 1",
    "verify exported/small.onnx --against unknown_operator.onnx",
    "verify weights_elsewhere.onnx --against small.yaml",
    "verify loose.pt --against loose.pt",
    "verify exported/small.onnx --images nowhere.npz",
    "verify exported/small.onnx --images folder",
    "verify exported/small.onnx --witness openvine",
    "verify exported/small.onnx --witness openvino",
    "verify exported --witness openvine",
    "verify exported --against small.yaml",
    "verify exported/small.onnx --against exported/small.onnx --sensitivity",
    "verify changed/small.onnx",
    "verify folder",
    "verify damaged",
    "verify changed",
    "verify small.yaml --against nowhere:build",
    "verify small.yaml --against unfinished:build",
    "verify small.yaml --against mine:biuld",
    "verify small.yaml --against mine:build",
    "verify small.yaml --against mine:build --arg width=3",
    "verify small.yaml --against mine:settings",
    "verify small.yaml --against mine:build --arg width",
    "verify small.yaml --against mine:build --arg width=1e999",
    "verify small.yaml --against mine:build --weights ten/model.safetensors",
    "verify exported/small.onnx --against mine:build",
    "verify exported/small.onnx --against small.yaml --arg width=3",
    "verify small.yaml --against mine.yaml:build",
    "view nowhere.onnx",
    "view small.yaml --port 99999",
    "view exported/small.onnx --seed 1",
)

# What a proof that failed found is a result, and goes to standard output.
RESULTS = (
    "verify changed",
    "verify unknown_operator.onnx --against small.yaml --inputs-seed 1",
    "verify unknown_operator.onnx --against small.yaml --witness onnx-reference --inputs-seed 1",
)


@pytest.fixture(scope="module")
def _broken_things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_broken_things()
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_with_broken_things(_broken_things: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(_broken_things, tmp_path / "broken")
    monkeypatch.chdir(tmp_path / "broken")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "mine", raising=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_is_told_as_recorded(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    before = sorted(Path().rglob("*"))
    variables, _, arguments = command.rpartition("archc ")
    if variables:
        monkeypatch.setenv(*variables.strip().split("="))
    status = cli.run(shlex.split(arguments))
    printed = capsys.readouterr()
    assert status in range(2, 8)
    assert "Traceback" not in printed.err
    if command not in RESULTS:
        assert printed.out == ""
        assert printed.err.strip()
    text = f"{printed.out}{printed.err}exit status {status}\n"
    if request.config.getoption("renew_golden"):
        write_transcript({**transcript(), command: text})
    assert text == transcript()[command]
    new = [path for path in Path().rglob("*") if path not in before and path.is_file() and ".failed" not in str(path)]
    assert [path for path in new if path.name not in ("spec.yaml", "graph.txt")] == []


def test_the_transcript_has_these_commands() -> None:
    assert list(transcript()) == list(COMMANDS)


def transcript() -> dict[str, str]:
    """What each command prints."""
    text = TRANSCRIPT.read_text(encoding="utf-8") if TRANSCRIPT.exists() else ""
    sections = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*?exit status \d\n)", text, re.MULTILINE)
    return {line.removeprefix("archc "): printed for line, printed in sections}


def write_transcript(texts: dict[str, str]) -> None:
    """Store them in the order of the commands."""
    shown = {command if "archc " in command else f"archc {command}": texts.get(command, "") for command in COMMANDS}
    TRANSCRIPT.write_text("\n".join(f"$ {line}\n{printed}" for line, printed in shown.items() if printed), "utf-8")

"""The commands as people and scripts use them: exit statuses, files, standard output, JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

import archc
from archc import cli
from archc.ir.printer import fingerprint
from archc.spec.bundled import specs_folder
from tests.exporters.small_networks import RESIDUAL, TWO_OUTPUTS


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    Path("specs/small.yaml").write_text(RESIDUAL)


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`python -m archc` in a process of its own."""
    root = Path(archc.__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-m", "archc", *arguments],
        env={**os.environ, "PYTHONPATH": str(root), **variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def printed_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli.run([*arguments, "--format", "json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_build_and_then_export_without_a_target() -> None:
    built = run("build", "specs/small.yaml")
    assert (built.returncode, built.stderr) == (0, "")
    assert built.stdout.startswith("small is built in build/small\n")
    assert built.stdout.endswith("\nnext: archc export build/small --onnx\n")
    exported = run("export", "--onnx")
    assert (exported.returncode, exported.stderr) == (0, "")
    assert exported.stdout.startswith("build/small/small.onnx  ")
    assert "under a calibrated twin's weights" in exported.stdout
    assert (
        "TensorRT:\n  trtexec --onnx=build/small/small.onnx --minShapes=input:1x3x32x32 "
        "--optShapes=input:8x3x32x32 --maxShapes=input:32x3x32x32\n"
    ) in exported.stdout
    session = onnxruntime.InferenceSession("build/small/small.onnx", providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input": np.zeros((7, 3, 32, 32), np.float32)})
    assert np.asarray(result).shape == (7, 10)
    checked = run("verify", "build/small")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith("small.onnx: passed\n")


def test_all_three_formats_at_once_with_one_reference(capsys: pytest.CaptureFixture[str]) -> None:
    exported = printed_json(capsys, "export", "specs/small.yaml", "--onnx", "--torchscript", "--pt2", "-o", "out")
    assert [(one["exporter"], one["path"], one["verification"]["verdict"]) for one in exported] == [
        ("onnx", "out/small.onnx", "passed"),
        ("torchscript", "out/small.pt", "passed"),
        ("pt2", "out/small.pt2", "passed"),
    ]
    assert [one["bytes"] for one in exported] == [Path(one["path"]).stat().st_size for one in exported]


def test_a_format_that_is_named_twice_is_exported_once(capsys: pytest.CaptureFixture[str]) -> None:
    exported = printed_json(
        capsys, "export", "specs/small.yaml", "--onnx", "--to", "onnx", "--to", "onnx", "--no-verify", "-o", "out"
    )
    assert [one["path"] for one in exported] == ["out/small.onnx"]


def test_torchscript_says_that_pytorch_deprecates_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "specs/small.yaml", "--torchscript", "--no-verify"]) == 0
    assert "  note: " in (out := capsys.readouterr().out)
    assert "deprecate" in out


def test_check_prints_every_problem_of_every_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "specs/small.yaml", "resnet18"]) == 0
    assert capsys.readouterr() == ("2 files checked, no problems\n", "")
    Path("bad.yaml").write_text(RESIDUAL.replace("kernel_size", "kernal_size").replace("relu", "rleu"))
    assert cli.run(["check", "bad.yaml", "specs/small.yaml", "nowhere"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("error[unknown-field]") == 2
    assert printed.err.count("rleu") >= 1
    assert printed.err.count("error[unknown-target]") == 1
    assert printed.err.endswith("\n\n3 files checked, 4 problems in 2\n")


def test_check_takes_folders_with_shared_files_in_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", str(specs_folder())]) == 0
    number = len(list(specs_folder().rglob("*.yaml")))
    assert capsys.readouterr() == (f"{number} files checked, no problems\n", "")
    Path("specs/blocks").mkdir()
    Path("specs/blocks/wrong.yml").write_text("blocks:\n  a:\n    layers: [rellu]\n")
    Path("specs/.hidden").mkdir()
    Path("specs/.hidden/other.yaml").write_text("services: {}\n")
    assert cli.run(["check", "specs"]) == 2
    assert (
        capsys.readouterr().err
        == """\
specs/blocks/wrong.yml:3:14: error[unknown-block]: there is no operator or block 'rellu'
  |
3 |     layers: [rellu]
  |              ^^^^^
  = help: did you mean 'relu'?

2 files checked, 1 problem in 1
"""
    )


def test_check_takes_a_build_as_one_spec(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", "specs/small.yaml"]) == 0
    capsys.readouterr()
    assert cli.run(["check", "build/small"]) == 0
    assert capsys.readouterr() == ("1 file checked, no problems\n", "")


def test_check_annotates_pull_requests(capsys: pytest.CaptureFixture[str]) -> None:
    Path("100%, b:d.yaml").write_text("name: a\ninput: {channels: 3, height: 8, width: 8}\nlayers:\n  - rellu\n")
    Path("nothing.yaml").write_text("")
    assert cli.run(["check", "100%, b:d.yaml", "nothing.yaml", "nowhere", "--format", "github"]) == 2
    assert capsys.readouterr() == (
        "::error file=100%25%2C b%3Ad.yaml,line=4,col=5,endLine=4,endColumn=10,title=archc%3A unknown-block"
        "::there is no operator or block 'rellu'%0Ahelp: did you mean 'relu'?\n"
        "::error file=nothing.yaml,line=1,col=1,endLine=1,endColumn=1,title=archc%3A empty"
        "::there is no document here\n"
        "::error title=archc%3A unknown-target::there is no spec, build or bundled spec 'nowhere'"
        "%0Ahelp: `archc list` shows the bundled specs\n",
        "",
    )


def test_check_gives_scripts_the_same_problems(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed_json(capsys, "check", "specs/small.yaml") == {"problems": []}
    Path("bad.yaml").write_text(RESIDUAL.replace("out_channels: 8, kernel_size", "out_channels: 8, kernal_size"))
    assert cli.run(["check", "bad.yaml", "--format", "json"]) == 2
    printed = capsys.readouterr()
    (problem, *_) = json.loads(printed.out)["problems"]
    assert printed.err == ""
    assert {key: problem[key] for key in ("code", "message", "file", "line", "column", "help")} == {
        "code": "unknown-field",
        "message": "conv2d has no field 'kernal_size'",
        "file": "bad.yaml",
        "line": 7,
        "column": 44,
        "help": "did you mean 'kernel_size'?",
    }


def test_summary_of_a_spec_with_settings(capsys: pytest.CaptureFixture[str]) -> None:
    data = printed_json(capsys, "summary", "specs/small.yaml", "--set", "num_classes=100")
    graph = archc.compile("specs/small.yaml", num_classes=100)
    assert (data["name"], data["fingerprint"]) == ("small", fingerprint(graph))
    assert data["parameters"] == sum(layer["parameters"] for layer in data["layers"])
    assert data["layers"][0] == {
        "path": "conv1",
        "operator": "conv2d",
        "shape": ["batch", 8, 16, 16],
        "parameters": 216,
        "multiply_adds": 216 * 16 * 16,
        "activation_bytes": 4 * 8 * 16 * 16,
        "receptive_field": [3, 3],
        "effective_stride": [2, 2],
    }
    assert data["layers"][-1]["shape"] == ["batch", 100]
    assert cli.run(["summary", "specs/small.yaml"]) == 0
    text = capsys.readouterr().out
    assert all(layer["path"] in text for layer in data["layers"])
    assert (
        f"\nsmall: float32[batch, 3, 32, 32] -> float32[batch, 10]\n  parameters     {data['parameters'] - 1530:,} "
        in text
    )


def test_list_names_every_bundled_spec(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    data = printed_json(capsys, "list")
    specs = sorted((repository / "specs").glob("*.yaml")), sorted((repository / "specs" / "timm").glob("*.yaml"))
    names = [*(path.stem for path in specs[0]), *(f"timm/{path.stem}" for path in specs[1])]
    assert [entry["name"] for entry in data] == names
    assert cli.run(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *(entry["name"] for entry in data)]


def test_schema_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"name", "input", "layers", "stem", "stages", "head"} <= schema["properties"].keys()


def test_verify_gives_scripts_the_whole_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "specs/small.yaml", "--onnx", "-o", "out"]) == 0
    capsys.readouterr()
    (report,) = printed_json(capsys, "verify", "out/small.onnx")["reports"]
    assert (report["artefact"], report["verdict"], report["weights"]) == ("small.onnx", "passed", "calibrated twin")
    assert [row["runner"] for row in report["comparisons"]] == [
        "ONNX Runtime, not optimised",
        "ONNX Runtime, optimised",
    ]
    assert all(row["rms_error"] <= row["bound"] for row in report["comparisons"])
    assert all(row["batches"] in ([1, 2], [2]) for row in report["comparisons"])


def test_build_gives_scripts_its_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    data = printed_json(capsys, "build", "specs/small.yaml", "-o", "mine", "--seed", "4")
    assert (data.pop("folder"), data["seed"]) == ("mine", 4)
    assert data == json.loads(Path("mine/manifest.json").read_text())


def test_several_outputs_are_exported_and_proved(capsys: pytest.CaptureFixture[str]) -> None:
    Path("pyramid.yaml").write_text(TWO_OUTPUTS)
    (exported,) = printed_json(capsys, "export", "pyramid.yaml", "--onnx", "-o", "out")
    assert [row["output"] for row in exported["verification"]["comparisons"]] == ["coarse", "fine"] * 2


def test_the_version_is_printed() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"archc {archc.__version__}\n", "")


def test_nothing_to_do_shows_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert "Usage: archc" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["list"], ["schema"], ["summary", "resnet18"], ["list", "--format", "json"]])
def test_a_reader_that_stops_early_gets_no_traceback(arguments: list[str]) -> None:
    root = Path(archc.__file__).parent.parent
    read, write = os.pipe()
    os.close(read)
    done = subprocess.Popen(
        [sys.executable, "-m", "archc", *arguments],
        env={**os.environ, "PYTHONPATH": str(root)}, stdout=write, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)
    _, errors = done.communicate(timeout=60)
    assert errors == ""
    assert done.returncode in (0, 1, 141)


def test_an_interrupt_is_no_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import archc.builds.compilation

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archc.builds.compilation, "load_file", interrupted)
    assert cli.run(["check", "specs/small.yaml"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_progress_goes_to_a_terminal_on_standard_error_alone() -> None:
    """With a terminal as standard error the words of the progress appear there, and standard output stays clean."""
    import pty

    root = Path(archc.__file__).parent.parent
    master, terminal = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "archc", "export", "specs/small.yaml", "--onnx", "--format", "json"],
        env={**os.environ, "PYTHONPATH": str(root), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # how Linux says that the terminal is closed
        pass
    finally:
        os.close(master)
    out, _ = done.communicate(timeout=60)
    assert done.returncode == 0
    assert b"verifying small.onnx" in shown
    assert json.loads(out)[0]["path"] == "build/small/small.onnx"

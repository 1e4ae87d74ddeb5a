"""What is printed when something is wrong with the surroundings: words and an exit status, never a traceback."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

import archc
from archc import cli, files
from archc.cli.output import print_json
from archc.diagnostics.codes import CODES
from archc.reference.language import explanations
from archc.reference.words import SECTIONS
from tests.exporters.small_networks import RESIDUAL

ROOT = Path(archc.__file__).parent.parent


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)


def python(program: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=stdout,
        stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip


def main(*arguments: str, before: str = "") -> str:
    """A program that runs the command line as the installed script does."""
    return f"import sys\n{before}\nfrom archc.cli import main\nsys.argv = {['archc', *arguments]!r}\nmain()\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["--version"], ["list"], ["schema"], ["check", "small.yaml"]], ids=" ".join)
def test_an_output_that_is_full_is_told(arguments: list[str]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    done = python(main(*arguments), full)
    os.close(full)
    message = "error[cannot-write]: cannot read or write: No space left on device\n"
    assert (done.returncode, done.stderr) == (4, message)


def test_a_reader_that_is_gone_from_the_beginning_is_no_traceback() -> None:
    read, write = os.pipe()
    os.close(read)
    done = python(main("--version"), write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize(("module", "package"), [("typer", "typer"), ("yaml", "pyyaml"), ("numpy", "numpy")])
def test_a_package_that_is_missing_is_named_with_its_installation(module: str, package: str) -> None:
    missing = f"sys.modules[{module!r}] = None"
    done = python(main("build", "small.yaml", before=missing))
    assert (done.returncode, done.stderr) == (
        6,
        f"error[missing-dependency]: the package {module} is not installed\n  = help: pip install {package}\n",
    )
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform != "linux", reason="no other system limits a process's memory")
@pytest.mark.parametrize("megabytes", [250, 400])
def test_too_little_memory_to_load_a_framework_is_told(megabytes: int) -> None:
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({megabytes} << 20, {megabytes} << 20))"
    done = python(main("export", "small.yaml", "--onnx", before=limit))
    assert done.returncode == 6
    assert done.stderr.startswith("error[out-of-memory]: there is not enough memory"), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        ("ImportError('undefined symbol: f')", "missing-dependency", "PyTorch cannot be loaded: undefined symbol: f"),
        ("OSError('libc.so: cannot open')", "missing-dependency", "PyTorch cannot be loaded: libc.so: cannot open"),
        ("MemoryError()", "out-of-memory", "there is not enough memory to load PyTorch"),
    ],
)
def test_a_broken_installation_is_told(raised: str, code: str, told: str) -> None:
    Path("torch.py").write_text(f"raise {raised}\n")
    done = python(main("export", "small.yaml", "--onnx", before="sys.path.insert(0, '.')"))
    assert done.returncode == 6
    assert done.stderr.startswith(f"error[{code}]: {told}\n")


def test_a_part_of_archc_that_is_missing_is_our_own_mistake() -> None:
    done = python(main("build", "small.yaml", before="sys.modules['archc.elaborate'] = None"))
    assert "ModuleNotFoundError" in done.stderr


def test_an_interrupt_at_any_moment_is_no_traceback() -> None:
    interrupted = "import gc\ndef interrupt(*_): raise KeyboardInterrupt\ngc.set_threshold = interrupt"
    done = python(main("list", before=interrupted))
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("name", ["manifest.json", "spec.yaml", "model.safetensors", "graph.txt"])
def test_a_file_that_may_not_be_read_is_told(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["build", "small.yaml", "-o", "out"]) == 0
    capsys.readouterr()
    check = files._check_regular

    def refuse(path: str | os.PathLike[str], *rest: Any) -> None:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        check(path, *rest)

    # Root may read everything, so permissions alone would not do.
    monkeypatch.setattr(files, "_check_regular", refuse)
    assert cli.run(["verify", "out"]) == 3
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(f"cannot read out/{name}: Permission denied\n")


@pytest.mark.parametrize("option", [["--format", "json"], ["--format=json"]], ids=["two words", "one word"])
def test_a_failure_is_json_for_a_script(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["build", "small.yaml", "--ignore", "x", *option]) == 2
    printed = capsys.readouterr()
    assert printed.err == ""
    ((problem),) = json.loads(printed.out)["problems"]
    assert problem["code"] == "bad-option"


def test_json_holds_no_number_that_json_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [float("nan"), (float("inf"), 1.5)], "b": {"c": -float("inf")}})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": [None, [None, 1.5]],
        "b": {"c": None},
    }


def test_printed_lines_can_be_pasted_into_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    folder = "it's a build"
    assert cli.run(["build", "small.yaml", "-o", folder]) == 0
    (following,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("next: ")]
    assert shlex.split(following) == ["next:", "archc", "export", folder, "--onnx"]
    assert cli.run(["export", folder, "--onnx", "--no-verify"]) == 0
    (run,) = [line for line in capsys.readouterr().out.splitlines() if "trtexec" in line]
    assert shlex.split(run)[1] == f"--onnx={folder}/small.onnx"


def test_check_leaves_out_what_builds_in_a_folder_hold(capsys: pytest.CaptureFixture[str]) -> None:
    Path("specs").mkdir()
    Path("small.yaml").rename("specs/small.yaml")
    assert cli.run(["build", "specs/small.yaml", "-o", "specs/out"]) == 0
    capsys.readouterr()
    assert cli.run(["check", "specs"]) == 0
    assert capsys.readouterr().out == "1 file checked, no problems\n"


def test_explain_alone_lists_every_word_and_every_code_the_operators_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain"]) == 0
    *tables, language, codes = [section.splitlines() for section in capsys.readouterr().out.split("\n\n")]
    listed = {header: [line.split()[0] for line in rows] for header, *rows in (*tables, codes)}
    operators = (header.strip() for header in listed)
    assert next(operators) == "operator"
    assert list(listed.values()) == [*map(list, SECTIONS.values()), list(CODES)]
    assert " ".join(language[1:]).replace(",", " ").split() == list(explanations())


def test_view_shows_a_spec_with_its_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnx

    from archc.builds import viewing

    shown: list[object] = []

    def serve(path: Path, port: int, browse: bool, tell: object) -> None:
        shown.append(onnx.load(path).graph.output[0].type.tensor_type.shape.dim[1].dim_value)

    monkeypatch.setattr(viewing, "_serve", serve)
    assert cli.run(["view", "small.yaml", "--set", "num_classes=7", "--seed", "3", "--no-browse"]) == 0
    assert shown == [7]


def test_an_export_tells_scripts_the_opset_and_the_notice(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["export", "small.yaml", "--onnx", "--torchscript", "--no-verify", "--format", "json"]
    assert cli.run(command) == 0
    onnx, torchscript = json.loads(capsys.readouterr().out)
    assert (onnx["opset"], onnx["notice"], torchscript["opset"]) == (18, None, None)
    assert "deprecate" in torchscript["notice"]


STEERING = (
    "\x1b[31m\x9b2J\u202e\x85\x00"  # an escape sequence, one in a single character, a bidi override, a C1 line end
)


def assert_harmless(done: subprocess.CompletedProcess[str]) -> None:
    shown = done.stdout + done.stderr
    assert "\\x1b[31m\\x9b2J\\u202e" in shown
    assert [character for character in shown if not character.isprintable() and character != "\n"] == []


@pytest.mark.parametrize(
    "arguments",
    [["list", "TEXT"], ["verify", "--TEXT"], ["TEXT"], ["explain", "TEXT"], ["check", "TEXT"], ["verify", "TEXT"],
     ["build", "small.yaml", "--set", "TEXT=1"], ["build", "small.yaml", "-o", "TEXT"]],
    ids=" ".join,
)  # fmt: skip
def test_arguments_that_steer_a_terminal_are_shown_as_python_writes_them(arguments: list[str]) -> None:
    given = [argument.replace("TEXT", STEERING.replace("\0", "")) for argument in arguments]
    assert_harmless(python(main(*given)))


@pytest.mark.parametrize("alarm", ["warnings.warn(TEXT)", "raise RuntimeError(TEXT)"])
def test_warnings_and_tracebacks_of_packages_do_not_steer_a_terminal(alarm: str) -> None:
    Path("numpy.py").write_text(f"import warnings\n{alarm.replace('TEXT', repr(STEERING))}\n")
    assert_harmless(python(main("build", "small.yaml", before="sys.path.insert(0, '.')")))


@pytest.mark.parametrize("place", ["exporter", "an option", "a file", "a key"])
def test_texts_of_a_manifest_do_not_steer_a_terminal(place: str) -> None:
    assert cli.run(["build", "small.yaml", "-o", "out"]) == 0
    assert cli.run(["export", "out", "--onnx", "--no-verify"]) == 0
    manifest = json.loads(Path("out/manifest.json").read_text())
    export = manifest["exports"]["small.onnx"]
    match place:
        case "exporter":
            export["exporter"] = STEERING
        case "an option":
            export[STEERING] = STEERING
        case "a file":
            manifest["files"][STEERING] = "0"
        case _:
            manifest[STEERING] = 1
    Path("out/manifest.json").write_text(json.dumps(manifest))
    assert_harmless(python(main("verify", "out")))


@pytest.mark.parametrize("place", ["op_type", "domain"])
def test_texts_of_an_onnx_file_do_not_steer_a_terminal(place: str) -> None:
    assert cli.run(["export", "small.yaml", "--onnx", "--no-verify", "-o", "out"]) == 0
    model = onnx.load("out/small.onnx")
    setattr(model.graph.node[0], place, STEERING)
    Path("theirs.onnx").write_bytes(model.SerializeToString())
    assert_harmless(python(main("verify", "theirs.onnx", "--against", "small.yaml")))

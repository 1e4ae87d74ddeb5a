"""An exporter of another package, with options of its own, is like any other."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.exporters.small_networks import RESIDUAL

PLUG_IN = """\
from dataclasses import replace

from pydantic import Field

from archc.exporters.onnx import EXPORTER as ONNX
from archc.exporting import Exporter, Options


class AnnotatedOptions(Options):
    remark: str = Field(default="", description="Words to put into the file.")
    join_norms: bool = Field(default=True, description="Join norms.", json_schema_extra={"flag": "join"})


def onnx(options):
    return ONNX.asked(fold_batch_norm=options.join_norms)


EXPORTER = Exporter(
    name="annotated",
    suffix=".a.pt",
    summary="ONNX with a remark.",
    write=lambda network, file, options, companions=None: ONNX.write(network, file, onnx(options), companions),
    open=lambda path, options=AnnotatedOptions(): ONNX.open(path, onnx(options)),
    usage=ONNX.usage,
    options=AnnotatedOptions,
)
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)
    information = Path("packages/annotated-1.dist-info")
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: annotated\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[archc.exporters]\nannotated = annotated_exporter:EXPORTER\n")
    Path("packages/annotated_exporter.py").write_text(PLUG_IN)


def python(program: str) -> list[str]:
    """The lines that a program prints where the package is installed."""
    paths = [str(Path("packages").absolute()), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_its_flags_are_in_the_help_of_export() -> None:
    lines = [line.split() for line in python("from archc import cli; cli.run(['export', '-h'])")]
    assert ["--annotated", "ONNX", "with", "a", "remark."] in lines
    assert ["--remark", "<str>", "Words", "to", "put", "into", "the", "file."] in lines
    assert ["--join", "/", "--no-join", "Join", "norms.", "[default:", "join]"] in lines


def test_it_is_listed_written_recorded_opened_and_verified() -> None:
    lines = python(
        """
from archc import cli
assert cli.run("export small.yaml --annotated --onnx --remark hello --no-join -o out".split()) == 0
assert cli.run("verify out".split()) == 0
assert cli.run("export small.yaml --to annotate".split()) == 2
assert cli.run("export small.yaml --pt2 --no-join".split()) == 2
"""
    )
    assert "small.a.pt: passed" in lines
    exports = json.loads(Path("out/manifest.json").read_text())["exports"]
    options = {"remark": "hello", "join_norms": False}
    assert exports["small.a.pt"] == {"exporter": "annotated", **options, "verdict": "passed", "companions": []}
    assert exports["small.onnx"].keys() == {"exporter", "opset", "fold_batch_norm", "verdict", "companions"}


def test_its_options_are_keywords_of_the_function() -> None:
    lines = python(
        """
import archc
print(archc.export("small.yaml", "small.a.pt", remark="hello", join_norms=False).verdict.value)
for options in ({"remark": 3}, {"opset": 18}, {"opset": 19}):
    try:
        archc.export("small.yaml", "other.a.pt", verify=False, **options)
        print("written")
    except archc.UsageError as error:
        print(error.diagnostics[0].message)
"""
    )
    assert lines == [
        "passed",
        "remark= cannot be 3: input should be a valid string",
        "opset= means nothing for .a.pt files",
        "opset= means nothing for .a.pt files",
    ]

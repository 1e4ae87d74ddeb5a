"""`archc lift package.module:factory` prints a spec, or writes it, and tells what it was compared by."""

import json
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

import archc
from archc.cli import run

FACTORY = "tests.lifting.networks:Dense"
SIZES = ["--input", "3x32x32"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def test_the_spec_is_printed_and_what_it_holds_for_is_told_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lift", FACTORY, *SIZES]) == 0
    printed = capsys.readouterr()
    Path("dense.yaml").write_text(printed.out)
    assert archc.compile("dense.yaml").name == "dense"
    told = "equal at 3×3×16×20 and 2×3×16×20 too"
    assert printed.err == f"note: this runs your own Python: {FACTORY}\nnote: {told}\n"


def test_a_spec_that_is_written_is_compared_with_its_module(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lift", FACTORY, *SIZES, "-o", "dense.yaml", "--weights", "dense.safetensors"]) == 0
    printed = capsys.readouterr().out
    lines = len(Path("dense.yaml").read_text().splitlines())
    assert printed.endswith(f"dense.yaml: spec of {lines} lines\n")
    assert "equal" in printed
    with safe_open("dense.safetensors", "np") as file:
        assert set(file.keys()) == {each.path for each in archc.compile("dense.yaml").parameters()}
    assert run(["verify", "dense.yaml", "--against", FACTORY]) == 0
    assert run(["build", "dense.yaml", "--weights", "dense.safetensors"]) == 0


def test_the_weights_are_those_of_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    text = "from torch import nn\nnet = nn.Sequential(nn.Linear(2, 3))\nnn.init.constant_(net[0].weight, 0.25)\n"
    Path("kept.py").write_text(text)
    assert run(["lift", "kept:net", "--input", "2", "-o", "net.yaml", "--weights", "net.safetensors"]) == 0
    with safe_open("net.safetensors", "np") as file:
        assert (file.get_tensor("0.weight") == 0.25).all()
    sys.modules.pop("kept")


def test_json_holds_the_spec_and_the_comparison(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lift", FACTORY, *SIZES, "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data) == ["name", "flat", "spec", "notes", "comparison"]
    assert (data["name"], data["flat"], data["comparison"]["verdict"]) == ("dense", False, "equal")
    assert data["spec"].startswith("name: dense\n")


def test_a_flat_spec_has_no_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lift", FACTORY, *SIZES, "--flat"]) == 0
    assert "blocks:" not in capsys.readouterr().out


def test_arguments_reach_the_factory(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lift", FACTORY, *SIZES, "--arg", "growth=6", "-o", "dense.yaml"]) == 0
    shapes = {each.path: each.shape for each in archc.compile("dense.yaml").parameters()}
    assert shapes["layers.0.conv.weight"] == (6, 8, 3, 3)


MISTAKES = {
    "no sizes": ([FACTORY, "--input", "large"], "'large' is no shape, such as 3x224x224 or mask=1x64x64"),
    "a size of zero": ([FACTORY, "--input", "3x0x8"], "'3x0x8' is no shape"),
    "no module": (["nowhere:Net"], "there is no Python module 'nowhere'"),
    "no factory": (["tests.lifting.networks:Dens"], "has no 'Dens'"),
    "no reference": (["tests.lifting.networks"], "is not of the form package.module:factory"),
    "no argument": ([FACTORY, "--arg", "depth=3"], "unexpected keyword argument 'depth'"),
    "another input": ([FACTORY, "--input", "1x32x32"], "running the module failed: RuntimeError"),
}


@pytest.mark.parametrize(("arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_and_nothing_is_written(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lift", *arguments, "-o", "net.yaml"]) == 2
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("net.yaml").exists()


def test_what_has_no_word_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n        return torch.cumsum(x, 1)\n"
    Path("strange.py").write_text(text)
    assert run(["lift", "strange:Net", "--input", "3x8x8", "-o", "net.yaml"]) != 0
    error = capsys.readouterr().err
    assert "the language has no word for cumsum" in error
    assert "cumsum: in the network, called at strange.py:4 in Net.forward" in error
    assert "strange.py:" in error
    assert not Path("net.yaml").exists()
    sys.modules.pop("strange")

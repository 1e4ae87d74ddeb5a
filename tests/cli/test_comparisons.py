"""`archc verify SPEC --against package.module:factory` prints what was compared, on what, and where both part."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

import archc
from archc.builds.targets import is_factory
from archc.cli import run
from archc.cli.settings import parse_arguments
from archc.compare import Verdict
from tests.compare.networks import SPEC, Small

FACTORY = "tests.compare.networks:Small"


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.yaml").write_text(SPEC)
    (tmp_path / "other.yaml").write_text(SPEC.replace("bn1}", "bn1, eps: 1e-3}"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize(("spec", "status"), [("small", 0), ("other", 5)])
def test_the_result_is_printed_as_recorded(
    spec: str, status: int, capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None], repository: Path
) -> None:
    assert run(["verify", f"{spec}.yaml", "--against", FACTORY]) == status
    printed = capsys.readouterr()
    assert printed.err == f"note: this runs your own Python: {FACTORY}\n"
    golden(f"compared_{spec}.txt", printed.out.replace(f"{repository}/", ""))


def test_json_holds_checks_differences_and_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "other.yaml", "--against", FACTORY, "--format", "json"]) == 5
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "different"
    assert [check["name"] for check in data["checks"]] == [
        "keys", "key order", "parameters", "constants", "outputs", "training", "randomness",
    ]  # fmt: skip
    (difference,) = data["differences"]
    assert difference["path"] == "layer.0.bn1"
    assert difference["spec"] == "batch_norm layer.0.bn1 (other.yaml:8)"


def test_arguments_of_the_factory_are_scalars_of_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "small.yaml", "--against", FACTORY, "--arg", "num_classes=6"]) == 5
    assert "aux.weight is [5, 12] in the spec, and [6, 12] in the module" in capsys.readouterr().out
    texts = ["a=1e-3", "b=true", "c=no", "d='3'", "e=", "f=0x10"]
    assert parse_arguments(texts) == {"a": 1e-3, "b": True, "c": "no", "d": "3", "e": None, "f": 16}


def test_a_module_is_compared_from_python() -> None:
    found = archc.verify("small.yaml", Small())
    assert found.verdict is Verdict.EQUAL
    with pytest.raises(archc.UsageError, match="a module is compared under drawn weights"):
        archc.verify("small.yaml", Small(), weights={})
    with pytest.raises(archc.UsageError, match="against= cannot be of type type"):
        archc.verify("small.yaml", nn.Module)  # type: ignore[call-overload]


@pytest.mark.parametrize("text", ["mine:build", "package.module:Net", "package.module:Net.small", "größe:bauen"])
def test_a_factory_is_told_by_its_form(text: str) -> None:
    assert is_factory(text)


@pytest.mark.parametrize(
    "text",
    ["net.yaml:preset", "net.yml:preset", "resnet18:wide", r"C:\net.yaml", "C:/net", "mine", "mine:", ":x", "a:b:c"],
)
def test_a_file_a_drive_or_a_preset_is_no_factory(text: str) -> None:
    assert not is_factory(text)


def test_a_file_of_that_name_is_a_file() -> None:
    Path("mine:build").write_text(SPEC)
    assert not is_factory("mine:build")

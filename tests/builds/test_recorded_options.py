"""The options in a manifest are those that the artefact's exporter has, and older manifests are still read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archc import cli, exporting
from archc.exporting import exporters
from tests.exporters.small_networks import RESIDUAL

MANIFEST = Path("out/manifest.json")


@pytest.fixture(autouse=True)
def _exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)
    options = ["--no-fold", "--external-data", "--no-verify", "-o", "out"]
    assert cli.run(["export", "small.yaml", "--onnx", "--torchscript", *options]) == 0
    capsys.readouterr()


def edit(name: str, **values: Any) -> None:
    manifest = json.loads(MANIFEST.read_text())
    manifest["exports"][name] |= values
    MANIFEST.write_text(json.dumps(manifest))


def test_a_manifest_holds_the_options_of_each_exporter_in_the_order_of_its_fields() -> None:
    exports = json.loads(MANIFEST.read_text())["exports"]
    companions = exports["small.onnx"].pop("companions")
    assert [Path("out", name).is_file() for name in companions] == [True]
    assert list(exports["small.onnx"].items()) == [
        ("exporter", "onnx"), ("opset", 18), ("fold_batch_norm", False), ("verdict", None),
    ]  # fmt: skip
    assert exports["small.pt"] == {"exporter": "torchscript", "verdict": None, "companions": []}


def test_a_manifest_that_holds_the_options_of_all_exporters_is_read() -> None:
    edit("small.pt", opset=None, fold_batch_norm=False)
    assert cli.run(["verify", "out"]) == 0
    assert cli.run(["verify", "out/small.pt"]) == 0


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("small.onnx", {"opset": "new"}, "exports: small.onnx: opset: Input should be a valid integer"),
        ("small.onnx", {"opsett": 18}, "exports: small.onnx: opsett: Extra inputs are not permitted"),
        ("small.pt", {"opset": 18}, "exports: small.pt: opset: Extra inputs are not permitted"),
    ],
)
def test_an_option_that_the_exporter_does_not_have_or_take_is_damage(
    name: str, values: dict[str, Any], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(name, **values)
    assert cli.run(["verify", "out"]) == 3
    assert capsys.readouterr().err == f"error[bad-manifest]: out/manifest.json is damaged: {reason}\n"


@pytest.mark.parametrize("order", [("longer", "torchscript"), ("torchscript", "longer")])
def test_a_file_belongs_to_the_exporter_with_the_longest_suffix(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {**exporters(), "longer": replace(exporters()["torchscript"], name="longer", suffix=".a.pt")}
    monkeypatch.setattr(exporting, "exporters", lambda: {name: known[name] for name in order})
    found = [exporting.exporter_of(name) for name in ("x.a.pt", "x.pt", "x.onnx")]
    assert [exporter and exporter.name for exporter in found] == ["longer", "torchscript", None]

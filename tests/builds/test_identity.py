"""The identity of a build is that of its tensors: artefacts of others do not stay as passed, and that is said."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from archc import cli
from archc.builds.manifest import read_manifest
from archc.builds.options import WeightOptions
from archc.builds.production import ExportRequest, write_build, write_exports
from archc.builds.targets import find_target
from archc.diagnostics import UsageError
from archc.weights import open_weights, write_safetensors

SPEC = """\
name: twins
input: {channels: 4, height: 6, width: 6}
parameters:
  wide: bool = false
layers:
  - when: $wide
    then: [{conv2d: {name: left, out_channels: 4, kernel_size: 3, padding: 1, init: {weight: {normal: {std: 2.0}}}}}]
    else: [{conv2d: {name: left, out_channels: 4, kernel_size: 3, padding: 1, init: {weight: {normal: {std: 0.5}}}}}]
  - relu
  - conv2d: {name: right, out_channels: 4, kernel_size: 3, padding: 1}
"""
SWAP = (("left", "middle"), ("right", "left"), ("middle", "right"))
OTHER_WEIGHTS = ["out/twins.onnx is removed: it has other weights"]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("twins.yaml").write_text(SPEC)
    write_build(find_target("twins.yaml"), Path("source"), WeightOptions(seed=7), {})
    Path("given.safetensors").write_bytes(Path("source/model.safetensors").read_bytes())
    Path("with more.safetensors").write_bytes(b"")
    with Path("with more.safetensors").open("wb") as file:
        write_safetensors(file, {**open_weights("given.safetensors"), "more": np.zeros(1, np.float32)})


def build(weights: WeightOptions, settings: Mapping[str, str] | None = None, target: str = "twins.yaml") -> list[str]:
    """Build into `out`; what is said of older artefacts."""
    said: list[str] = []
    write_build(find_target(target), Path("out"), weights, settings or {}, notice=said.append)
    return said


def export(
    weights: WeightOptions = WeightOptions(),  # noqa: B008
    formats: Sequence[str] = ("onnx",),
    target: str = "out",
    settings: Mapping[str, str] | None = None,
) -> list[str]:
    """Export into `out`; what is said of older artefacts."""
    said: list[str] = []
    request = ExportRequest(find_target(target), formats, Path("out"), weights, settings or {}, {}, verify=False)
    write_exports(request, notice=said.append)
    return said


def given(
    file: str | None = "given.safetensors",
    *,
    seed: int | None = None,
    ignore: Sequence[str] = (),
    rename: Sequence[tuple[str, str]] = (),
    state_dict: Mapping[str, object] | None = None,
) -> WeightOptions:
    return WeightOptions(Path(file) if file else None, seed, ignore, rename, state_dict)


def numbers(scale: float) -> WeightOptions:
    """A `state_dict` from Python."""
    stored = open_weights("given.safetensors")
    return given(None, state_dict={key: stored[key] * np.float32(scale) for key in stored})


def edited(old: str, new: str) -> str:
    Path("edited.yaml").write_text(SPEC.replace(old, new))
    return "edited.yaml"


CASES = {
    "seed": lambda: (given(None, seed=0), given(None, seed=1), "twins.yaml", {}),
    "init": lambda: (given(None), given(None), edited("normal: {std: 0.5}", "orthogonal: {gain: 0.5}"), {}),
    "set": lambda: (given(None), given(None), "twins.yaml", {"wide": "true"}),
    "default": lambda: (given(None), given(None), edited("bool = false", "bool = true"), {}),
    "rename": lambda: (given(), given(rename=SWAP), "twins.yaml", {}),
    "ignore": lambda: (given(), given(ignore=("left.*",)), "twins.yaml", {}),
    "seed of what is ignored": lambda: (
        given(ignore=("left.*",)), given(ignore=("left.*",), seed=1), "twins.yaml", {},
    ),
    "init of what is ignored": lambda: (
        given(ignore=("left.*",)), given(ignore=("left.*",)), "twins.yaml", {"wide": "true"},
    ),
    "state_dict": lambda: (numbers(1), numbers(2), "twins.yaml", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_build_of_other_tensors_keeps_no_artefact_and_says_so(case: str) -> None:
    first, second, target, settings = CASES[case]()
    assert build(first) == []
    assert export() == []
    assert build(first) == []
    assert set(read_manifest(Path("out")).exports) == {"twins.onnx"}, "the same tensors keep theirs"
    assert build(second, settings, target) == OTHER_WEIGHTS
    assert (read_manifest(Path("out")).exports, Path("out/twins.onnx").exists()) == ({}, False)


@pytest.mark.parametrize("case", CASES)
def test_an_export_of_other_tensors_does_not_go_into_a_build(case: str) -> None:
    first, second, target, settings = CASES[case]()
    build(first)
    assert export(first, target="twins.yaml") == []
    with pytest.raises(UsageError, match="out is a build of another network or of other weights"):
        export(second, target=target, settings=settings)


@pytest.mark.parametrize("case", CASES)
def test_an_export_of_other_tensors_beside_older_ones_takes_those_away_and_says_so(case: str) -> None:
    first, second, target, settings = CASES[case]()
    assert export(first, ("onnx",), "twins.yaml") == []
    assert export(first, ("torchscript",), "twins.yaml") == []
    assert export(second, ("torchscript", "pt2"), target, settings) == OTHER_WEIGHTS
    assert set(read_manifest(Path("out")).exports) == {"twins.pt", "twins.pt2"}


def test_what_decides_nothing_takes_nothing_away() -> None:
    build(given("with more.safetensors", ignore=("more",)))
    export()
    assert build(given("with more.safetensors", ignore=("mor*",))) == []
    assert build(given("with more.safetensors", ignore=("more",)), {"wide": "true"}) == [], "nothing is drawn"
    assert build(WeightOptions(), target="out") == [], "a build from itself"
    assert set(read_manifest(Path("out")).exports) == {"twins.onnx"}


def forget_tensors() -> None:
    """Make the manifest what an older archc wrote."""
    data = json.loads(Path("out/manifest.json").read_text())
    del data["tensors"]
    Path("out/manifest.json").write_text(json.dumps(data))


UNKNOWN = "the manifest.json of an older archc does not tell which weights it has"


@pytest.mark.parametrize("target", ["twins.yaml", "out"])
def test_a_manifest_that_does_not_tell_its_tensors_keeps_no_artefact(target: str) -> None:
    build(given(None))
    export()
    forget_tensors()
    assert build(WeightOptions(), target=target) == [f"out/twins.onnx is removed: {UNKNOWN}"]
    assert read_manifest(Path("out")).exports == {}


def test_an_export_of_an_older_build_calls_its_other_artefacts_passed_no_longer() -> None:
    build(given(None))
    assert cli.run(["export", "out", "--onnx"]) == 0
    forget_tensors()
    assert export(formats=["torchscript"]) == [
        f"out/twins.onnx is no longer called passed: {UNKNOWN}; `archc verify out` verifies it"
    ]
    assert read_manifest(Path("out")).exports["twins.onnx"].verdict is None
    assert json.loads(Path("out/parity.json").read_text()) == {}
    assert cli.run(["verify", "out"]) == 0


def test_the_command_line_says_what_it_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "twins.yaml", "-o", "out", "--onnx", "--torchscript", "--no-verify"]) == 0
    Path("out/twins.pt").write_bytes(b"mine")
    capsys.readouterr()
    assert cli.run(["build", "twins.yaml", "-o", "out", "--seed", "1"]) == 0
    assert capsys.readouterr().err == (
        "note: out/twins.onnx is removed: it has other weights\n"
        "note: out/twins.pt is changed and no longer part of the build: it has other weights\n"
    )

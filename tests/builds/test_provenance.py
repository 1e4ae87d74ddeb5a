"""A build stays what it was built as: its weights, its parameters, and what its manifest says of them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import archc
from archc import cli
from archc.builds import viewing
from archc.builds.hashing import sha256_of
from archc.builds.manifest import Manifest, read_manifest
from archc.builds.options import WeightOptions
from archc.builds.production import ExportRequest, write_build, write_exports
from archc.builds.proof import ProofOptions, verify_artefact
from archc.builds.targets import find_target
from archc.diagnostics import BuildError, UsageError
from archc.exporting import Artefact, exporters
from archc.weights import open_weights
from tests.exporters.small_networks import RESIDUAL

SOURCE_WEIGHTS = Path("source/model.safetensors")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)
    build("small.yaml", "source", seed=9)


def build(target: str, folder: str, *, seed: int | None = None, **settings: str) -> Manifest:
    """A spec without a seed is given the weights of `source`."""
    given = SOURCE_WEIGHTS if seed is None and target.endswith(".yaml") else None
    _, manifest = write_build(find_target(target), Path(folder), WeightOptions(given, seed), settings)
    return manifest


def export(target: str, folder: str | None = None) -> None:
    request = ExportRequest(
        find_target(target), ["onnx"], Path(folder) if folder else None, WeightOptions(), {}, {},
        verify=False,
    )  # fmt: skip
    write_exports(request)


def flip(path: str) -> None:
    data = bytearray(Path(path).read_bytes())
    data[-1] ^= 1
    Path(path).write_bytes(data)


@pytest.mark.parametrize("options", [["--set", "num_classes=10"], ["--seed", "0"]], ids=["set", "seed"])
@pytest.mark.parametrize(
    "command",
    [
        ["export", "given", "--onnx"],
        ["build", "given", "-o", "other"],
        ["verify", "given"],
        ["verify", "given/small.onnx"],
        ["view", "given", "--no-browse"],
    ],
    ids=lambda command: command[0],
)
def test_a_build_takes_neither_parameters_nor_a_seed(
    command: list[str], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    build("small.yaml", "given")
    export("given")
    before = {path: path.read_bytes() for path in Path("given").iterdir()}
    capsys.readouterr()
    assert cli.run([*command, *options]) == 2
    assert capsys.readouterr().err == (
        "error[bad-option]: given is a build, so its parameters and weights are fixed, and it takes no "
        f"{options[0]}\n  = help: build the spec anew with {options[0]}\n"
    )
    assert {path: path.read_bytes() for path in Path("given").iterdir()} == before


def test_a_build_of_a_build_says_where_its_weights_came_from() -> None:
    given = build("small.yaml", "given")
    assert given.weights == sha256_of(SOURCE_WEIGHTS)
    build("given", "copy")
    assert Path("copy/manifest.json").read_bytes() == Path("given/manifest.json").read_bytes()
    build("source", "copy of source")
    assert Path("copy of source/manifest.json").read_bytes() == Path("source/manifest.json").read_bytes()
    export("given", "exported")
    exported = read_manifest(Path("exported"))
    assert (exported.weights, exported.fresh) == (given.weights, False)


@pytest.mark.parametrize("name", ["spec.yaml", "model.safetensors"])
def test_nothing_is_made_of_a_build_that_was_changed(name: str) -> None:
    export("source")
    flip(f"source/{name}")
    artefact = Path("source/small.onnx").read_bytes()
    for attempt in (
        lambda: export("source"),
        lambda: export("source", "elsewhere"),
        lambda: build("source", "elsewhere"),
        lambda: verify_artefact(
            Path("source/small.onnx"), None, WeightOptions(), {}, ProofOptions(), lambda message: None
        ),
    ):
        with pytest.raises(BuildError, match=rf"^error\[changed-file\]: source/{name} is not the file that was built"):
            attempt()
    assert Path("source/small.onnx").read_bytes() == artefact
    assert not Path("elsewhere").exists()


def test_an_artefact_that_was_changed_is_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:

    export("source")
    flip("source/small.onnx")

    def opened(path: Path, options: object = None) -> Artefact:
        raise AssertionError("it was opened")

    monkeypatch.setitem(exporters(), "onnx", replace(exporters()["onnx"], open=opened))
    with pytest.raises(BuildError, match=r"small\.onnx is not the file that was built"):
        verify_artefact(Path("source/small.onnx"), None, WeightOptions(), {}, ProofOptions(), lambda message: None)


def test_a_seed_needs_something_to_draw() -> None:
    with pytest.raises(UsageError, match="nothing is drawn from a seed"):
        write_build(find_target("small.yaml"), Path("out"), WeightOptions(SOURCE_WEIGHTS, 0), {})
    assert not Path("out").exists()


def test_a_head_of_another_size_is_drawn_where_the_old_one_is_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["build", "small.yaml", "--set", "num_classes=7", "--weights", str(SOURCE_WEIGHTS), "--ignore", "fc.*"]
    assert cli.run([*command, "-o", "tuned", "--seed", "4"]) == 0
    assert "  weights: as given, but 2 tensors initialised, seed 4: fc.weight, fc.bias\n" in capsys.readouterr().out
    manifest = json.loads(Path("tuned/manifest.json").read_text())
    assert (manifest["initialised"], manifest["seed"], manifest["weights"]) == (
        ["fc.weight", "fc.bias"],
        4,
        sha256_of(SOURCE_WEIGHTS),
    )
    build("small.yaml", "fresh", seed=4, num_classes="7")
    tuned, fresh, source = (open_weights(f"{name}/model.safetensors") for name in ("tuned", "fresh", "source"))
    np.testing.assert_array_equal(tuned["fc.weight"], fresh["fc.weight"])
    np.testing.assert_array_equal(tuned["conv1.weight"], source["conv1.weight"])
    assert cli.run([*command, "-o", "other"]) == 0
    assert not read_manifest(Path("other")).same_network(read_manifest(Path("tuned")))


def test_the_manifest_tells_the_opset_and_the_packages_of_an_artefact() -> None:
    export("source")
    manifest = read_manifest(Path("source"))
    assert manifest.exports["small.onnx"].options == {"opset": 18, "fold_batch_norm": True}
    assert set(manifest.versions) == {"archc", "numpy", "onnx"}


def test_the_sensitivity_is_kept_in_the_manifest_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "source", "--onnx"]) == 0
    assert "sensitivity" not in json.loads(Path("source/manifest.json").read_text())
    assert cli.run(["export", "source", "--onnx", "--sensitivity"]) == 0
    assert "the smallest relative change of a block's weights that would be noticed" in capsys.readouterr().out
    told = json.loads(Path("source/manifest.json").read_text())["sensitivity"]
    assert list(told) == ["conv1", "bn1", "layer1.0", "layer2.0", "layer2.0.downsample", "layer2.1", "fc"]
    assert all(0 < float(text) < 1 and len(text) == len("3e-06") for text in told.values())


@pytest.mark.parametrize("command", ["check", "summary"])
def test_a_command_that_needs_no_weights_takes_no_parameters_for_a_build_either(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([command, "source", "--set", "num_classes=3"]) == 2
    assert "source is a build, so its parameters and weights are fixed" in capsys.readouterr().err


def test_only_an_artefact_that_the_manifest_knows_is_viewed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Path] = []
    monkeypatch.setattr(viewing, "_serve", lambda path, port, browse, tell: shown.append(path))
    Path("source/another.onnx").write_bytes(b"not ours")
    viewing.view(Path("source"), WeightOptions(), {}, 0, False, print)
    assert cli.run(["export", "source", "--onnx", "--no-verify"]) == 0
    viewing.view(Path("source"), WeightOptions(), {}, 0, False, print)
    assert [path.name for path in shown] == ["small.onnx", "small.onnx"]
    assert [path.parent == Path("source") for path in shown] == [False, True]
    Path("source/small.onnx").write_bytes(b"changed")
    with pytest.raises(BuildError, match="not the file that was built"):
        viewing.view(Path("source"), WeightOptions(), {}, 0, False, print)


def test_weights_are_hashed_where_a_manifest_names_them_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []
    real = sha256_of

    def noted(path: Path) -> str:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr("archc.builds.hashing.sha256_of", noted)
    archc.build("small.yaml", SOURCE_WEIGHTS)
    archc.export("small.yaml", "small.onnx", weights=SOURCE_WEIGHTS)
    assert not hashed
    _, manifest = write_build(find_target("small.yaml"), Path("copy"), WeightOptions(SOURCE_WEIGHTS), {})
    assert hashed == [SOURCE_WEIGHTS]
    assert manifest.weights == real(SOURCE_WEIGHTS)

"""`--outputs` and `outputs=`: a cut network is built, exported, proved, and known by its build."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import archc
from archc.cli import run
from archc.weights import open_weights

SPEC = """\
name: small
input: {channels: 3, height: 16, width: 16}
layers:
  - conv_norm_act: {name: stem, out_channels: 4}
  - basic: {name: layer1, count: 2, width: 4}
  - basic: {name: layer2, count: 2, width: 8, stride: 2}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {name: fc, out_features: 10}
"""
LEFT_OUT = (
    "note: 14 of the given tensors belong to what the outputs do not need: "
    "layer2.1.bn1.num_batches_tracked, layer2.1.bn2.num_batches_tracked, fc.bias, fc.weight, layer2.1.bn1.bias "
    "and 9 more\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC)


def image() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).standard_normal((2, 3, 16, 16)).astype(np.float32))


def test_cutting_resnet50_gives_what_its_features_give() -> None:
    stages = {"layer1": "c2", "layer2": "c3", "layer3": "c4", "layer4": "c5"}
    cut, features = archc.build("resnet50", outputs=stages).eval(), archc.build("resnet50_features").eval()
    assert list(cut.state_dict()) == list(features.state_dict())
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 3, 64, 64)).astype(np.float32))
    with torch.no_grad():
        found, expected = cut(x), features(x)
    assert found._fields == tuple(stages)
    for name, other in stages.items():
        assert torch.equal(getattr(found, name), getattr(expected, other))


def test_the_values_are_those_inside_the_whole_network() -> None:
    whole = archc.build("small.yaml").eval()
    seen: dict[str, torch.Tensor] = {}

    def note(path: str, module: object, given: object, out: torch.Tensor) -> None:
        seen[path] = out

    for path in ("layer1", "layer2.0", "layer2.1.conv1"):
        whole.get_submodule(path).register_forward_hook(partial(note, path))
    cut = archc.build("small.yaml", outputs=["layer2.1.conv1", "layer1", "layer2.0"]).eval()
    with torch.no_grad():
        whole(image())
        found = cut(image())
    assert found._fields == ("layer2_1_conv1", "layer1", "layer2_0")
    for name, path in zip(found._fields, ("layer2.1.conv1", "layer1", "layer2.0"), strict=True):
        assert torch.equal(getattr(found, name), seen[path])
    assert cut.state_dict().keys() < whole.state_dict().keys()
    assert not any(key.startswith(("fc", "layer2.1.conv2")) for key in cut.state_dict())


def test_one_output_is_a_tensor() -> None:
    with torch.no_grad():
        assert archc.build("small.yaml", outputs="layer2").eval()(image()).shape == (2, 8, 8, 8)


@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".pt2"])
def test_a_cut_network_is_exported_and_proved(suffix: str) -> None:
    report = archc.export("small.yaml", f"net{suffix}", outputs=["layer1", "layer2.0"])
    assert report is not None
    assert report.verdict.value == "passed", report
    assert archc.verify(f"net{suffix}", "small.yaml", outputs=["layer1", "layer2.0"]).verdict.value == "passed"
    assert archc.verify(f"net{suffix}", "small.yaml", outputs=["layer1", "layer2"]).verdict.value == "failed"


def test_weights_of_the_whole_network_are_taken_and_what_is_left_out_is_told_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["build", "small.yaml", "-o", "whole"]) == 0
    capsys.readouterr()
    cut = ["small.yaml", "--weights", "whole/model.safetensors", "--outputs", "layer1,layer2.0"]
    assert run(["build", *cut, "-o", "cut"]) == 0
    assert capsys.readouterr().err == LEFT_OUT
    whole, stored = open_weights("whole/model.safetensors"), open_weights("cut/model.safetensors")
    assert all(np.array_equal(stored[key], whole[key]) for key in stored)
    assert "fc.weight" not in stored
    assert run(["export", *cut, "-o", "exported", "--onnx"]) == 0
    assert capsys.readouterr().err.count("the outputs do not need") == 1


def test_other_keys_are_refused_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    state = archc.build("small.yaml").state_dict()
    with pytest.raises(archc.ArchcError, match="that the network does not have: 1"):
        archc.build("small.yaml", {**state, "strange.weight": torch.zeros(1)}, outputs="layer1")
    with pytest.raises(archc.ArchcError, match="missing"):
        archc.build(
            "small.yaml", {key: state[key] for key in state if key != "layer1.0.conv1.weight"}, outputs="layer1"
        )


def test_a_build_knows_where_it_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "small.yaml", "--outputs", "layer2.0, stem", "-o", "cut"]) == 0
    assert "outputs: [layer2.0, stem]\n" in Path("cut/spec.yaml").read_text()
    assert run(["export", "cut", "--onnx"]) == 0
    assert run(["verify", "cut"]) == 0
    session = onnxruntime.InferenceSession("cut/small.onnx", providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["layer2_0", "stem"]
    assert run(["build", "cut/spec.yaml", "-o", "again"]) == 0
    fingerprints = [json.loads(Path(name, "manifest.json").read_text())["fingerprint"] for name in ("cut", "again")]
    assert fingerprints[0] == fingerprints[1]
    capsys.readouterr()
    assert run(["summary", "cut"]) == 0
    assert "small: float32[batch, 3, 16, 16] -> float32[batch, 8, 8, 8], float32[batch, 4, 16, 16]\n" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("command", ["build", "export --onnx", "summary", "verify"])
def test_a_build_is_not_cut(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["build", "small.yaml", "-o", "whole"]) == 0
    capsys.readouterr()
    assert run([*command.split(), "whole", "--outputs", "layer1"]) == 2
    assert capsys.readouterr().err == (
        "error[bad-option]: whole is a build, so its parameters and weights are fixed, and it takes no --outputs\n"
        "  = help: build the spec anew with --outputs\n"
    )


def test_a_failed_proof_of_a_cut_network_can_be_repeated() -> None:
    archc.export("small.yaml", "net.onnx", outputs="layer1", seed=1, verify=False)
    assert run(["verify", "net.onnx", "--against", "small.yaml", "--outputs", "layer1"]) != 0
    command = "archc verify net.onnx.failed/net.onnx --against small.yaml --outputs layer1 --inputs-seed 0"
    assert command in Path("net.onnx.failed/README.txt").read_text()


def test_names_that_are_wrong_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", "small.yaml", "--outputs", "layer3,layer1.5"]) == 2
    assert capsys.readouterr().err == (
        "error[unknown-name]: small has no module or mark 'layer3'\n"
        "  = help: did you mean 'layer2', 'layer1' or 'layer2.1'?\n\n"
        "error[unknown-name]: small has no module or mark 'layer1.5'\n"
        "  = help: did you mean 'layer1.1', 'layer1.0' or 'layer1'?\n"
    )
    assert run(["summary", "small.yaml", "--outputs", "layer1,"]) == 2
    assert capsys.readouterr().err == (
        "error[bad-option]: --outputs takes paths with commas between them, not 'layer1,'\n"
    )


def test_compile_gives_the_cut_graph() -> None:
    graph = archc.compile("small.yaml", outputs=["layer1"])
    assert [output.name for output in graph.outputs] == ["layer1"]
    assert graph.nodes[-1].path == "layer1.1.relu_1"

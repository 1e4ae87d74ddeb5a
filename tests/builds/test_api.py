"""`import archc`: the functions, what they accept and refuse, and the errors under their names."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import archc
from archc.verification import Verdict
from tests.builds.test_delivery import SATURATED
from tests.exporters.small_networks import RESIDUAL


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)


@pytest.mark.parametrize("seed", [-1, "a", 1.0, True])
def test_a_seed_is_a_whole_number(seed: int) -> None:
    with pytest.raises(archc.UsageError, match=f"a whole number of at least 0, not {seed!r}"):
        archc.build("small.yaml", seed=seed)


def test_a_seed_and_weights_contradict_each_other() -> None:
    given = archc.build("small.yaml").state_dict()
    with pytest.raises(archc.UsageError, match="nothing is drawn from a seed"):
        archc.build("small.yaml", given, seed=0)


def test_keys_of_a_state_dict_are_ignored_and_renamed() -> None:
    given = {f"net.{key}": tensor for key, tensor in archc.build("small.yaml", seed=5).state_dict().items()}
    tuned = archc.build(
        "small.yaml", given, rename={"net[.]": ""}, ignore=["net.fc.*", "fc.*"], num_classes=7
    ).state_dict()
    fresh = archc.build("small.yaml", num_classes=7).state_dict()
    assert tuned["fc.weight"].equal(fresh["fc.weight"])
    assert tuned["conv1.weight"].equal(given["net.conv1.weight"])
    one = archc.build("small.yaml", given, rename={"net[.]": ""}, ignore="*fc.*").state_dict()
    assert one["fc.weight"].equal(archc.build("small.yaml").state_dict()["fc.weight"])


def test_data_parallel_weights_in_memory_are_taken() -> None:
    given = archc.build("small.yaml", seed=5).state_dict()
    module = archc.build("small.yaml", {f"module.{key}": tensor for key, tensor in given.items()})
    assert module.state_dict()["fc.weight"].equal(given["fc.weight"])


@pytest.mark.parametrize("options", [{"opset": 20}, {"fold_batch_norm": False}, {"external_data": True}])
def test_an_option_that_the_format_does_not_have_is_refused(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(archc.UsageError, match=rf"{name}= means nothing for .pt2 files\n  = help: it goes with .onnx"):
        archc.export("small.yaml", "small.pt2", **options)


def test_an_option_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(archc.UsageError, match="opset= cannot be 'new': input should be a valid integer"):
        archc.export("small.yaml", "small.onnx", opset="new")


PARAMETERS = """\
name: named
input: {channels: 3, height: 8, width: 8}
parameters:
  seed: int = 1
  weights: int = 1
  path: int = 1
  target: int = 1
  verify: int = 1
  opset: int = 1
  norm: layer = batch_norm
  act: layer = relu
  kernel: size = 1
  slope: float = 0.5
  bias: bool = true
layers:
  - conv2d: {out_channels: $seed + $weights + $path + $target + $verify + $opset, kernel_size: $kernel, bias: $bias}
  - $norm
  - $act
  - leaky_relu: {negative_slope: $slope}
"""


@pytest.fixture
def named() -> str:
    Path("named.yaml").write_text(PARAMETERS)
    return "named.yaml"


def test_parameters_with_the_name_of_a_keyword_can_be_set(named: str) -> None:
    parameters: dict[str, object] = dict.fromkeys(("seed", "weights", "path", "target", "verify", "opset"), 2)
    channels = [2, 12, 8, 8]
    assert [*map(str, archc.compile(named, parameters=parameters).outputs[0].value.type.shape)][1:] == ["12", "8", "8"]
    assert list(archc.build(named, seed=3, parameters=parameters)(torch.zeros(2, 3, 8, 8)).shape) == channels
    report = archc.export(named, "named.onnx", seed=3, opset=19, parameters=parameters)
    assert report is not None
    assert report.verdict is Verdict.PASSED
    assert onnx.load("named.onnx").opset_import[0].version == 19
    assert archc.verify("named.onnx", named, seed=3, parameters=parameters).verdict is Verdict.PASSED
    assert archc.verify("named.onnx", named, seed=3).verdict is Verdict.FAILED


def test_a_parameter_is_given_once(named: str) -> None:
    with pytest.raises(archc.UsageError, match="the parameter 'slope' is given twice: in parameters, and as a keyword"):
        archc.compile(named, slope=0.25, parameters={"slope": 0.25})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"norm": None}, ["conv2d", "relu", "leaky_relu"]),
        ({"norm": "none", "act": None}, ["conv2d", "leaky_relu"]),
        ({"act": "gelu", "bias": False}, ["conv2d", "batch_norm", "gelu", "leaky_relu"]),
        ({"kernel": (1, 3), "slope": 1}, ["conv2d", "batch_norm", "relu", "leaky_relu"]),
        ({"kernel": [1, np.int64(3)], "slope": np.float32(0.5)}, ["conv2d", "batch_norm", "relu", "leaky_relu"]),
        ({"seed": "0x3", "slope": 1e-300}, ["conv2d", "batch_norm", "relu", "leaky_relu"]),
    ],
    ids=str,
)
def test_values_of_python_mean_what_they_mean_in_a_spec(
    named: str, parameters: dict[str, object], words: list[str]
) -> None:
    assert [node.operator.word for node in archc.compile(named, parameters=parameters).nodes] == words


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": 1}, "the parameter 'kernel' cannot be given: a dict has no text in a spec"),
        ([[1, 3]], "the parameter 'kernel' cannot be given: a list has no text in a spec"),
        (["1, 3"], "the parameter 'kernel' cannot be given: a str has no text in a spec"),
        (b"1", "the parameter 'kernel' cannot be given: a bytes has no text in a spec"),
        (10**5000, "the parameter 'kernel' cannot be given: "),
        (float("inf"), "the parameter 'kernel' must be an integer or a pair of them, not 'inf'"),
        (None, "the parameter 'kernel' must be an integer or a pair of them, not 'none'"),
        ((True, 1), "the parameter 'kernel' must be an integer or a pair of them, not '[true, 1]'"),
    ],
    ids=lambda value: str(value)[:20] if not isinstance(value, int) else "huge",
)
def test_values_that_a_spec_cannot_say_are_refused_by_name(named: str, value: object, message: str) -> None:
    with pytest.raises(archc.UsageError) as caught:
        archc.compile(named, kernel=value)
    assert caught.value.diagnostics[0].message.startswith(message)


def test_messages_name_keywords_and_no_flags() -> None:
    messages = []
    archc.export("small.yaml", "small.onnx", verify=False)
    Path("open.yaml").write_text(RESIDUAL.replace("int = 10", "int"))
    for call in (
        lambda: archc.build("small.yaml", ignore="x"),
        lambda: archc.build("small.yaml", archc.build("small.yaml").state_dict(), seed=1),
        lambda: archc.verify("small.onnx"),
        lambda: archc.verify("small.onnx", "small.onnx", seed=1),
        lambda: archc.compile("open.yaml"),
    ):
        with pytest.raises(archc.ArchcError) as caught:
            call()
        messages.append(str(caught.value).splitlines()[-1])
    assert messages == [
        "error[bad-option]: ignore= and rename= adapt given weights, so they need weights=",
        "  = help: leave out seed=; it goes with ignore=, which has tensors drawn",
        "  = help: name a spec, build or artefact with against=",
        "  = help: name a spec or a build with against=",
        "  = help: give one with num_classes=VALUE, or a default: 'int = VALUE'",
    ]


def test_an_artefact_is_compared_with_the_build_that_it_lies_in() -> None:
    from archc import cli

    assert cli.run(["export", "small.yaml", "--onnx", "-o", "out", "--seed", "3"]) == 0
    assert archc.verify("out/small.onnx").verdict is Verdict.PASSED
    assert archc.verify("out/small.onnx", "small.yaml").verdict is Verdict.FAILED
    assert archc.verify("out/small.onnx", "out/small.onnx").verdict is Verdict.PASSED
    for witnesses in (["onnx-reference"], "onnx-reference"):
        asked = archc.verify("out/small.onnx", witnesses=witnesses)
        assert "onnx.reference" in {row.runner for row in asked.comparisons}


def test_what_proves_nothing_can_be_delivered() -> None:
    Path("saturated.yaml").write_text(SATURATED)
    given = archc.build("saturated.yaml").state_dict()
    with pytest.raises(archc.Inconclusive):
        archc.export("saturated.yaml", "saturated.onnx", weights=given)
    report = archc.export("saturated.yaml", "saturated.onnx", weights=given, allow_inconclusive=True)
    assert report is not None
    assert report.verdict is Verdict.INCONCLUSIVE
    assert Path("saturated.onnx").exists()


def test_the_errors_have_their_names_and_load_nothing_heavy() -> None:
    program = """
import sys, archc
assert {"ArchcError", "SpecError", "build", "verify"} <= set(dir(archc))
assert issubclass(archc.SpecError, archc.ArchcError)
assert not {"numpy", "torch", "pydantic"} & set(sys.modules)
try:
    archc.compile("nowhere.yaml")
except archc.UsageError:
    print("caught")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "caught\n"
    assert not hasattr(archc, "Nothing")


def test_the_module_of_a_changed_build_is_refused() -> None:
    from archc import cli

    assert cli.run(["build", "small.yaml", "-o", "out"]) == 0
    weights = np.fromfile("out/model.safetensors", np.uint8)
    weights[-1] ^= 1
    weights.tofile("out/model.safetensors")
    with pytest.raises(archc.BuildError, match="is not the file that was built"):
        archc.build("out")

"""`import archc`: the functions, what they accept and refuse, and the errors under their names."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
def test_an_option_that_the_format_does_not_have_is_refused(options: dict[str, bool]) -> None:
    with pytest.raises(archc.UsageError, match=r"means nothing for .pt2 files\n  = help: it goes with .onnx"):
        archc.export("small.yaml", "small.pt2", **options)  # type: ignore[arg-type]


def test_an_artefact_is_compared_with_the_build_that_it_lies_in() -> None:
    from archc import cli

    assert cli.run(["export", "small.yaml", "--onnx", "-o", "out", "--seed", "3"]) == 0
    assert archc.verify("out/small.onnx").verdict is Verdict.PASSED
    assert archc.verify("out/small.onnx", "small.yaml").verdict is Verdict.FAILED
    assert archc.verify("out/small.onnx", "out/small.onnx").verdict is Verdict.PASSED
    asked = archc.verify("out/small.onnx", witnesses=["onnx-reference"])
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

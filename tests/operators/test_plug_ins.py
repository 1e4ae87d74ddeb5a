"""Operators that another package adds: checked, built, exported, verified, explained and completed like archc's own."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
import yaml

import archc
from archc import cli
from archc.operators import OPERATORS, is_join, known_elsewhere, operator_model, operator_words
from archc.reference.schema import json_schema
from archc.verification import Verdict
from tests.operators.cases import Case, exact, run_everywhere, written

PACKAGE = Path(__file__).parent / "plug_in"
WORDS = ("channel_scale", "maximum", "softshrink")
SPEC = """\
name: net
input: {channels: 3, height: 12, width: 12}
defaults: {softshrink: {lambd: 0.1}}
init: {channel_scale: {weight: {uniform: {a: 0.5, b: 1.5}}}}
layers:
  - conv2d: {name: conv1, out_channels: 4, kernel_size: 3}
  - channel_scale: {name: scale}
  - conv_norm_act: {out_channels: 4, activation: softshrink}
  - maximum:
      - identity
      - softshrink: 0.3
  - flatten
  - linear: {name: fc, out_features: 5}
"""


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(SPEC)


def test_their_words_are_known() -> None:
    assert operator_words() == (*OPERATORS, *WORDS)
    assert [is_join(word) for word in WORDS] == [False, True, False]
    assert known_elsewhere()["soft_threshold"] == ("softshrink",)


@pytest.mark.parametrize("word", WORDS)
def test_an_operator_computes_the_same_everywhere(word: str) -> None:
    for example in operator_model(word).examples:
        case = Case(word, example.fields, example.shapes)
        network, inputs = case.network(), case.inputs()
        expected = exact(network, *inputs)
        for runner, actual in run_everywhere(written(network), *inputs).items():
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6, err_msg=f"{case} {runner}")


def test_a_network_is_checked_built_exported_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "net.yaml"]) == 0
    assert cli.run(["export", "net.yaml", "--onnx", "--torchscript", "--pt2"]) == 0
    assert cli.run(["verify", "build/net"]) == 0
    assert cli.run(["summary", "net.yaml", "--format", "json"]) == 0
    assert "passed" in capsys.readouterr().out
    report = archc.export("net.yaml", "net.onnx")
    assert report is not None
    assert report.verdict is Verdict.PASSED


def test_the_module_has_its_keys_and_readable_source() -> None:
    module = archc.build("net.yaml")
    scale = module.state_dict()["scale.weight"]
    assert scale.shape == (4,)
    assert 0.5 <= float(scale.min()) < float(scale.max()) <= 1.5
    assert "functools.reduce(torch.maximum, [x, y])" in inspect.getsource(type(module).forward)
    torch.compile(module.eval(), backend="eager", fullgraph=True)(torch.zeros(1, 3, 12, 12))


@pytest.mark.parametrize(
    ("written", "wrong", "told"),
    [
        ("softshrink: 0.3", "softshrink: {lambda: 0.3}", "help: did you mean 'lambd'?"),
        ("softshrink: 0.3", "soft_threshold: 0.3", "help: did you mean 'softshrink'?"),
        ("softshrink: 0.3", "softshrink: -0.3", "softshrink.lambd must be greater than 0.0, not -0.3"),
        ("maximum:", "maxium:", "help: did you mean 'maximum'?"),
        ("- softshrink: 0.3", "- conv2d: {out_channels: 1, kernel_size: 1}", "maximum cannot compare float32"),
    ],
)
def test_a_mistake_is_told_like_any_other(
    written: str, wrong: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("net.yaml").write_text(SPEC.replace(written, wrong))
    assert cli.run(["check", "net.yaml"]) == 2
    assert told in capsys.readouterr().err


def test_a_word_is_explained_and_completed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", "softshrink"]) == 0
    assert "| lambd | number > 0 | 0.5     |" in capsys.readouterr().out
    assert cli.run(["explain"]) == 0
    assert "softshrink" in capsys.readouterr().out
    validator = jsonschema.Draft202012Validator(json_schema())
    assert [error.message for error in validator.iter_errors(yaml.safe_load(SPEC))] == []
    wrong = yaml.safe_load(SPEC.replace("softshrink: 0.3", "softshrink: {lambda: 0.3}"))
    assert [error.message for error in validator.iter_errors(wrong)] != []


def test_without_the_package_its_words_are_unknown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "archc", "check", "net.yaml", "--format", "json"]
    alone = subprocess.run(command, capture_output=True, text=True, check=False)
    codes = {problem["code"] for problem in json.loads(alone.stdout)["problems"]}
    assert (alone.returncode, codes) == (2, {"unknown-block", "unknown-operator"})
    installed = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    assert subprocess.run(command, env=installed, capture_output=True, check=False).returncode == 0

"""`archc diff` as people and scripts use it: exit statuses, JSON, two columns that fit a terminal."""

import json
from pathlib import Path

import pytest

from archc import cli
from tests.cli.test_terminal import ESCAPES
from tests.cli.test_terminal import archc as on_a_terminal
from tests.exporters.small_networks import RESIDUAL


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(RESIDUAL)
    Path("wide.yaml").write_text(RESIDUAL.replace("width: 16", "width: 24"))


def test_the_exit_status_says_whether_something_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "small.yaml", "small.yaml"]) == 0
    assert capsys.readouterr().out.startswith("small.yaml (first) → small.yaml (second): equal, 30 operators\n")
    assert cli.run(["diff", "small.yaml", "wide.yaml"]) == 1
    assert cli.run(["diff", "small.yaml", "narrow.yaml"]) == 2


def test_a_parameter_is_set_in_one_or_in_both(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "small.yaml", "small.yaml", "--set", "num_classes=3"]) == 0
    assert cli.run(["diff", "small.yaml", "small.yaml", "--set-b", "num_classes=3"]) == 1
    assert "  fc: out_features 10 → 3\n" in capsys.readouterr().out


def test_a_script_gets_every_operator(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["diff", "small.yaml", "wide.yaml", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["equal"], found["common_operators"]) == ("different", False, 30)
    assert found["changed"][0] == {
        "where": "conv1 in 2 blocks (layer2.0, layer2.1)",
        "summary": {"out_channels": "16 → 24"},
        "operators": [
            {"first": f"layer2.{i}.conv1", "second": f"layer2.{i}.conv1", "changes": {"out_channels": [16, 24]}}
            for i in range(2)
        ],
    }


@pytest.mark.parametrize("other", ["wide.yaml", "inception_v1"])
def test_two_columns_fit_a_terminal_and_are_coloured(other: str) -> None:
    shown = on_a_terminal("diff", "small.yaml", other, "--side-by-side")
    assert "\x1b[33m" in shown
    assert [line for line in ESCAPES.sub("", shown).splitlines() if len(line) > 80] == []


def test_operators_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    text = RESIDUAL.replace("- flatten", "- flatten\n  - dropout")
    Path("other.yaml").write_text(text.replace("8, kernel_size: 3", "8, kernel_size: 5"))
    assert cli.run(["diff", "small.yaml", "other.yaml", "--side-by-side"]) == 1
    assert capsys.readouterr().out.partition("\n\n")[0] == (
        "small.yaml                      other.yaml\n"
        "conv1 conv2d: kernel_size 3  ~  conv1 conv2d: kernel_size 5\n"
        "… 28 equal                      … 28 equal\n"
        "                             +  dropout dropout\n"
        "… 1 equal                       … 1 equal"
    )

"""Other programs than ONNX Runtime that bear witness to an ONNX file."""

import sys
from pathlib import Path

import pytest

from archc.builds.options import WeightOptions
from archc.builds.proof import Proof, ProofOptions, verify_artefact
from archc.cli import run
from archc.diagnostics import MissingDependency, UsageError
from archc.verification import Verdict
from tests.exporters.small_networks import RESIDUAL


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("witnesses")
    (folder / "small.yaml").write_text(RESIDUAL)
    assert run(["export", str(folder / "small.yaml"), "--onnx", "--no-verify", "-o", str(folder / "build")]) == 0
    return folder / "build" / "small.onnx"


def proved(artefact: Path, **options: object) -> Proof:
    return verify_artefact(artefact, None, WeightOptions(), {}, ProofOptions(**options), lambda message: None)  # type: ignore[arg-type]


def test_the_reference_evaluator_agrees(artefact: Path) -> None:
    (report,) = proved(artefact, witnesses=("onnx-reference",)).reports
    assert [row.runner for row in report.comparisons] == [
        "ONNX Runtime, not optimised",
        "ONNX Runtime, optimised",
        "onnx.reference",
    ]
    assert report.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("witness", "module"), [("openvino", "openvino"), ("tensorrt-rtx", "tensorrt_rtx")], ids=["openvino", "tensorrt"]
)
def test_a_witness_that_is_not_installed_says_how_to_install_it(
    artefact: Path, witness: str, module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependency):
        proved(artefact, witnesses=(witness,))
    assert run(["verify", str(artefact), "--witness", witness]) == 6
    assert capsys.readouterr().err == (
        f"error[missing-dependency]: the witness {witness} is not installed\n"
        f"  = help: pip install 'archc-compiler[{witness}]'\n"
    )


def test_an_unknown_witness_is_refused(artefact: Path) -> None:
    with pytest.raises(UsageError) as caught:
        proved(artefact, witnesses=("openvine",))
    assert str(caught.value) == (
        "error[unknown-witness]: there is no witness 'openvine' for .onnx files\n  = help: did you mean 'openvino'?"
    )

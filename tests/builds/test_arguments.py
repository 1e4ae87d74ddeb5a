"""The arguments of a Python caller: what is taken, and what is refused by an error that names the keyword."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archc
from archc.verification import Verdict

CALLS: dict[str, Callable[[Any], object]] = {
    "target": archc.compile,
    "path": lambda given: archc.export("lenet5", given),
    "artefact": lambda given: archc.verify(given, "lenet5"),
    "against": lambda given: archc.verify("lenet5.onnx", given),
    "weights": lambda given: archc.build("lenet5", given),
    "ignore": lambda given: archc.build("lenet5", {}, ignore=given),
    "rename": lambda given: archc.build("lenet5", {}, rename=given),
    "witnesses": lambda given: archc.verify("lenet5.onnx", "lenet5", witnesses=given),
    "parameters": lambda given: archc.compile("lenet5", parameters=given),
    "verify": lambda given: archc.export("lenet5", "lenet5.onnx", verify=given),
    "allow_inconclusive": lambda given: archc.export("lenet5", "lenet5.onnx", allow_inconclusive=given),
}
WRONG = [
    *((name, given) for name in CALLS for given in (3, object(), b"bytes" if name != "ignore" else 1.5)),
    *((name, None) for name in ("target", "path", "artefact", "ignore", "witnesses", "verify")),
    *((name, "a\0b") for name in ("target", "path", "artefact", "against", "weights")),
    *((name, [given]) for name in ("ignore", "witnesses") for given in (3, None)),
    *((name, given) for name in ("rename", "parameters") for given in ("a=b", ["a"], {3: "a"}, {None: "a"})),
    ("rename", {"a": 3}),
    ("weights", ["lenet5.pt"]),
    ("target", ["lenet5"]),
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("name", "given"), WRONG, ids=lambda value: str(value)[:20])
def test_a_value_of_the_wrong_type_is_refused_by_the_name_of_its_keyword(name: str, given: object) -> None:
    with pytest.raises(archc.UsageError, match=f"{name}= cannot be") as caught:
        CALLS[name](given)
    assert [problem.code for problem in caught.value.diagnostics] == ["bad-option"]


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    module = archc.build("lenet5", seed=np.int64(3))  # type: ignore[arg-type]
    assert module.state_dict()["c1.bias"].equal(archc.build("lenet5", seed=3).state_dict()["c1.bias"])
    archc.export("lenet5", "numpy.onnx", opset=np.int64(20), num_classes=np.int32(7), verify=False)
    archc.export("lenet5", "plain.onnx", opset=20, num_classes=7, verify=False)
    assert Path("numpy.onnx").read_bytes() == Path("plain.onnx").read_bytes()


def test_a_path_may_be_a_path_everywhere() -> None:
    archc.export(Path("lenet5"), Path("lenet5.onnx"))
    assert (
        archc.verify(Path("lenet5.onnx"), Path("lenet5"), witnesses=iter(["onnx-reference"])).verdict is Verdict.PASSED
    )

"""Each way in which a spec can be wrong before its calls are looked up, with the text that a person reads."""

import ast
import re
from pathlib import Path

import pytest

from archc.diagnostics import ArchcError, render
from archc.spec.loading import load_spec

ERRORS = Path(__file__).parent / "errors"
NAMES = sorted(path.stem for path in ERRORS.glob("*.yaml"))
# These depend on more than a spec: its settings, or the place where an expression is evaluated.
TESTED_ELSEWHERE = {"unknown-parameter", "unknown-name"}


@pytest.mark.parametrize("name", NAMES)
def test_spec_gives_exactly_the_golden_diagnostics(
    name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(ERRORS)  # so that messages name the file alone
    with pytest.raises(ArchcError) as caught:
        load_spec(f"{name}.yaml").resolve({})
    text = "\n\n".join(map(render, caught.value.diagnostics)) + "\n"
    golden = ERRORS / f"{name}.txt"
    if request.config.getoption("renew_golden"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_every_code_of_the_spec_package_has_a_golden_diagnostic(repository: Path) -> None:
    codes = {code for path in (repository / "archc/spec").glob("*.py") for code in _codes(path)}
    shown = {
        match[1]
        for path in ERRORS.glob("*.txt")
        for match in re.finditer(r"error\[([a-z-]+)]", path.read_text(encoding="utf-8"))
    }
    assert codes - shown == TESTED_ELSEWHERE


def test_no_golden_file_has_lost_its_spec() -> None:
    assert sorted(path.stem for path in ERRORS.glob("*.txt")) == NAMES


def _codes(path: Path) -> set[str]:
    """The hyphenated words among a module's string literals: nothing but codes is written so."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and re.fullmatch(r"[a-z]+(-[a-z]+)+", text)}

"""Each way in which a spec can be wrong, with the text that a person reads."""

from pathlib import Path

import pytest

from archc.builds.compilation import check_target
from archc.diagnostics import ArchcError, render

ERRORS = Path(__file__).parent / "errors"
NAMES = sorted(path.stem for path in ERRORS.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_spec_gives_exactly_the_golden_diagnostics(
    name: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(ERRORS)  # so that messages name the file alone
    with pytest.raises(ArchcError) as caught:
        check_target(f"{name}.yaml", {})
    text = "\n\n".join(map(render, caught.value.diagnostics)) + "\n"
    golden = ERRORS / f"{name}.txt"
    if request.config.getoption("renew_golden"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_no_golden_file_has_lost_its_spec() -> None:
    assert sorted(path.stem for path in ERRORS.glob("*.txt")) == NAMES

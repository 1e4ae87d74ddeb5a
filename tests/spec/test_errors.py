"""Each way in which a spec can be wrong, with the text that a person reads.

A file of `errors/` holds the cases of one subject: a claim after `===`, a spec, a command after `$`, and what the
command tells. `--renew-golden` writes what is told and leaves the rest as it is.

The network cannot be built either, and the build tells a part of what the check tells. There are two exceptions:
the cases of `accepted.txt` have no problems, and the network does not come to the problems of `unreached.txt`.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from archc.builds.compilation import check_target, compile_target
from archc.cli.flags import spelled
from archc.diagnostics import ArchcError, options_spelled, render

ERRORS = Path(__file__).parent / "errors"
CASE = re.compile(r"^=== ([^\n]+)\n(.*?)^\$ ([^\n]+)\n(.*?)\n*(?=^=== |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Case:
    """A claim, the spec that shows it, the command that reads the spec, and what the command tells."""

    claim: str
    spec: str
    command: str
    told: str

    def __str__(self) -> str:
        return f"=== {self.claim}\n{self.spec}$ {self.command}\n{self.told}\n"


def cases(path: Path) -> list[Case]:
    """The cases of a subject. They are read as bytes, because a spec may hold any end of a line."""
    return [Case(*match.groups()) for match in CASE.finditer(path.read_bytes().decode())]


SUBJECTS = {path.stem: cases(path) for path in sorted(ERRORS.glob("*.txt"))}
CLAIMS = {case.claim: (subject, case) for subject, found in SUBJECTS.items() for case in found}


def refusal(read: Callable[[str, Mapping[str, str]], Any], case: Case) -> ArchcError | None:
    """What `read` raises at the case's spec, or returns as a warning.

    Side effect: writes the spec into the working directory.
    """
    variables, _, settings = case.command.partition("archc check net.yaml")
    Path("net.yaml").write_bytes(case.spec.encode())
    with pytest.MonkeyPatch.context() as patch, options_spelled(spelled):
        for variable in variables.split():
            patch.setenv(*variable.split("=", 1))
        try:
            found = read("net.yaml", dict(word.split("=", 1) for word in shlex.split(settings) if word != "--set"))
        except ArchcError as error:
            return error
    return found if isinstance(found, ArchcError) else None


def shown(error: ArchcError | None) -> str:
    return str(error or "no problems")


@cache
def renewed(subject: str) -> dict[str, Case]:
    """Each claim with what is told today. Side effect: writes the file (workers may: they write the same bytes)."""
    found = [replace(case, told=shown(refusal(check_target, case))) for case in SUBJECTS[subject]]
    (ERRORS / f"{subject}.txt").write_bytes("\n".join(map(str, found)).encode())
    return {case.claim: case for case in found}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_spec_tells_exactly_the_golden_diagnostics(
    claim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    subject, case = CLAIMS[claim]
    if request.config.getoption("renew_golden"):
        case = renewed(subject)[claim]
    checked, built = refusal(check_target, case), refusal(compile_target, case)
    lines = case.told.split("\n"), shown(checked).split("\n")
    if difference := "\n".join(unified_diff(*lines, f"{subject}.txt", "told", lineterm="")):
        pytest.fail(difference, pytrace=False)
    assert (checked is None) == (subject == "accepted")
    assert (built is None) == (subject in ("accepted", "unreached", "likely"))
    assert {error.exit_status for error in (checked, built) if error} <= {0 if subject == "likely" else 2}
    if checked and built:
        assert {*map(render, built.diagnostics)} <= {*map(render, checked.diagnostics)}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_holds_cases_and_nothing_else(subject: str) -> None:
    text = (ERRORS / f"{subject}.txt").read_bytes().decode()
    assert "\n".join(map(str, cases(ERRORS / f"{subject}.txt"))) == text
    assert re.findall("^=== (.*)", text, re.MULTILINE) == [case.claim for case in SUBJECTS[subject]]


def test_every_claim_is_made_once() -> None:
    assert len(CLAIMS) == sum(map(len, SUBJECTS.values()))

"""Every code that archc can print is explained, by examples that are true, and shown by a golden diagnostic."""

import re
from pathlib import Path

import pytest

from archc.builds.compilation import compile_spec
from archc.diagnostics import Source, SpecError
from archc.diagnostics.codes import CODES, explanation
from archc.spec.loading import parse_text

HEAD = "name: example\ninput: {channels: 3, height: 32, width: 32}\n"
EXAMPLES = re.compile(r"^Refused:\n\n((?:    .*\n|\n)+)\nAccepted:\n\n((?:    .*\n|\n)+)\Z", re.MULTILINE)
TEXTS: dict[str, str] = {code: explanation(code) for code in CODES}
WITH_EXAMPLES = [code for code, text in TEXTS.items() if "Refused:" in text]


def spec(example: str) -> str:
    """The example with what is left out of it: the beginning of a spec."""
    return HEAD + "".join(line.removeprefix("    ") for line in example.splitlines(keepends=True))


def codes(text: str) -> set[str]:
    """The codes of what is wrong with a spec."""
    try:
        compile_spec(parse_text(Source("example.yaml", text), Path()), {})
    except SpecError as error:
        return {problem.code for problem in error.diagnostics}
    return set()


def test_every_code_has_an_explanation_and_every_explanation_a_code(repository: Path) -> None:
    files = (repository / "archc" / "diagnostics" / "explanations").glob("*")
    assert sorted(file.name for file in files) == sorted(f"{code}.md" for code in CODES)
    assert sorted(CODES) == list(CODES)


@pytest.mark.parametrize("code", CODES)
def test_an_explanation_begins_with_one_sentence(code: str) -> None:
    first, rest = TEXTS[code].split("\n", 1)
    assert re.fullmatch(r"\S.*\.", first)
    assert rest.startswith("\n")


@pytest.mark.parametrize("code", WITH_EXAMPLES)
def test_the_examples_are_refused_with_this_code_alone_and_accepted(code: str) -> None:
    match = EXAMPLES.search(TEXTS[code])
    assert match is not None
    assert codes(spec(match[1])) == {code}
    assert codes(spec(match[2])) == set()


def test_every_code_is_shown_by_a_golden_diagnostic(repository: Path) -> None:
    # These cannot be reached by a spec or a command alone; the named tests hold their texts.
    elsewhere = {
        "invalid-initializer": "tests/weights/test_initialize.py",
        "mismatched-constants": "tests/weights/test_match.py",
        "no-word": "tests/lifting/test_lift_errors.py",
        "not-exportable": "tests/exporters/test_torch_export.py",
        "out-of-memory": "tests/cli/test_output.py",
        "unsafe-artefact": "tests/exporters/unsafe.py",
        "verification-failed": "tests/builds/test_delivery.py",
    }
    assert [code for code, test in elsewhere.items() if code not in (repository / test).read_text()] == []
    goldens = [*(repository / "tests/spec/errors").glob("*.txt"), repository / "tests/cli/golden/mistakes.txt"]
    shown = {
        code
        for file in goldens
        for code in re.findall(r"(?:error|warning)\[([a-z-]+)]", file.read_text(encoding="utf-8"))
    }
    assert sorted(set(CODES) - shown) == list(elsewhere)


def test_every_code_is_used(repository: Path) -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("archc", "exporters")
        for path in (repository / folder).rglob("*.py")
    )
    assert [code for code in CODES if source.count(f'"{code}"') < 2] == []  # once in the list

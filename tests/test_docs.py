"""The documents are true: their specs compile to the figures that they tell, and their commands exist."""

import re
import shlex
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

import archc
from archc.cli import run
from archc.diagnostics import Source, SpecError
from archc.ir.budget import Budget
from archc.ir.cost import cost
from archc.reference.words import describe, reference
from archc.spec.tree import plain
from archc.spec.yaml.loader import DEFAULT_LIMITS, load

REPOSITORY = Path(__file__).parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SPEC = re.compile(r"```yaml\n(name: (\w+)\n.*?)```\n\n?([^\n]*)", re.DOTALL)
SPECS = {match[2]: (match[1], match[3]) for page in PAGES for match in SPEC.finditer(page.read_text(encoding="utf-8"))}
COMMANDS = sorted(
    {
        match[1].partition("#")[0].strip()
        for page in PAGES
        for match in re.finditer(r"^    (?:\$ )?(archc .*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_compiles_to_the_figures_under_it(name: str, folder: Path) -> None:
    text, remark = SPECS[name]
    (folder / "net.yaml").write_text(text)
    graph = archc.compile("net.yaml")
    if told := re.search(r"It has ([\d,]+) parameters", remark):
        assert cost(graph).parameters == int(told[1].replace(",", ""))
    if told := re.search(r"begin with (\S+) and end with (\S+)\.$", remark):
        keys = [parameter.path for parameter in graph.parameters()]
        assert (keys[0], keys[-1]) == (told[1], told[2])


def test_every_spec_on_the_page_that_teaches_the_language_is_tested() -> None:
    page = (REPOSITORY / "docs" / "language.md").read_text(encoding="utf-8")
    assert page.count("```yaml") == len(SPEC.findall(page)) == 13


LANGUAGE = (REPOSITORY / "docs" / "language.md").read_text(encoding="utf-8")
SCALARS = re.search(r"\| written \| is \|\n\|---\|---\|\n((?:\|.*\n)+)", LANGUAGE)
ROWS = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in SCALARS[1].splitlines()] if SCALARS else []
KINDS = {"texts": str, "booleans": bool, "null": NoneType, "numbers with a fraction": float}


@pytest.mark.parametrize(
    ("written", "meaning"), [(text, row[1]) for row in ROWS for text in re.findall(r"`([^`]+)`|nothing", row[0])]
)
def test_yaml_s_values_mean_what_the_table_says(written: str, meaning: str) -> None:
    source = Source("value.yaml", f"- {written}\n")
    if meaning.startswith("refused"):
        with pytest.raises(SpecError, match=r"is beyond|is not finite"):
            load(source)
        return
    data: Any = plain(load(source))
    value = data[0]
    if number := re.fullmatch(r"the number (\d+)", meaning):
        assert (value, type(value)) == (int(number[1]), int)
    else:
        assert type(value) is KINDS[meaning]


def test_the_limits_are_those_of_the_tables() -> None:
    told = [int(number.replace(",", "")) for number in re.findall(r"^\|.* \| ([\d,]+) \|", LANGUAGE, re.MULTILINE)]
    limits, budget = DEFAULT_LIMITS, Budget()
    assert told == [
        limits.bytes, limits.depth, limits.nodes,
        limits.scalar_characters, limits.expression_characters, limits.problems,
        budget.nodes, budget.parameters, budget.activation_bytes, budget.multiply_adds,
    ]  # fmt: skip


def test_the_reference_is_what_the_models_say(request: pytest.FixtureRequest) -> None:
    page = REPOSITORY / "docs" / "reference.md"
    if request.config.getoption("renew_golden"):
        page.write_text(reference(), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize(("word", "told"), [("conv2d", "| groups       | integer > 0"), ("bottleneck", "v1.5")])
def test_explain_describes_a_word_as_the_reference_does(
    word: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", word]) == 0
    printed = capsys.readouterr().out
    assert printed == f"{word}\n\n{describe(word)}"
    assert told in printed


def test_the_files_that_are_named_exist() -> None:
    name = re.compile(r"(?<![\w./-])(?:archc|docs|exporters|specs|tests)/[\w./-]*\w")
    pages = [*PAGES, REPOSITORY / "CONTRIBUTING.md"]
    found = {path for page in pages for path in name.findall(page.read_text(encoding="utf-8"))}
    places = {path for path in found if not re.search(r"[A-Z]{3}", path)}  # such as archc/passes/NAME.py
    assert len(places) > 30
    assert {path for path in places if not (REPOSITORY / path).exists()} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_options_that_are_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command.partition(">")[0])[1:]
    if words[0].isupper():
        return
    assert run([*words, "--help"]) == 0, capsys.readouterr().err


def test_the_export_that_the_readme_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "small.yaml").write_text(SPECS["small"][0])
    assert run(["export", "small.yaml", "--onnx"]) == 0
    shown = re.search(r"\$ archc export small.yaml --onnx\n(.*?)\n\n", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    printed = capsys.readouterr().out.splitlines()
    # Sizes, errors and the least sensitive block vary with versions; what is said does not.
    *lines, rest = shown[1].splitlines()
    assert rest.strip() == "…"
    assert [_words(line) for line in lines] == [_words(line) for line in printed[: len(lines)]]


def _words(line: str) -> list[str]:
    return [word for word in line.split() if not re.fullmatch(r"[\d.e-]+%?|kB|layer[\d.]+;", word)]


def test_the_mistake_that_the_readme_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = re.search(r"\$ archc check broken.yaml\n(.*?)\n\n", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    expected = "\n".join(line.removeprefix("    ") for line in shown[1].splitlines())
    item = "  - conv2d: {out_channels: 16, kernal_size: 3}"
    (folder / "broken.yaml").write_text(f"name: b\ninput: {{channels: 3, height: 8, width: 8}}\nlayers:\n{item}\n")
    assert run(["check", "broken.yaml"]) == 2
    assert capsys.readouterr().err.rstrip("\n") == expected


def test_the_python_that_the_readme_shows(folder: Path) -> None:
    code = re.search(r"```python\n(.*?)```", PAGES[0].read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, object] = {}
    exec(code[1], names)
    assert {"graph", "model", "report"} <= names.keys()
    assert (folder / "resnet18.onnx").is_file()


def test_the_module_that_the_page_on_lifting_shows_is_lifted_to_the_spec_beside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (REPOSITORY / "docs" / "lift.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    (folder / "small.py").write_text(code[1])
    assert run(["lift", "small:SmallNet", "--input", "1x28x28"]) == 0
    assert f"```\n{capsys.readouterr().out.rstrip()}\n```" in page

"""The documents are true: their specs compile to the figures that they tell, and their commands exist."""

import re
import shlex
from pathlib import Path

import pytest

import archc
from archc.cli import run
from archc.ir.cost import cost

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
    assert page.count("```yaml") == len(SPEC.findall(page)) == 6


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
    # Sizes and errors vary with versions; what is said and about whom does not.
    assert [_words(line) for line in shown[1].splitlines()] == [_words(line) for line in printed[:4]]


def _words(line: str) -> list[str]:
    return [word for word in line.split() if not re.fullmatch(r"[\d.e-]+%?|kB", word)]


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

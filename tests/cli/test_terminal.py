"""What is printed on a terminal, in colour and as wide as it is; and in a pipe, complete and without colour."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from archc.cli.layout import table_lines
from archc.cli.output import print_lines, print_note

pty = pytest.importorskip("pty", reason="pseudo-terminals are a thing of Unix")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
BROKEN = """\
name: net
input: {channels: 3, height: 32, width: 32}
layers: [rellu, conv2d: {out_channels: 8, kernal_size: 3}]
"""
PLAIN = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text(BROKEN)


def on_a_terminal(*command: str, columns: int = 80, variables: Mapping[str, str] = MappingProxyType({})) -> str:
    """What a terminal of this width receives from `python -m archc`, on both streams."""
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**PLAIN, "TERM": "xterm-256color", **variables}
    process = subprocess.Popen([sys.executable, *command], env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    received = b""
    while part := _read(ours):
        received += part
    os.close(ours)
    process.wait()
    return received.decode().replace("\r\n", "\n")


def _read(file: int) -> bytes:
    try:
        return os.read(file, 1 << 16)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def archc(*arguments: str, columns: int = 80) -> str:
    return on_a_terminal("-m", "archc", *arguments, columns=columns)


def in_a_pipe(*arguments: str, **variables: str) -> str:
    command = [sys.executable, "-m", "archc", *arguments]
    done = subprocess.run(command, env={**PLAIN, **variables}, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_diagnostic_is_coloured_on_a_terminal_and_its_text_is_that_of_a_pipe() -> None:
    shown = archc("check", "broken.yaml", "resnet18")
    assert "\x1b[1;31merror[unknown-block]\x1b[0m" in shown
    assert "\x1b[1;31m^^^^^\x1b[0m" in shown
    assert "\x1b[1;32mhelp: \x1b[0m" in shown
    assert ESCAPES.sub("", shown) == in_a_pipe("check", "broken.yaml", "resnet18")


def test_the_problems_of_one_file_are_counted_on_a_terminal() -> None:
    assert ESCAPES.sub("", archc("check", "broken.yaml")).endswith("\n\n2 problems\n")


def test_a_pipe_has_no_colour_but_where_it_is_forced() -> None:
    assert "\x1b" not in in_a_pipe("check", "broken.yaml")
    assert "\x1b[1;31merror" in in_a_pipe("check", "broken.yaml", FORCE_COLOR="1", TERM="xterm-256color")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_who_wants_no_colours_gets_none(variables: dict[str, str]) -> None:
    shown = on_a_terminal("-m", "archc", "check", "broken.yaml", variables=variables)
    assert [code for code in ESCAPES.findall(shown) if re.search(r"3\d", code)] == []


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "arguments",
    [["summary", "densenet121"], ["list"], ["explain"], ["explain", "basic"], ["explain", "syntax"]],
    ids=" ".join,
)
def test_nothing_is_wider_than_the_terminal(arguments: list[str], columns: int) -> None:
    lines = ESCAPES.sub("", archc(*arguments, columns=columns)).splitlines()
    assert [line for line in lines if len(line) > columns] == []
    assert max(map(len, lines)) > 0.6 * columns


def test_a_pipe_gets_every_column_whatever_the_width() -> None:
    lines = in_a_pipe("summary", "densenet121", COLUMNS="40", FORCE_COLOR="1").splitlines()
    assert ESCAPES.sub("", lines[0]).split() == [
        "layer", "operator", "output", "parameters", "multiply-adds", "receptive", "field", "stride",
    ]  # fmt: skip
    assert max(map(len, lines)) > 100


def test_a_fine_spec_is_checked_on_a_terminal_without_rich() -> None:
    program = "import sys\nfrom archc.cli import run\nrun(['check', 'resnet18'])\nprint('rich' in sys.modules)"
    assert on_a_terminal("-c", program) == "1 file checked, no problems\nFalse\n"


HOSTILE = "print_lines([('\\x1b[2J[red]a\\x9b\\u202e', 'note'), ('[/red]\\r', '')])"
SHOWN = "\\x1b[2J[red]a\\x9b\\u202e[/red]\\r\n"


def test_text_from_a_file_neither_steers_a_terminal_nor_is_markup() -> None:
    program = f"from archc.cli.output import print_lines\n{HOSTILE}"
    assert ESCAPES.sub("", on_a_terminal("-c", program)) == SHOWN
    written = on_a_terminal("-c", program, variables={"NO_COLOR": "1"})
    assert not {"\x9b", "\u202e", "\r"} & set(written)
    assert "\x1b[2J" not in written


def test_a_pipe_gets_no_control_characters_either(capsys: pytest.CaptureFixture[str]) -> None:
    print_lines("\x1b[2J[red]a\x9b\u202e[/red]\r")
    print_note("[b]\x07")
    assert capsys.readouterr().out == SHOWN + "  note: [b]\\x07\n"


def test_progress_is_no_markup() -> None:
    program = (
        "import time\nfrom archc.cli.output import progress\n"
        "with progress() as tell:\n tell('proving [red]a[/nothing]\\x1b]0;title\\x07.onnx')\n time.sleep(0.3)"
    )
    shown = ESCAPES.sub("", on_a_terminal("-c", program))
    assert "proving [red]a[/nothing]\\x1b]0;title\\x07.onnx" in shown


HEADER = ["layer", "receptive field", "parameters", "stride"]
ROWS = [["features.block1.layer12.conv", "7", "1,234,567", "2"], ["features.relu", "7", "", "2"]]


FITTED = {
    None: """\
layer                         receptive field  parameters  stride
features.block1.layer12.conv                7   1,234,567       2
features.relu                               7                   2
""",
    56: """\
layer                      receptive  parameters  stride
                               field
features.block1.layer12.           7   1,234,567       2
conv
features.relu                      7                   2
""",
    30: """\
layer               parameters
features.block1.     1,234,567
layer12.conv
features.relu
left out, for lack of width: stride, receptive field
""",
}


@pytest.mark.parametrize("width", FITTED)
def test_a_table_folds_its_texts_before_it_leaves_columns_out_and_never_folds_a_number(width: int | None) -> None:
    lines = table_lines(HEADER, ROWS, width, least_important=["stride", "receptive field"])
    assert "".join(f"{''.join(text for text, _ in line)}\n" for line in lines) == FITTED[width]

"""The help of every command, as whole texts."""

from collections.abc import Callable
from importlib import import_module

import pytest
import typer

from archc import cli
from archc.cli import app

COMMANDS = tuple(sorted(app.COMMANDS))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_as_recorded(
    command: str,
    golden: Callable[[str, str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERMINAL_WIDTH", "100")
    assert cli.run([*command.split(), "--help"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    golden(f"help-{command or 'archc'}.txt", printed.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_of_this_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([command, "-h"]) == 0
    _, _, examples = capsys.readouterr().out.partition("Examples:\n")
    lines = examples.rstrip().splitlines()
    assert lines
    assert all(line.strip().startswith(f"archc {command}") for line in lines)


def test_every_command_has_its_help_tested() -> None:
    from archc.cli.app import COMMANDS as LISTED
    from archc.cli.app import app

    for command in LISTED:
        import_module(f"archc.cli.commands.{command}")  # which registers it
    assert sorted(typer.main.get_group(app).commands) == sorted(LISTED) == sorted(COMMANDS)

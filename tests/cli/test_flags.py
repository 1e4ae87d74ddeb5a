"""How the command line spells the options that messages name."""

import pytest
import typer

from archc import cli
from archc.cli.app import app
from archc.cli.flags import FLAGS, spelled
from archc.diagnostics import option, options_spelled


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """Every flag of every command."""
    assert cli.run(["--help"]) == 0  # which imports all of them
    commands = typer.main.get_group(app).commands.values()
    return {flag for command in commands for each in command.params for flag in (*each.opts, *each.secondary_opts)}


@pytest.mark.parametrize("name", [*FLAGS, "opset", "fold_batch_norm", "external_data"])
def test_what_messages_name_is_a_flag_of_some_command(name: str, flags: set[str]) -> None:
    assert spelled(name) in flags


def test_an_option_is_named_as_its_reader_writes_it() -> None:
    def named() -> list[str]:
        values = {"seed": "3", "parameters": "width=3", "allow_inconclusive": "True", "fold_batch_norm": ""}
        return [option(name, value) for name, value in values.items()]

    in_python = ["seed=3", "width=3", "allow_inconclusive=True", "fold_batch_norm="]
    assert named() == in_python
    with options_spelled(spelled):
        assert named() == ["--seed 3", "--set width=3", "--allow-inconclusive", "--no-fold"]
    assert named() == in_python

"""How the command line spells the options that messages name."""

from importlib import import_module
from inspect import Parameter

import pytest
import typer

from archc.cli.app import COMMANDS, app
from archc.cli.flags import FLAGS, expanded, spelled
from archc.diagnostics import UsageError, option, options_spelled


@pytest.fixture(scope="module")
def flags() -> set[str]:
    """Every flag of every command."""
    for command in COMMANDS:
        import_module(f"archc.cli.commands.{command}")  # which registers it
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


def test_an_option_that_archc_has_itself_is_refused_in_words() -> None:
    seed = Parameter("seed", Parameter.KEYWORD_ONLY, annotation=int)

    def command(*, seed: int, options: dict[str, object]) -> None: ...

    with pytest.raises(UsageError, match="has the option 'seed', which archc has itself"):
        expanded(options=[seed])(command)

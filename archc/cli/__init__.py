"""The command line: parses, calls the pipeline, prints. No logic lives here."""

from __future__ import annotations

import gc
import sys
from importlib import import_module

# Imports make many objects and no garbage: Python's default of 700 would look through them all a hundred times.
OBJECTS_BETWEEN_COLLECTIONS = 200_000


def main() -> None:
    """Run `archc`. What a person did wrong is told in words, with the exit status of its kind."""
    if sys.argv[1:] == ["--version"]:  # the commonest question needs no parser
        from archc import __version__

        print(f"archc {__version__}")
        return
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    status = run(sys.argv[1:])
    gc.freeze()  # nor has the interpreter anything to look for while it ends
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status."""
    from archc.cli.app import COMMANDS, app
    from archc.cli.output import print_error
    from archc.diagnostics import ArchcError

    for command in arguments[:1] if arguments[:1] and arguments[0] in COMMANDS else COMMANDS:
        import_module(f"archc.cli.commands.{command}")  # which registers it

    try:
        app(arguments, prog_name="archc")
    except SystemExit as finished:
        return int(finished.code or 0)
    except ArchcError as error:
        print_error(error)
        return error.exit_status
    return 0

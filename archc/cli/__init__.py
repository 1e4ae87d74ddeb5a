"""The command line: parses, calls the pipeline, prints. No logic lives here."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `archc`. What a person did wrong is told in words, with the exit status of its kind."""
    if sys.argv[1:] == ["--version"]:  # the commonest question needs no parser
        from archc import __version__

        print(f"archc {__version__}")
        return
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line and return its exit status."""
    import archc.cli.inspecting
    import archc.cli.producing  # noqa: F401  (both register their commands)
    from archc.cli.app import app
    from archc.cli.output import print_error
    from archc.diagnostics import ArchcError

    try:
        app(arguments, prog_name="archc")
    except SystemExit as finished:
        return int(finished.code or 0)
    except ArchcError as error:
        print_error(error)
        return error.exit_status
    return 0

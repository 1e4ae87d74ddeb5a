"""`archc explain`: what the code of a diagnostic means."""

from __future__ import annotations

from typing import Annotated

import typer

from archc.cli.app import app, examples
from archc.cli.output import print_table
from archc.codes import CODES, explanation
from archc.diagnostics import UsageError, did_you_mean


@app.command(epilog=examples("archc explain shape-mismatch", "archc explain"))
def explain(
    code: Annotated[str | None, typer.Argument(help="The code in error[CODE]. [default: all of them]")] = None,
) -> None:
    """Explain the code of an error."""
    if code is None:
        print_table(["code", "meaning"], [[code, explanation(code).partition("\n")[0]] for code in CODES])
        return
    if code not in CODES:
        help = did_you_mean(code, CODES) or "`archc explain` lists all of them"
        raise UsageError(f"there is no code '{code}'", code="unknown-code", help=help)
    print(f"{code}\n\n{explanation(code)}", end="")

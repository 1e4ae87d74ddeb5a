"""`archc explain`: what the code of a diagnostic means, or a word of the language."""

from __future__ import annotations

from typing import Annotated

import typer

from archc.cli.app import app, examples
from archc.cli.output import print_lines, print_page, print_paragraph, print_table, print_title
from archc.diagnostics import UsageError, did_you_mean
from archc.diagnostics.codes import CODES, explanation


@app.command(epilog=examples("archc explain shape-mismatch", "archc explain conv2d", "archc explain"))
def explain(
    word: Annotated[
        str | None,
        typer.Argument(help="The code in error[CODE], an operator, block or initializer. [default: all]"),
    ] = None,
) -> None:
    """Explain an error's code, or an operator or block."""
    if word is None:
        _print_all()
        return
    page = _explained(word)
    print_title(word)
    print_lines("")
    print_page(page)


def _print_all() -> None:
    from archc.reference.words import sections

    print_table(["code", "meaning"], [[code, explanation(code).partition("\n")[0]] for code in CODES])
    for title, words in sections().items():
        print_lines("")
        print_title(title.lower())
        print_paragraph(", ".join(words), indent="  ")


def _explained(word: str) -> str:
    """What is known about a word. Raises UsageError: nothing is."""
    if word in CODES:
        return explanation(word)
    from archc.reference.words import describe, sections
    from archc.spec.repair.pytorch import is_of_pytorch, same_word

    words = [word for section in sections().values() for word in section]
    if word in words:
        return describe(word)
    every = "`archc explain` lists every one"
    if same := same_word(word, words):
        raise UsageError(f"there is no operator '{word}'", code="unknown-code", help=f"did you mean '{same}'?")
    if is_of_pytorch(word):
        raise UsageError(f"'{word}' is not supported by archc", code="unknown-code", help=every)
    help = did_you_mean(word, (*CODES, *words)) or every
    raise UsageError(f"there is no code, operator or block '{word}'", code="unknown-code", help=help)

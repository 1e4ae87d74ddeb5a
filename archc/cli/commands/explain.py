"""`archc explain`: what a word of the language means, or the code of a diagnostic."""

from __future__ import annotations

from typing import Annotated

import typer

from archc.cli.app import app, examples
from archc.cli.output import print_lines, print_page, print_paragraph, print_table, print_title
from archc.diagnostics import UsageError
from archc.diagnostics.codes import CODES, explanation


@app.command(
    epilog=examples("archc explain conv2d", "archc explain when", "archc explain shape-mismatch", "archc explain")
)
def explain(
    word: Annotated[
        str | None,
        typer.Argument(help="An operator, block or other word of a spec, or the code in error[CODE]. [default: all]"),
    ] = None,
) -> None:
    """Explain a word of the language, or an error's code."""
    if word is None:
        _print_all()
        return
    page = _explained(word)
    print_title(word)
    print_lines("")
    print_page(page)


def _print_all() -> None:
    from archc.reference.language import explanations
    from archc.reference.words import sections, summary

    for title, words in sections().items():
        print_table([title.lower().removesuffix("s"), ""], [[word, summary(word)] for word in words])
        print_lines("")
    print_title("words of the language")
    print_paragraph(", ".join(explanations()), indent="  ")
    print_lines("")
    print_table(["code", "meaning"], [[code, explanation(code).partition("\n")[0]] for code in CODES])


def _explained(word: str) -> str:
    """What is known about a word. Raises UsageError: nothing is."""
    if word in CODES:
        return explanation(word)
    from archc.reference.words import describe, meant, words

    if word in words():
        return describe(word)
    help, is_absent = meant(word, CODES)
    message = f"'{word}' is not supported by archc" if is_absent else f"there is no word or code '{word}'"
    raise UsageError(message, code="unknown-code", help=help or "`archc explain` lists every one")

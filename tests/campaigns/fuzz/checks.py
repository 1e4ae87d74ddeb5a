"""What archc does with a spec before there are weights, and what has to hold whatever the spec is."""

from __future__ import annotations

from pathlib import Path

from archc.builds.compilation import check_target, compile_spec
from archc.diagnostics import ArchcError, Source, SpecError, as_json
from archc.ir.budget import Budget
from archc.ir.printer import print_graph
from archc.spec.loading import load_file, load_spec, parse_text, resolved_text
from archc.spec.yaml.loader import DEFAULT_LIMITS

MOST_READ_BACK = 100  # nodes of a graph whose resolved spec is compiled as well


def check(path: Path) -> tuple[str, ...]:
    """Read a file as `archc check` does: the codes of what is wrong with it, none if it is accepted.

    Raises: whatever is not an ArchcError; AssertionError: a message could harm a terminal, or what was accepted is
    refused when it is compiled or once it is resolved.
    """
    try:
        check_target(path, {})
    except ArchcError as error:
        check_shown(error)
        return tuple(sorted({problem.code for problem in error.diagnostics}))
    check_read_back(path)
    return ()


def check_shown(error: ArchcError) -> None:
    """Every problem has a code and words, and its text is safe to print."""
    assert error.diagnostics, "a refusal says why"
    for problem in error.diagnostics:
        assert problem.code, problem
        assert problem.message, problem
        assert as_json(problem)["code"] == problem.code
    unsafe = {character for character in str(error) if not character.isprintable() and character not in "\n\t"}
    assert not unsafe, f"the message shows {unsafe!r}"


def check_read_back(path: Path) -> None:
    """An accepted spec compiles, and its resolved text gives the same graph; large networks are left alone."""
    if not load_file(path).spec.items:
        return  # blocks for other specs
    try:
        graph = compile_spec(load_spec(path), {}, Budget(nodes=MOST_READ_BACK))
    except SpecError as error:
        if {problem.code for problem in error.diagnostics} == {"over-budget"}:
            return
        raise AssertionError(f"accepted, and then refused:\n{error}") from error
    text = resolved_text(path, {})
    if len(text.encode("utf-8", "replace")) > DEFAULT_LIMITS.bytes:
        return  # aliases that are written out can make it too long
    try:
        again = compile_spec(parse_text(Source("resolved.yaml", text), path.parent), {})
    except ArchcError as error:
        raise AssertionError(f"the resolved text is refused:\n{error}\n{text}") from error
    assert print_graph(again) == print_graph(graph), f"the resolved text gives another network:\n{text}"

"""What a person reads when something is wrong."""

import pytest

from archc.diagnostics import (
    ArchcError,
    BuildError,
    Diagnostic,
    ExportError,
    Inconclusive,
    MissingDependency,
    Note,
    Source,
    Span,
    SpecError,
    UsageError,
    VerificationFailed,
    as_json,
    did_you_mean,
    render,
)
from archc.diagnostics.rendering import diagnostic_lines

LENET = Source("specs/lenet.yaml", "layers:\n" * 9 + "    kernal_size: 5\n")


def at(source: Source, text: str, *, until: str | None = None) -> Span:
    """The span of a text; `until` is a text on a later line where it ends."""
    line = next(i for i, content in enumerate(source.lines) if text in content)
    column = source.lines[line].index(text)
    if until is None:
        return Span(source, line, column, line, column + len(text))
    end = next(i for i, content in enumerate(source.lines) if until in content)
    return Span(source, line, column, end, source.lines[end].index(until) + len(until))


def test_a_diagnostic_has_the_designed_form() -> None:
    diagnostic = Diagnostic(
        "unknown-field",
        "conv2d has no field 'kernal_size'",
        at(LENET, "kernal_size"),
        help="did you mean 'kernel_size'?",
    )
    assert render(diagnostic) == (
        "specs/lenet.yaml:10:5: error[unknown-field]: conv2d has no field 'kernal_size'\n"
        "   |\n"
        "10 |     kernal_size: 5\n"
        "   |     ^^^^^^^^^^^\n"
        "   = help: did you mean 'kernel_size'?"
    )


def test_a_diagnostic_without_a_place_is_one_line() -> None:
    assert render(Diagnostic("too-large", "the file has 2 MiB")) == "error[too-large]: the file has 2 MiB"


def test_a_note_with_a_place_shows_its_own_line() -> None:
    source = Source("a.yaml", "- conv2d: 8\n- linear: 9\n")
    note = Note("conv2d produces [N, 8, 4, 4] here", at(source, "conv2d"))
    diagnostic = Diagnostic(
        "shape-mismatch", "linear takes [N, C]", at(source, "linear"), (note, Note("as in PyTorch"))
    )
    assert render(diagnostic) == (
        "a.yaml:2:3: error[shape-mismatch]: linear takes [N, C]\n"
        "  |\n"
        "2 | - linear: 9\n"
        "  |   ^^^^^^\n"
        "  = note: a.yaml:1:3: conv2d produces [N, 8, 4, 4] here\n"
        "  |\n"
        "1 | - conv2d: 8\n"
        "  |   ^^^^^^\n"
        "  = note: as in PyTorch"
    )


@pytest.mark.parametrize(
    ("line", "marked", "carets"),
    [
        ("\tconv: 1", "conv", "\t^^^^"),
        ("a:\tb\tc", "c", "  \t \t^"),
        ("名前: conv", "conv", "      ^^^^"),
        ("名前: 層", "層", "      ^^"),
        ("cafe\u0301: x", "x", "      ^"),
    ],
)
def test_carets_stand_below_their_token_with_tabs_and_wide_characters(line: str, marked: str, carets: str) -> None:
    source = Source("a.yaml", line)
    assert render(Diagnostic("syntax", "y", at(source, marked))).splitlines()[2:] == [
        f"1 | {line}",
        f"  | {carets}",
    ]


def test_a_span_of_several_lines_shows_the_first() -> None:
    source = Source("a.yaml", "- relu: {a: 1,\n    b: 2}\n- flatten\n")
    assert render(Diagnostic("syntax", "y", at(source, "{a", until="2}"))) == (
        "a.yaml:1:9: error[syntax]: y\n  |\n1 | - relu: {a: 1,\n  |         ^^^^^^"
    )


def test_a_place_after_the_last_line_is_shown_as_an_empty_line() -> None:
    source = Source("a.yaml", "a: [")
    span = Span(source, 4, 0, 4, 1)
    assert render(Diagnostic("syntax", "y", span)) == "a.yaml:5:1: error[syntax]: y\n  |\n5 |\n  | ^"


def test_a_long_line_is_cut_around_the_caret() -> None:
    source = Source("a.yaml", "x" * 1000 + "HERE" + "y" * 1000)
    assert render(Diagnostic("syntax", "y", at(source, "HERE"))).splitlines()[2:] == [
        "1 | …" + "x" * 50 + "HERE" + "y" * 50 + "…",
        "  | " + " " * 51 + "^^^^",
    ]


def test_a_line_that_is_cut_at_its_end_fills_the_width() -> None:
    source = Source("a.yaml", "  HERE" + "x" * 100)
    lines = diagnostic_lines(Diagnostic("syntax", "y", at(source, "HERE")), excerpt=40)
    assert "".join(text for text, _ in lines[2]) == "1 |   HERE" + "x" * 34 + "…"


def test_nothing_that_steers_a_terminal_or_forges_a_line_gets_through() -> None:
    source = Source("a\nb.yaml", "x: \x1b[31mred\u202e")
    text = render(Diagnostic("syntax", "y\x1b[0m\na.yaml:1:1: error", at(source, "red"), help="\x07"))
    assert text == (
        "a\\nb.yaml:1:9: error[syntax]: y\\x1b[0m\\na.yaml:1:1: error\n"
        "  |\n"
        "1 | x: �[31mred�\n"
        "  |         ^^^\n"
        "  = help: \\x07"
    )


def test_lines_end_as_in_yaml() -> None:
    assert Source("a", "1\r\n2\r3\n4\x0b\u2028").lines == ["1", "2", "3", "4\x0b\u2028"]


def test_json_counts_lines_and_columns_from_one() -> None:
    diagnostic = Diagnostic("syntax", "y", at(LENET, "kernal_size"), (Note("see"),), "mend it")
    assert as_json(diagnostic) == {
        "severity": "error",
        "code": "syntax",
        "message": "y",
        "file": "specs/lenet.yaml",
        "line": 10,
        "column": 5,
        "end_line": 10,
        "end_column": 16,
        "notes": [{"message": "see", "file": None}],
        "help": "mend it",
    }


def test_errors_are_sorted_by_position_and_print_all_of_them() -> None:
    source = Source("a.yaml", "a: 1\nb: 2\n")
    second, first = Diagnostic("syntax", "second", at(source, "b")), Diagnostic("syntax", "first", at(source, "1"))
    error = SpecError([second, first])
    assert error.diagnostics == (first, second)
    assert str(error) == f"{render(first)}\n\n{render(second)}"


def test_an_error_can_be_made_from_one_message() -> None:
    error = UsageError("there is no target", code="unknown-target", help="type archc list")
    assert error.diagnostics == (Diagnostic("unknown-target", "there is no target", help="type archc list"),)


def test_exit_statuses_are_those_of_the_design() -> None:
    kinds = [
        SpecError,
        UsageError,
        BuildError,
        ExportError,
        VerificationFailed,
        MissingDependency,
        Inconclusive,
    ]
    assert [kind.exit_status for kind in kinds] == [2, 2, 3, 4, 5, 6, 7]
    assert all(issubclass(kind, ArchcError) for kind in kinds)


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("kernal_size", "did you mean 'kernel_size'?"),
        ("Conv2D", "did you mean 'conv2d'?"),
        ("BatchNorm", "did you mean 'batch_norm'?"),
        ("zzz", None),
        ("kernel_size" * 100, None),
    ],
)
def test_the_nearest_word_is_suggested(word: str, suggestion: str | None) -> None:
    assert did_you_mean(word, ["stride", "kernel_size", "conv2d", "batch_norm"]) == suggestion


def test_of_words_that_are_equally_near_the_one_that_begins_alike_is_suggested() -> None:
    names = ["resnet101", "resnet18", "resnet34", "resnet50", "vgg35"]
    assert did_you_mean("resnet35", names) == did_you_mean("resnet35", reversed(names)) == "did you mean 'resnet34'?"

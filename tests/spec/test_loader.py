"""YAML 1.2's core schema, limits, and what any bytes at all may do."""

from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.diagnostics import ArchcError, Source, SpecError
from archc.spec.loading import parse_text
from archc.spec.tree import Mapping, Sequence, Unreadable, plain
from archc.spec.yaml.loader import Limits, compose, load, read_source
from archc.spec.yaml.scalars import resolve

LANGUAGE = st.text(st.sampled_from("ab$10 \n\n:-,[]{}&*!?#'\"|>%@`().xe<~\\"), max_size=80)


def value(text: str) -> object:
    """What a text is read as."""
    return plain(load(Source("<test>", text)))


def refusal(text: str, limits: Limits = Limits()) -> list[str]:  # noqa: B008
    """The codes of what is wrong with a text."""
    with pytest.raises(SpecError) as caught:
        load(Source("<test>", text), limits)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


@pytest.mark.parametrize("word", ["no", "No", "yes", "on", "off", "y", "n", "nULL", "tRUE", "NaN", "inf", "e5"])
def test_words_that_yaml_1_1_took_for_something_else_are_words(word: str) -> None:
    assert value(word) == word


@pytest.mark.parametrize(
    "text", ["1:30", "2015-12-10", "1_000", "0b11", "-0x1", "+0o7", "0o8", "1.2.3", ". ", "=", "1e"]
)
def test_texts_that_only_look_like_numbers_are_texts(text: str) -> None:
    assert value(f"- {text}") == [text.strip()]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010", 10),
        ("-012", -12),
        ("+3", 3),
        ("0o10", 8),
        ("0x1F", 31),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775807", -(2**63) + 1),
        ("0" * 2000 + "7", 7),
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("6.02e+23", 6.02e23),
    ],
)
def test_numbers_are_those_of_yaml_1_2(text: str, number: float) -> None:
    assert (value(text), type(value(text))) == (number, type(number))


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_is_written_in_five_ways(text: str) -> None:
    assert value(f"a: {text}") == {"a": None}


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "false", "False", "FALSE"])
def test_booleans_are_written_in_six_ways(text: str) -> None:
    assert value(text) is (text.lower() == "true")


@pytest.mark.parametrize("text", ["'010'", '"true"', "'~'", "!!str 5", "! 5", "|-\n  5"])
def test_quoted_and_tagged_scalars_are_texts(text: str) -> None:
    assert isinstance(value(text), str)


def test_an_integer_of_many_digits_is_refused_before_it_is_read() -> None:
    with pytest.raises(OverflowError):
        resolve("9" * 5000)  # Python itself refuses to read as many with a ValueError


def test_an_alias_is_the_value_it_stands_for() -> None:
    assert value("a: &x {k: [1]}\nb: *x\nc: [*x, *x]") == {
        "a": {"k": [1]}, "b": {"k": [1]}, "c": [{"k": [1]}, {"k": [1]}]
    }  # fmt: skip


def test_positions_are_those_of_keys_and_values() -> None:
    tree = load(Source("<test>", "layers:\n  - conv2d: {kernel_size: [3, 7]}\n"))
    assert isinstance(tree, Mapping)
    items = tree.get("layers")
    assert isinstance(items, Sequence)
    call = items.items[0]
    assert isinstance(call, Mapping)
    fields = call.get("conv2d")
    assert isinstance(fields, Mapping)
    pair = fields.get("kernel_size")
    assert isinstance(pair, Sequence)
    seven = pair.items[1]
    spans = [
        tree.entries["layers"].key.span,
        call.entries["conv2d"].key.span,
        fields.span,
        fields.entries["kernel_size"].key.span,
        seven.span,
    ]
    assert list(map(str, spans)) == [
        "<test>:1:1", "<test>:2:5", "<test>:2:13", "<test>:2:14", "<test>:2:31"
    ]  # fmt: skip
    assert (seven.span.end_line, seven.span.end_column) == (1, 31)


def test_what_could_not_be_read_stands_in_the_tree() -> None:
    text = "a: &a {<<: 1, b: [1e999, 2], b: 3, 8: 4}\nc: *a\nd: !t 5\ne: [max($i, 2)]\n!t f: 6\n"
    tree, problems = compose(Source("<test>", text))
    assert [problem.code for problem in problems] == [
        "merge-key", "invalid-value", "duplicate-key", "bad-key", "unknown-tag", "cut-expression", "unknown-tag"
    ]  # fmt: skip
    assert isinstance(tree, Mapping)
    assert (list(tree.entries), tree.lost) == (["a", "c", "d", "e", "f"], ())
    a, c, d, e, f = (entry.value for entry in tree.entries.values())
    assert a is c
    assert isinstance(a, Mapping)
    b = a.get("b")
    assert isinstance(b, Sequence)
    assert isinstance(e, Sequence)
    assert [(entry.key.text, plain(entry.value)) for entry in a.lost] == [("<<", 1), ("b", 3), ("8", 4)]
    assert a.lacks_keys
    unreadable = [value for value in (*b.items, d, *e.items, f) if isinstance(value, Unreadable)]
    assert [(value.text, value.meant and value.meant.value) for value in unreadable] == [
        ("1e999", None), ("5", "5"), ("max($i, 2)", "max($i, 2)")
    ]  # fmt: skip


def test_every_limit_holds_at_its_value_and_not_beyond() -> None:
    limits = Limits(bytes=60, depth=3, nodes=8, scalar_characters=5, expression_characters=8)
    fits = ["[[[]]]", "[1, 2, 3, 4, 5, 6, 7]", "[&a [1, 2], *a, 3]", "abcde", "#" * 60]
    for text in fits[:-1]:
        load(Source("<test>", text), limits)
    assert refusal(fits[-1], limits) == ["empty"]
    assert refusal("[[[[]]]]", limits) == ["too-deep"]
    assert refusal("[1, 2, 3, 4, 5, 6, 7, 8]", limits) == ["too-large"]
    assert refusal("[&a [1, 2], *a, 3, 4]", limits) == ["too-large"]
    assert refusal("[&a [[]], [*a]]", limits) == ["too-deep"]
    assert refusal("abcdef", limits) == ["too-large"]
    load(Source("<test>", "[$a+$b, when: 123]"), limits)
    assert refusal("[$a+$b, when: (12)]", limits) == ["too-large"]
    assert refusal("#" * 61, limits) == ["too-large"]
    assert refusal("#" + "é" * 30, limits) == ["too-large"]


def test_depth_is_not_paid_for_beyond_the_limit() -> None:
    # PyYAML's own C loader overflows the stack on this, and its parser takes seconds over the events.
    assert refusal("[" * 1_000_000) == ["too-deep"]


def test_a_hundred_problems_are_enough() -> None:
    assert len(refusal("\n".join(f"{n}: x" for n in range(10_000)))) == 100


def test_the_pure_python_parser_gives_the_same_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &x [1, 'b', {c: 1e-5}]\nb: *x\nlong: >\n  folded\n  text\n"
    expected = load(Source("<test>", text))
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert plain(load(Source("<test>", text))) == plain(expected)


def test_a_file_in_another_encoding_is_refused_at_the_first_character_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("name: broken\nsource: Müller 2015\n", encoding="latin-1")
    with pytest.raises(SpecError) as caught:
        read_source(tmp_path / "net.yaml")
    assert (
        f"{caught.value}\n"
        == f"""\
{tmp_path}/net.yaml:2:10: error[bad-encoding]: this is not UTF-8
  |
2 | source: M\N{REPLACEMENT CHARACTER}ller 2015
  |          ^
  = help: save the file as UTF-8
"""
    )


def test_a_file_that_cannot_be_read_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    for name in ["absent.yaml", ".", "large.yaml", "nul\0.yaml"]:
        with pytest.raises(SpecError):
            read_source(tmp_path / name)


@given(LANGUAGE)
@settings(max_examples=300)
def test_no_text_raises_anything_but_an_archc_error(text: str) -> None:
    with suppress(ArchcError):
        parse_text(Source("<test>", text), Path("nowhere"))


@given(LANGUAGE)
@settings(max_examples=200)
def test_no_network_raises_anything_but_an_archc_error(text: str) -> None:
    head = "name: a\ninput: {channels: 1, height: 1, width: 1}\nlayers:\n  - "
    with suppress(ArchcError):
        parse_text(Source("<test>", head + text.replace("\n", "\n    ")), Path("nowhere"))


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_no_bytes_raise_anything_but_an_archc_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(data)
    with suppress(ArchcError):
        load(read_source(path))

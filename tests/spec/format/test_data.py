"""Data -> text -> the same data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.diagnostics import Source
from archc.spec.format import format_document
from archc.spec.tree import plain
from archc.spec.yaml.loader import load

# What a spec can hold: no control characters, and integers of 64 bits.
characters = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"], exclude_characters="\u2028\u2029\ufeff"
)
words = st.sampled_from(
    ["no", "on", "010", "1e-5", "0x1F", "0o7", "1:30", "~", "null", "<<", "=", "a: b", "- a", "#", ""]
)
texts = st.text(characters, max_size=12) | words | st.text("a \n", max_size=200)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.recursive(
    scalars | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(documents)
def test_what_is_written_is_read_back_with_its_types(data: object) -> None:
    assert repr(plain(load(Source("<test>", format_document(data))))) == repr(data)


def test_a_document_is_written_in_the_style_of_the_bundled_specs() -> None:
    data = {
        "layers": [
            {"relu": {}},
            {"conv2d": {"out_channels": "4 * $width", "kernel_size": [7, 1], "bias": False}},
            {"linear": {"out_features": 1000}},
            {"batch_norm": {"eps": 1e-05, "momentum": 0.1}},
            {"rearrange": {"pattern": "b c (h p) w -> b p h w c", "p": 4}},
            {"sum": ["identity", {"from": "skip"}]},
            {"sum": ["identity", [{"linear": "max(8, $n)"}, "tanh"]]},
            {"features": ["relu", "tanh"]},
            {"when": "$n > 1", "then": {"dropout": 0.001}, "else": "none"},
        ],
        "blocks": {"wide": {"layers": [{"conv1d": 3}], "parameters": {"n": "int", "k": "int = 3"}}},
        "init": {"conv2d": {"weight": {"normal": {"std": 0.02}}}},
        "parameters": {"n": "int = 8"},
        "input": {"channels": 3, "height": 32, "width": 32},
        "name": "net",
    }
    assert format_document(data) == (
        "name: net\n"
        "input: {channels: 3, height: 32, width: 32}\n"
        "parameters:\n"
        "  n: int = 8\n"
        "init:\n"
        "  conv2d: {weight: {normal: {std: 0.02}}}\n"
        "\n"
        "blocks:\n"
        "  wide:\n"
        "    parameters: {n: int, k: int = 3}\n"
        "    layers:\n"
        "      - conv1d: 3\n"
        "\n"
        "layers:\n"
        "  - relu\n"
        "  - conv2d: {out_channels: 4 * $width, kernel_size: [7, 1], bias: false}\n"
        "  - linear: 1000\n"
        "  - batch_norm: {eps: 1e-5, momentum: 0.1}\n"
        '  - rearrange: {pattern: "b c (h p) w -> b p h w c", p: 4}\n'
        "  - sum: [identity, from: skip]\n"
        "  - sum:\n"
        "      - identity\n"
        "      - - linear: max(8, $n)\n"
        "        - tanh\n"
        "  - features:\n"
        "      - relu\n"
        "      - tanh\n"
        "  - when: $n > 1\n"
        "    then: {dropout: 1e-3}\n"
        "    else: none\n"
    )


def test_a_call_that_does_not_fit_has_a_line_for_each_field() -> None:
    fields = {"out_channels": "make_divisible($width * $multiplier)", "kernel_size": 3, "groups": "$channels"}
    line = (
        f"  - {'b' * 20}: {{out_channels: make_divisible($width * $multiplier), kernel_size: 3, groups: $channels}}\n"
    )
    assert format_document({"layers": [{"b" * 20: fields}]}) == f"layers:\n{line}"
    word = "b" * (20 + 121 - len(line.rstrip()))
    assert format_document({"layers": [{word: fields}]}) == (
        f"layers:\n  - {word}:\n"
        "      out_channels: make_divisible($width * $multiplier)\n"
        "      kernel_size: 3\n"
        "      groups: $channels\n"
    )


@pytest.mark.parametrize("text", ["010", "no", "1e-5", "true", ".inf", "9" * 30, "0o7"])
def test_texts_keep_being_texts(text: str) -> None:
    assert plain(load(Source("<test>", format_document({"a": text, "b": [text]})))) == {"a": text, "b": [text]}

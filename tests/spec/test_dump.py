"""Data -> text -> the same data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.diagnostics import Source
from archc.spec.tree import plain
from archc.spec.yaml.dump import dump
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
def test_what_is_dumped_is_read_back_with_its_types(data: object) -> None:
    assert repr(plain(load(Source("<test>", dump(data))))) == repr(data)


def test_calls_are_written_as_a_person_would() -> None:
    data = {
        "name": "net",
        "layers": [
            "relu",
            {"conv2d": {"out_channels": "4 * $width", "kernel_size": [7, 1], "bias": False}},
            {"linear": 1000},
            {"batch_norm": {"eps": 1e-05}},
            {"sum": ["identity", [{"linear": "max(8, $n)"}]]},
        ],
    }
    assert dump(data) == (
        "name: net\n"
        "layers:\n"
        "  - relu\n"
        "  - conv2d:\n"
        "      out_channels: 4 * $width\n"
        "      kernel_size: [7, 1]\n"
        "      bias: false\n"
        "  - linear: 1000\n"
        "  - batch_norm: {eps: 1e-05}\n"
        "  - sum:\n"
        "      - identity\n"
        "      - - linear: max(8, $n)\n"
    )


@pytest.mark.parametrize("text", ["010", "no", "1e-5", "true", ".inf", "9" * 30, "0o7"])
def test_texts_keep_being_texts(text: str) -> None:
    assert plain(load(Source("<test>", dump({"a": text, "b": [text]})))) == {"a": text, "b": [text]}

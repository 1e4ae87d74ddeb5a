"""Every word of the language is explained, by an example that compiles and that has the word in it."""

import re
from pathlib import Path

import pytest

from archc import cli
from archc.builds.compilation import compile_spec
from archc.diagnostics import Source
from archc.operators import is_operator
from archc.reference.language import explanations
from archc.spec.language.arithmetic import FUNCTIONS
from archc.spec.language.calls import CALL_KEYS
from archc.spec.language.names import RESERVED
from archc.spec.language.parsing import BLOCK_KEYS, SPEC_KEYS
from archc.spec.loading import parse_text

EXAMPLES = {word: re.findall(r"^    (.*)$", text, re.MULTILINE) for word, text in explanations().items()}
INPUT = ["input: {channels: 3, height: 32, width: 32}"]


def test_every_word_of_the_grammar_is_explained() -> None:
    operators = {word for word in RESERVED if is_operator(word)}
    assert set(explanations()) == {*RESERVED, *SPEC_KEYS, *BLOCK_KEYS, *CALL_KEYS, *FUNCTIONS} - operators


@pytest.mark.parametrize("word", EXAMPLES)
def test_its_example_compiles_and_has_the_word(word: str) -> None:
    lines = EXAMPLES[word]
    given = [] if word in ("input", "inputs") else INPUT
    text = "\n".join(["name: example", *given, *lines]) + "\n"
    compile_spec(parse_text(Source("example.yaml", text), Path()), {})
    assert re.search(rf"\b{word}\b", text)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("sequence", "A module that numbers its items"),
        ("make_divisible", "the multiple of the second number"),
        ("abs", "As an operator: The absolute value."),
        ("constant", "As an initializer: One value everywhere."),
    ],
)
def test_explain_tells_a_word_of_the_language(word: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", word]) == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("transpose", "did you mean 'permute' or 'rearrange'?"),
        ("Sequential", "did you mean 'sequence'?"),
        ("residual", "did you mean 'sum'?"),
        ("unknown-feild", "did you mean 'unknown-field'?"),
        ("LSTM", "'LSTM' is not supported by archc"),
    ],
)
def test_explain_tells_what_a_foreign_word_means(word: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["explain", word]) == 2
    assert told in capsys.readouterr().err

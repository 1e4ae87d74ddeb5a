"""A list under a word is a sequence, unless it is likely to be one of branches (whose shortcut would be lost)."""

import pytest

from archc.diagnostics import Source, SpecError
from archc.spec.language.grammar import Grammar
from archc.spec.yaml.loader import load


def codes(text: str) -> list[str]:
    grammar = Grammar()
    grammar.items(load(Source("<test>", text)))
    return [problem.code for problem in grammar.problems]


NAMES = (
    "features classifier conv conv1 branch1 branch_pool downsample left right context stem block stages head residual"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_a_sequence_may_be_called(name: str) -> None:
    assert codes(f"[{name}: [relu, tanh]]") == []


@pytest.mark.parametrize("word", "add Add plus cat Concat concatenate concta sum_ Sum summ produkt mul".split())
def test_a_list_under_what_nearly_is_a_composite_is_refused(word: str) -> None:
    assert codes(f"[{word}: [relu, tanh]]") == ["unknown-block"]


def test_what_cannot_be_read_leaves_the_value_unknown_and_the_others_are_read() -> None:
    grammar = Grammar()
    parsed = grammar.items(load(Source("<test>", "[relu, 3, sum: [4, relu], tanh]")))
    assert [type(item).__name__ for item in parsed] == ["Call", "Unread", "Composite", "Call"]
    assert len(grammar.problems) == 2


def test_the_problems_that_are_told_are_counted_and_long_texts_are_cut() -> None:
    grammar = Grammar()
    with pytest.raises(SpecError) as caught:
        grammar.items(load(Source("<test>", "\n".join(f"- '{'a b ' * 200}{n}'" for n in range(200)))))
    assert len(caught.value.diagnostics) == 100
    assert [note.message for note in caught.value.diagnostics[-1].notes] == [
        "no more than 100 problems are told, and there may be more"
    ]
    assert max(len(problem.message) for problem in caught.value.diagnostics) < 150

"""The forms that an item can have, and the tree that each of them gives."""

import pytest

from archc.diagnostics import Source, SpecError
from archc.spec.language.grammar import Grammar, parse_layer
from archc.spec.language.items import (
    Auxiliary,
    Branch,
    Call,
    Composite,
    From,
    Group,
    Item,
    Mark,
    OutputMark,
    Reference,
    Share,
    Unread,
    When,
)
from archc.spec.tree import plain
from archc.spec.yaml.loader import load


def items(text: str, *, root: bool = False) -> list[str]:
    """A list of items in a short notation."""
    grammar = Grammar()
    parsed = grammar.items(load(Source("<test>", text)), root=root)
    assert grammar.problems == []
    return [show(item) for item in parsed]


def show(item: Item) -> str:
    match item:
        case Call(word, _, fields, short, name, count, init):
            parts = [plain(fields) if fields else None, short and plain(short), name and name.text]
            parts += [count and count.text, plain(init) if init else None]
            return f"{word}({', '.join('-' if part is None else str(part) for part in parts)})"
        case Group(name, inner, _, numbered):
            listed = ", ".join(map(show, inner))
            return f"{name.text if name else 'sequence'}{f'[{listed}]' if numbered else f'{{{listed}}}'}"
        case Composite(kind, branches, _):
            return f"{kind}[{' | '.join(arm(branch) for branch in branches)}]"
        case When(_, then, otherwise, _):
            return f"when({arm(then)} else {arm(otherwise)})"
        case OutputMark(name, _):
            return f"output {name.text}"
        case Auxiliary(inner, _):
            return f"aux {show(inner)}"
        case Reference(parameter, _, name):
            return f"${parameter} {name.text}" if name else f"${parameter}"
        case Mark(name) | From(name) | Share(name):
            return f"{type(item).__name__.lower()} {name.text}"
        case Unread():
            return "unread"


def arm(branch: Branch | When | None) -> str:
    if branch is None:
        return "absent"
    if isinstance(branch, When):
        return show(branch)
    return " ".join(map(show, branch.items)) or "identity"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- relu", "relu(-, -, -, -, -)"),
        ("- linear: 1000", "linear(-, 1000, -, -, -)"),
        ("- linear: 4 * $width", "linear(-, 4 * $width, -, -, -)"),
        ("- permute: [0, $a, 2]", "permute(-, [0, '$a', 2], -, -, -)"),
        ("- pad: [$a, $a]", "pad(-, ['$a', '$a'], -, -, -)"),
        ("- mine: [3, 4]", "mine(-, [3, 4], -, -, -)"),
        ("- mine: [$a, $b]", "mine[$a, $b]"),
        ("- permute: [relu, $b]", "permute[relu(-, -, -, -, -), $b]"),
        ("- relu: {}", "relu({}, -, -, -, -)"),
        (
            "- conv2d: {name: c$i.0, out_channels: 8, count: $n, init: {bias: zeros}}",
            "conv2d({'out_channels': 8}, -, c$i.0, $n, {'bias': 'zeros'})",
        ),
        ("- features: [relu, flatten]", "features[relu(-, -, -, -, -), flatten(-, -, -, -, -)]"),
        ("- sequence: [relu]", "sequence[relu(-, -, -, -, -)]"),
        ("- features: {layers: [$a, {x: {layers: [$b]}}]}", "features{$a, x{$b}}"),
        ("- sum: [{x: {layers: [$a]}}, $b]", "sum[x{$a} | $b]"),
        ("- x: {layers: [1, 2]}", "x({'layers': [1, 2]}, -, -, -, -)"),
        ("- $norm", "$norm"),
        ("- $norm: {name: bn$i.0}", "$norm bn$i.0"),
        ("- sum: [identity, relu]", "sum[identity | relu(-, -, -, -, -)]"),
        ("- concat: [[$a, $b], {x: [$c]}, none]", "concat[$a $b | x[$c]]"),
        ("- product:\n    - - $a\n      - $b\n    - $c", "product[$a $b | $c]"),
        (
            "- sum:\n    - when: $i == 0\n      then: $a\n      else: identity\n    - $b",
            "sum[when($a else identity) | $b]",
        ),
        ("- when: $i == 0\n  then: [$a, $b]", "when($a $b else absent)"),
        ("- when: $i == 0\n  then: none\n  else: $a", "when(absent else $a)"),
    ],
)
def test_each_form_gives_its_item(text: str, expected: str) -> None:
    assert items(text) == [expected]


def test_outputs_and_auxiliary_heads_are_items_of_the_root() -> None:
    assert items("- output: c2\n- aux: {head: [relu]}", root=True) == [
        "output c2",
        "aux head[relu(-, -, -, -, -)]",
    ]


def test_an_identity_among_items_is_no_item_unless_it_has_fields() -> None:
    assert items("[$a, identity, $b]") == ["$a", "$b"]
    assert items("- identity: {name: here}") == ["identity({}, -, here, -, -)"]


def test_a_word_that_yaml_1_1_took_for_a_boolean_is_a_word() -> None:
    assert items("- no") == ["no(-, -, -, -, -)"]


def test_a_layer_is_a_word_a_call_or_none() -> None:
    def layer(text: str) -> str | None:
        call = parse_layer(load(Source("<test>", text)))
        return show(call) if call else None

    assert layer("relu") == "relu(-, -, -, -, -)"
    assert layer("{leaky_relu: {negative_slope: 0.1}}") == "leaky_relu({'negative_slope': 0.1}, -, -, -, -)"
    assert layer("{leaky_relu: 0.1}") == "leaky_relu(-, 0.1, -, -, -)"
    assert layer("identity") == "identity(-, -, -, -, -)"
    assert layer("none") is None


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

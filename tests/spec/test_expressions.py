"""Arithmetic in specs."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archc.diagnostics import Source, Span, SpecError
from archc.spec.language.expressions import UNKNOWN, is_expression, parse, substitute
from archc.spec.tree import Scalar

SOURCE = Source("<test>", "x")
SPAN = Span(SOURCE, 0, 0, 0, 1)
ENVIRONMENT = {
    "in_channels": 64, "width": 48, "stride": 2, "i": 3, "kernel_size": (7, 3), "half": 0.5,
    "deep": True, "act": None, "broken": UNKNOWN, "word": "abc", "size": (3, 3), "widths": (64, 128, 256),
}  # fmt: skip


def evaluate(text: str) -> object:
    return parse(Scalar(text, text, SPAN)).evaluate(ENVIRONMENT)


def complaint(text: str) -> tuple[str, str, str | None]:
    """Code, message and help of the one thing that is wrong."""
    with pytest.raises(SpecError) as caught:
        evaluate(text)
    (found,) = caught.value.diagnostics
    assert found.span == SPAN
    return found.code, found.message, found.help


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$width", 48),
        ("2 + 3 * $stride - 4", 4),
        ("(2 + 3) * $stride", 10),
        ("-$stride // 2 * -3", 3),
        ("7 // 2 + 7 % 4 / 2", 4.5),
        ("20 // 6 // 2", 1),
        ("1e-1 + .5", 0.6),
        ("$i % 2 * 3", 3),
        ("round(0.25 * $in_channels)", 16),
        ("round(2.5) + round(3.5)", 6),
        ("ceil(2.1) * 10 + floor(2.9)", 32),
        ("min(3, $stride, 5) + max(1, 2)", 4),
        ("make_divisible($width * 0.9)", 40),
        ("make_divisible(10)", 16),
        ("make_divisible(33, 16)", 32),
        ("($kernel_size - 1) // 2", (3, 1)),
        ("max($kernel_size, 5)", (7, 5)),
        ("$kernel_size == 7", False),
        ("$size == 3 and $size != $kernel_size", True),
        ("$stride != 1 or $in_channels != 4 * $width", True),
        ("$widths[$i - 1] + $widths[-3]", 320),
        ("($widths // 2)[0] + min($kernel_size, 5)[1]", 35),
        ("$widths * (0 - 1)", (-64, -128, -256)),
        ("$widths == 64 or $size == $widths", False),
        ("sqrt($in_channels) + log2($stride)", 9.0),
        ("int(0 - 2.7) + int(2.7) + abs(-3)", 3),
        ("$i if $deep else 1 // 0", 3),
        ("1 // 0 if not $deep else $i", 3),
        ("1 if $i == 1 else 2 if $i == 2 else $i", 3),
        ("(1 if true else 2 if true else 3) + 4", 5),
        ("1 if false or true else 2 + 8", 1),
        ("$widths[0 if $deep else 1]", 64),
        ("not $deep or not not 1 <= 1", True),
        ("1 < 2 and 2 >= 3", False),
        ("true and not false", True),
        ("$act", None),
        ("$word", "abc"),
    ],
)
def test_expressions_have_the_value_that_python_would_give(text: str, expected: object) -> None:
    value = evaluate(text)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$broken * 2 + 1", UNKNOWN),
        ("max($broken, 1)", UNKNOWN),
        ("$broken == 1", UNKNOWN),
        ("not $broken", UNKNOWN),
        ("$broken and $deep", UNKNOWN),
        ("$deep or $broken", True),
        ("$broken or $deep", True),
        ("$broken and not $deep", False),
        ("1 if $broken else 2", UNKNOWN),
        ("1 if $broken else 1 // 0", UNKNOWN),
        ("$broken if $deep else 2", UNKNOWN),
        ("2 if $deep else $broken", 2),
        ("$widths[$broken]", UNKNOWN),
        ("$broken[0]", UNKNOWN),
    ],
)
def test_what_depends_on_an_unknown_value_is_unknown_unless_it_is_decided(text: str, expected: object) -> None:
    assert evaluate(text) is expected


def test_the_right_side_of_a_decided_condition_is_not_evaluated() -> None:
    assert evaluate("$deep or 1 // 0 == 1") is True
    assert evaluate("not $deep and 1 // 0 == 1") is False


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100 + "1" + ")" * 100,
        "+".join(["1"] * 1000),
        "-" * 1000 + "1",
        "not " * 1000 + "true",
        "min(" * 99,
        "1 if true else " * 60 + "1",
        "$widths[" * 60 + "0" + "]" * 60,
    ],
)
def test_size_and_depth_are_limited(text: str) -> None:
    assert complaint(text)[0] == "bad-expression"


numbers = st.integers(0, 99).map(str) | st.floats(0.125, 99).map(lambda x: f"{x:.3f}")
formulas = st.recursive(
    numbers,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}")
        | inner.map("({})".format)
        | inner.map("-({})".format)
        | st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})")
        | st.tuples(st.sampled_from(["math.ceil", "math.floor", "round"]), inner).map(lambda t: f"{t[0]}({t[1]})")
    ),
    max_leaves=8,
)


@given(formulas)
def test_arithmetic_agrees_with_python(formula: str) -> None:
    try:
        expected = eval(formula, {"math": math})
    except ZeroDivisionError:
        assert complaint(formula.replace("math.", ""))[1].endswith("divides by zero")
        return
    assume(abs(expected) < 2**62)
    value = evaluate(formula.replace("math.", ""))
    assert (value, type(value)) == (expected, type(expected))


@given(st.integers(1, 4096), st.sampled_from([1, 4, 8, 16]))
def test_make_divisible_is_the_nearest_multiple_but_not_below_nine_tenths(x: int, divisor: int) -> None:
    result = evaluate(f"make_divisible({x}, {divisor})")
    assert isinstance(result, int)
    assert result % divisor == 0
    assert 0.9 * x <= result
    # The nearest multiple, or the next where that would lose more than a tenth.
    assert result - x <= max(divisor, divisor / 2 + 0.1 * x)


def test_a_scalar_with_a_dollar_or_a_function_is_an_expression() -> None:
    texts = ["$x", "2 * $x", "max(8, 4)", "8 if true else 4", "sqrt (2)", "relu", "4 * 8", "maximum", "max", "(1)"]
    assert [is_expression(Scalar(text, text, SPAN)) for text in texts] == [True] * 5 + [False] * 5
    assert not is_expression(Scalar(5, "5", SPAN))


def test_a_condition_may_be_a_plain_constant() -> None:
    assert parse(Scalar(True, "true", SPAN)).evaluate({}) is True


def test_names_are_filled_in() -> None:
    assert substitute("block$stride-$i", ENVIRONMENT, SPAN) == "block2-3"
    assert substitute("layer.$i.$word", ENVIRONMENT, SPAN) == "layer.3.abc"

"""Sizes that are known only at run time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.ir.types import (
    BATCH,
    SymbolicArithmeticError,
    SymbolicDim,
    TensorType,
    largest,
    nominal,
    smallest,
)  # fmt: skip

HEIGHT = SymbolicDim("height", 32, 64, 256)
steps = st.lists(
    st.tuples(st.sampled_from(["+", "-", "//"]), st.integers(1, 12)) | st.tuples(st.just("*"), st.integers(1, 4)),
    max_size=6,
)


def apply(size: int | SymbolicDim, step: tuple[str, int]) -> int | SymbolicDim:
    operation, operand = step
    match operation:
        case "+":
            return size + operand
        case "-":
            return size - operand
        case "*":
            return size * operand
    return size // operand


@given(steps)
def test_arithmetic_on_a_dynamic_size_is_arithmetic_on_each_of_its_values(
    steps: list[tuple[str, int]],
) -> None:
    size: int | SymbolicDim = HEIGHT
    numbers: list[int] = list(range(HEIGHT.minimum, HEIGHT.maximum + 1))
    for step in steps:
        try:
            size = apply(size, step)
        except SymbolicArithmeticError:
            assert step[0] == "*"
            continue
        numbers = [int(str(apply(number, step))) for number in numbers]
    assert isinstance(size, SymbolicDim)
    assert [size.at(value) for value in range(HEIGHT.minimum, HEIGHT.maximum + 1)] == numbers
    assert (smallest(size), largest(size)) == (numbers[0], numbers[-1])
    assert nominal(size) == numbers[HEIGHT.optimum - HEIGHT.minimum]


@given(st.integers(1, 8), st.integers(1, 8), st.integers(-5, 5))
def test_a_size_has_one_form_however_it_was_reached(first: int, second: int, offset: int) -> None:
    assert HEIGHT // first // second == HEIGHT // (first * second)
    assert (HEIGHT * first) // first == HEIGHT
    assert HEIGHT + offset - offset == HEIGHT
    assert (HEIGHT + offset * first) // first == HEIGHT // first + offset


def test_a_divided_size_cannot_be_multiplied() -> None:
    with pytest.raises(SymbolicArithmeticError, match=r"^\(height//2\) \* 3$"):
        _ = (HEIGHT // 2) * 3


def test_sizes_differ_by_symbol_and_by_range() -> None:
    assert SymbolicDim("width", 32, 64, 256) != HEIGHT
    assert replace(HEIGHT, maximum=512) != HEIGHT


def test_sizes_are_printed_as_formulas() -> None:
    sizes = (HEIGHT, HEIGHT // 2, (HEIGHT + 3) // 2, HEIGHT - 5, HEIGHT * 2 + 1, (HEIGHT // 2 + 1) // 3)
    assert [str(size) for size in sizes] == [
        "height", "height//2", "(height + 3)//2", "height - 5", "2*height + 1", "(height + 2)//6",
    ]  # fmt: skip


def test_a_type_counts_one_image_at_nominal_size_and_bytes_at_the_largest() -> None:
    image = TensorType((BATCH, 3, HEIGHT, 10))
    assert str(image) == "float32[batch, 3, height, 10]"
    assert image.elements() == 3 * 64 * 10
    assert image.bytes() == 4 * 3 * 256 * 10
    assert TensorType((BATCH, 7), "int64").bytes() == 8 * 7

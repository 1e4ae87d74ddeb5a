"""What the language has no word for is told with its place in the person's own code; their errors stay theirs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from archc.diagnostics import ArchcError, LiftError, UsageError
from archc.lifting import lift
from archc.lifting.records import BATCH_SIZE
from tests.lifting.networks import Buffers


class Within(nn.Module):
    """A convolution, and a function of its output in a module of its own."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.special = Function(function)

    def forward(self, x: Any) -> Any:
        return self.special(self.conv(x))


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def _spectrum(x: Any) -> Any:
    return torch.fft.fft2(x).real


def _sorted(x: Any) -> Any:
    return x.sort(dim=1).values


def _antialiased(x: Any) -> Any:
    return functional.interpolate(x, size=(4, 4), mode="bicubic", antialias=True)


class ByHand(nn.Module):
    """A convolution of each channel by itself, as an image of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x: Any) -> Any:
        batch, channels, height, width = x.shape
        return self.conv(x.reshape(batch * channels, 1, height, width)).reshape(x.shape)


def told(module: nn.Module, shape: Sequence[int] | Mapping[str, Sequence[int]] = (3, 8, 8)) -> ArchcError:
    with pytest.raises(ArchcError) as caught:
        lift(module, shape)
    return caught.value


@pytest.mark.parametrize(("function", "word"), [(_spectrum, "fft"), (_sorted, "sort")])
def test_what_has_no_word_is_told_with_its_module(function: Callable[[Any], Any], word: str) -> None:
    error = told(Within(function))
    (problem,) = error.diagnostics
    text = " ".join((problem.message, *(note.message for note in problem.notes)))
    assert isinstance(error, LiftError)
    assert problem.code == "no-word"
    assert problem.message.startswith("the language has no word for ")
    assert word in text
    assert "special" in text


@pytest.mark.parametrize("function", [_spectrum, _sorted])
def test_a_function_that_has_no_word_is_told_with_the_line_that_calls_it(function: Callable[[Any], Any]) -> None:
    (problem,) = told(Within(function)).diagnostics
    line = inspect.getsourcelines(function)[1] + 1
    at = f"test_lift_errors.py:{line} in {function.__name__}"
    assert problem.notes[0].message.endswith(at)
    assert ": in special, called at " in problem.notes[0].message


def test_a_convolution_over_a_batch_that_is_merged_with_channels_has_no_word() -> None:
    (problem,) = told(nn.Sequential(nn.ReLU(), ByHand())).diagnostics
    assert problem.code == "no-word"
    assert problem.message == "the language has no word for conv2d where other axes are merged with the batch"
    assert any("in 1, called at " in note.message for note in problem.notes)


def test_a_buffer_that_is_a_constant_has_no_word() -> None:
    (problem,) = told(Buffers()).diagnostics
    assert problem.message == "the language has no word for a constant of shape [1, 3, 1, 1]"


class Differs(nn.Module):
    """Computes something else in training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        return functional.relu(x) if self.training else functional.gelu(x)


def test_what_is_computed_otherwise_in_training_is_refused() -> None:
    (problem,) = told(Differs()).diagnostics
    assert problem.code == "no-word"
    assert problem.message == "in training the module computes its output in another way than in evaluation"
    assert problem.help is not None


def _fails(x: Any) -> Any:
    raise ValueError("the image is too blue")


def test_an_error_of_the_module_is_told_as_the_person_s() -> None:
    error = told(Within(_fails))
    (problem,) = error.diagnostics
    assert isinstance(error, UsageError)
    assert problem.code == "bad-python"
    assert problem.message == "running the module failed: ValueError: the image is too blue"
    assert any("test_lift_errors.py" in note.message for note in problem.notes)


def test_an_input_of_another_shape_is_told_as_the_module_tells_it() -> None:
    (problem,) = told(Within(functional.relu), (1, 8, 8)).diagnostics
    assert problem.code == "bad-python"
    assert problem.message.startswith("running the module failed: RuntimeError: ")


def test_a_number_of_inputs_that_forward_does_not_take_is_told() -> None:
    (problem,) = told(Within(functional.relu), {"image": (3, 8, 8), "mask": (1, 8, 8)}).diagnostics
    assert problem.code == "bad-python"
    assert "positional argument" in problem.message


def test_the_batch_that_a_failed_run_had_is_told() -> None:
    (problem,) = told(Within(functional.relu), (1, 8, 8)).diagnostics
    assert problem.notes[-1].message == f"it was run on {BATCH_SIZE}×1×8×8, the batch included"


@pytest.mark.parametrize("decide", [lambda x: x * 2 if x.sum() > 0 else x, lambda x: x * x.max().item()])
def test_a_decision_by_values_has_no_word(decide: Callable[[Any], Any]) -> None:
    (problem,) = told(Within(decide)).diagnostics
    assert problem.code == "no-word"
    assert problem.message == "the module's Python asks for the values of a tensor"
    assert "test_lift_errors.py" in problem.notes[0].message


def test_calling_modules_is_as_before_after_a_failure() -> None:
    before = nn.Module.__call__
    told(Within(_fails))
    assert nn.Module.__call__ is before


def test_an_argument_that_an_operator_refuses_is_told_with_the_operator() -> None:
    with pytest.raises(LiftError) as error:
        lift(Within(_antialiased), (3, 8, 8))
    assert "no word for interpolate: cannot antialias" in error.value.diagnostics[0].message

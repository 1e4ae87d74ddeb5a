from dataclasses import dataclass
from typing import Any

import numpy as np

from archc.ir.graph import Derivation, Parameter
from archc.ir.initializers import Zeros
from archc.weights import resolve


@dataclass(frozen=True)
class Difference(Derivation):
    """(a + b) - a, which is b in float64 and 0 in float32 where a is large."""

    @property
    def sources(self) -> tuple[str, ...]:
        return "a", "b"

    def compute(self, *arrays: Any) -> Any:
        a, b = arrays
        return (a + b) - a


WEIGHTS = {"a": np.full(3, 2**25, np.float32), "b": np.array([0.5, 1.0, -0.25], np.float32)}


def test_a_parameter_without_derivation_is_read() -> None:
    assert resolve(Parameter("b", (3,), Zeros()), WEIGHTS) is WEIGHTS["b"]


def test_a_derived_parameter_is_computed_in_float64_and_rounded_once() -> None:
    derived = resolve(Parameter("difference", (3,), Zeros(), derived=Difference()), WEIGHTS)
    np.testing.assert_array_equal(derived, WEIGHTS["b"], strict=True)

"""Converts arrays to a parameter's dtype, and refuses numbers that the dtype does not reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from archc.diagnostics import BuildError
from archc.weights.lazy import Array


def converted(array: Array, dtype: np.dtype[Any], key: str, source: str) -> Array:
    """The array in this dtype; the same one where it has it already.

    Raises: BuildError: a finite number became infinite, or a whole number another one.
    """
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        new = array.astype(dtype)
    lost = np.isinf(new) & np.isfinite(array) if dtype.kind == "f" else new != array
    if lost.any():
        first = array[lost].flat[0]
        message = f"{key} of {source} holds {first}, which is beyond the range of {dtype.name}"
        raise BuildError(message, code="mismatched-dtypes", help="mend the value")
    return new

"""What rounding to float32 does to numbers, and how much of it the verification allows."""

from __future__ import annotations

import numpy as np

from archc.weights import Array

ROUNDING = 2.0**-24  # largest relative error of a rounding to float32
FACTOR = 10.0  # of PyTorch's own float32 error
FLOOR = 64 * ROUNDING  # of the output's size
SHARP = 1e-5  # beyond this share of the output, ten times PyTorch's error hides what half precision does to a layer
CHAOTIC = 1e-3  # beyond this share of the output, PyTorch's own float32 error bounds nothing


def rms(values: Array) -> float:
    """Root mean square, in float64."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def relative_error(single: Array, exact: Array) -> float:
    """The error of outputs [N, …] as a share of their size: the root mean square over the images."""
    errors, sizes = (
        np.square(x.reshape(len(exact), -1), dtype=np.float64).mean(axis=1) for x in (single - exact, exact)
    )
    present = sizes > 0
    return float(np.sqrt(np.mean(errors[present] / sizes[present]))) if present.any() else 0.0

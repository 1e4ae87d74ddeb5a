"""The value of a parameter: read, or computed from others where a pass derived it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archc.ir.graph import Parameter
from archc.weights.lazy import Array


def resolve(parameter: Parameter, weights: Mapping[str, Array]) -> Array:
    """The parameter's tensor: `weights[path]`, or derived from its sources in float64 and rounded once."""
    if parameter.derived is None:
        return weights[parameter.path]
    sources = (weights[key].astype(np.float64) for key in parameter.derived.sources)
    derived = np.asarray(parameter.derived.compute(*sources), parameter.dtype)
    assert derived.shape == parameter.shape, f"{parameter.path}: derived {derived.shape}, declared {parameter.shape}"
    return derived

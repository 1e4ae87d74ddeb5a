"""The value of a parameter: read, or computed from others where a pass derived it."""

from __future__ import annotations

import numpy as np

from archc.ir.graph import Parameter
from archc.weights.lazy import Array, Weights

BLOCK = 1 << 16  # elements that are computed at a time, which stay in the processor's cache


def resolve(parameter: Parameter, weights: Weights) -> Array:
    """The parameter's tensor: `weights[path]`, or derived from its sources in float64 and rounded once."""
    if parameter.derived is None:
        return weights[parameter.path]
    sources = [weights[key] for key in parameter.derived.sources]
    derived = np.empty(parameter.shape, parameter.dtype)
    channels = parameter.shape[0]
    step = max(1, BLOCK * channels // derived.size)
    slices = [slice(start, start + step) for start in range(0, channels, step)]
    with np.errstate(all="ignore"):  # what is not finite is not, as in PyTorch; nobody has to be warned
        for block in slices if parameter.derived.sliced else [slice(None)]:
            derived[block] = parameter.derived.compute(*[source[block].astype(np.float64) for source in sources])
    return derived

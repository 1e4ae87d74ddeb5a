"""Weights that a Python caller already has: a `state_dict` of torch tensors, or of NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from archc.weights.lazy import Array


def arrays(state_dict: Mapping[str, object]) -> dict[str, Array]:
    """Copies of the tensors as arrays, so that the network's memory is its own; narrow floats become float32."""
    return {key: _array(value) for key, value in state_dict.items()}


def _array(value: object) -> Array:
    detach = getattr(value, "detach", None)
    if detach is not None:  # a torch tensor, without importing torch
        tensor = detach().cpu()
        value = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    array = np.array(value)
    return array.astype(np.float32) if array.dtype.kind == "f" else array

"""Weights that a Python caller already has: a `state_dict` of torch tensors, or of NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from archc.ir.dtype import NARROW_FLOATS
from archc.weights.checkpoint import is_tensor, peculiarity, to_array
from archc.weights.errors import unreadable
from archc.weights.lazy import Array, Weights

SOURCE = "the state_dict"


def arrays(state_dict: Mapping[str, object]) -> dict[str, Array]:
    """Copies of the tensors as arrays, so that the network's memory is its own; narrow floats become float32.

    Raises: BuildError: names every key whose value is no dense tensor with numbers in it.
    """
    read: dict[str, Array] = {}
    exotic = []
    for key, value in state_dict.items():
        found = _array(value) if isinstance(key, str) else f"the key is of type {type(key).__name__}"
        if isinstance(found, str):
            exotic.append(f"{key} ({found})")
        else:
            read[key] = found
    if exotic:
        raise unreadable(SOURCE, f"these are not plain tensors: {', '.join(exotic[:5])}", "give them dense, as float32")
    return read


def digest(tensors: Weights) -> str:
    """SHA-256 over every key, dtype, shape and value, in the order of the keys."""
    whole = sha256()
    for key, tensor in sorted(tensors.items()):
        whole.update(f"{len(key)} {key} {tensor.dtype.str} {tensor.shape}\n".encode(errors="surrogatepass"))
        whole.update(tensor.tobytes())
    return whole.hexdigest()


def _array(value: object) -> Array | str:
    """A copy of a value as an array, or what keeps it from being one."""
    if is_tensor(value):
        return peculiarity(value) or to_array(value)
    if isinstance(value, np.ma.MaskedArray):
        return "masked"
    try:
        array = np.array(value, order="C")
    except Exception as error:  # the value's own conversion, which can raise anything
        return f"no array can be made of it: {type(error).__name__}"
    return array.astype(np.float32) if _is_narrow(array.dtype) else array


def _is_narrow(dtype: np.dtype[np.generic]) -> bool:
    """True for float16, and for the bfloat16 and float8 that other packages give NumPy."""
    return dtype == np.float16 or (dtype.kind == "V" and dtype.name.startswith(NARROW_FLOATS))

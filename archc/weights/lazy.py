"""What every source of weights is: a mapping from names to arrays, read one tensor at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Weights = Mapping[str, Array]
"""Tensors by `state_dict` key."""


class LazyWeights(Mapping[str, Array]):
    """Named tensors of which only the shapes are held; each access reads or draws one, into a new array.

    `source` is what messages call it. The array belongs to the caller: it is writable and shared with nobody.
    """

    source: str = "the weights"

    @abstractmethod
    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor, without reading it. Raises KeyError."""

    @abstractmethod
    def dtype(self, key: str) -> np.dtype[Any]:
        """Element type of the array that `self[key]` gives, without reading it. Raises KeyError."""

    def __contains__(self, key: object) -> bool:
        # Mapping's own would read the tensor.
        try:
            self.shape(str(key))
        except KeyError:
            return False
        return isinstance(key, str)


def shape_and_dtype(weights: Mapping[str, Array], key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and element type of a tensor, from `LazyWeights` without reading it. Raises KeyError."""
    if isinstance(weights, LazyWeights):
        return weights.shape(key), weights.dtype(key)
    return weights[key].shape, weights[key].dtype


def read_all(weights: Mapping[str, Array], keys: Iterable[str] | None = None, *, threads: int = 2) -> dict[str, Array]:
    """All tensors (or these), in their order, read by several threads at a time.

    NumPy draws and reads without Python's global lock, so two threads take about half the time;
    what is read does not depend on their number.
    """
    names = list(weights if keys is None else keys)
    largest_first = sorted(names, key=lambda name: prod(shape_and_dtype(weights, name)[0]), reverse=True)
    waiting = iter(largest_first)  # which every thread takes its next name from: a task for each would cost more
    with ThreadPoolExecutor(threads) as pool:
        shares = pool.map(lambda _: {name: weights[name] for name in waiting}, range(threads))
        read = {name: array for share in shares for name, array in share.items()}
    return {name: read[name] for name in names}

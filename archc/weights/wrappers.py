"""Prefixes that a training wrapper puts before every key, and weights without them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from archc.weights.lazy import Array, LazyWeights, Weights, shape_and_dtype

# What DistributedDataParallel and torch.compile put before every key.
WRAPPERS = ("module.", "_orig_mod.")


class _Unwrapped(LazyWeights):
    """Another source's tensors under keys without a prefix that all of them have."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self.source = weights.source if isinstance(weights, LazyWeights) else LazyWeights.source
        self._weights, self._prefix = weights, prefix

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return shape_and_dtype(self._weights, self._prefix + key)[0]

    def dtype(self, key: str) -> np.dtype[Any]:
        """Element type of a tensor as it is read."""
        return shape_and_dtype(self._weights, self._prefix + key)[1]

    def __getitem__(self, key: str) -> Array:
        return self._weights[self._prefix + key]

    def __iter__(self) -> Iterator[str]:
        return (key.removeprefix(self._prefix) for key in self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def unwrapped(weights: Weights, names: Collection[str]) -> Weights:
    """The weights without the prefixes of `WRAPPERS` that every key has, and not every one of the network's names."""
    for prefix in WRAPPERS * 2:  # either can be around the other
        if weights and _all_begin(weights, prefix) and not _all_begin(names, prefix):
            weights = _Unwrapped(weights, prefix)
    return weights


def _all_begin(keys: Collection[str], prefix: str) -> bool:
    return all(key.startswith(prefix) for key in keys)

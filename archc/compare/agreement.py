"""Decides whether tensors of two sides are equal, equal up to rounding, or different.

With t the error of PyTorch's own float32 run, and a float64 that rounds 2^29 times finer, rounding is to be expected to
make an error of t / 2^29 in this very network. Ten times that, for another order of additions, and 64 roundings of the
largest value are within rounding: the same bound as for artefacts, one precision further. So are 64 roundings of the
largest value of all tensors, as a gradient of 0, such as that of a key's bias, is computed as a sum of larger numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

import torch

FINER = 2.0**-29  # float64's rounding, in units of float32's
ROUNDINGS = 64  # of the largest value

Tensors = Mapping[str, torch.Tensor]


@dataclass
class Agreement:
    """Compares tensors by name. `single` gives those of a float32 run, if they are needed."""

    single: Callable[[], Tensors]
    largest: float = 0.0
    _single: Tensors | None = field(default=None, init=False)

    def different(self, ours: Tensors, theirs: Tensors) -> Iterator[tuple[str, str]]:
        """The names of tensors that differ, each with what is to be said of it.

        Side effect: `largest` becomes the largest error within rounding, in units of the largest value of all.
        """
        unequal = [name for name, own in ours.items() if not _is_equal(own, theirs[name])]
        sizes = [float(own.double().abs().max()) for own in ours.values() if own.numel()] if unequal else []
        largest = max(filter(isfinite, sizes), default=0.0)
        for name in unequal:
            message = self._compared(name, ours[name], theirs[name], largest)
            if message:
                yield name, message

    def _compared(self, name: str, own: torch.Tensor, their: torch.Tensor, largest: float) -> str:
        if own.shape != their.shape:
            return f"is {list(own.shape)} in the spec, and {list(their.shape)} in the module"
        own, their = own.double(), their.double()
        error = float((own - their).abs().max())
        rounding = ROUNDINGS * 2.0**-53 * largest  # within it no float32 run has to be asked
        if not error <= rounding and not error <= rounding + self._expected(name, own):
            scale = float(own.abs().max())
            return f"differs by {error / scale if scale else error:.1e} of its largest value"
        self.largest = max(self.largest, error / largest if largest else 0.0)
        return ""

    def _expected(self, name: str, own: torch.Tensor) -> float:
        if self._single is None:
            self._single = self.single()
        error = float((self._single[name].double() - own).abs().max())
        return 10 * error * FINER


def _is_equal(own: torch.Tensor, their: torch.Tensor) -> bool:
    """True if both have the same shape and the same numbers."""
    return own.shape == their.shape and torch.equal(own.double(), their.double())

"""Values spaced evenly over all uses of some blocks, such as the drop rate of stochastic depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from archc.spec.document import Ramp


class Ramps:
    """Counts the uses of each ramp's blocks; `totals` are the counts of a first elaboration.

    A ramp may not affect a shape, so the first elaboration, whose totals are not known, has the same uses.
    """

    def __init__(self, ramps: Mapping[str, Ramp], totals: Mapping[str, int] | None = None) -> None:
        self._of_block: dict[str, dict[str, Ramp]] = {}
        for name, ramp in ramps.items():
            for block in ramp.blocks:
                self._of_block.setdefault(block, {})[name] = ramp
        self._totals = totals
        self.uses: Counter[str] = Counter()

    def next_values(self, block: str) -> dict[str, float]:
        """The value of every ramp for the next use of a block."""
        values: dict[str, float] = {}
        for name, ramp in self._of_block.get(block, {}).items():
            values[name] = self._value(ramp, self.uses[name], self._totals[name]) if self._totals else ramp.start
            self.uses[name] += 1
        return values

    def _value(self, ramp: Ramp, index: int, total: int) -> float:
        steps = total - 1 if ramp.endpoint else total
        return ramp.start + (ramp.stop - ramp.start) * index / steps if steps > 0 else ramp.start

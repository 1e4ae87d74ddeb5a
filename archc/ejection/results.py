"""The named results of a network as Python: a tuple for several, another where training gives more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Results:
    """The named results of a network: in training, and outside; of one there is no tuple."""

    training: Sequence[str]
    inference: Sequence[str]

    @property
    def annotation(self) -> str:
        """What `forward` returns."""
        usual = "Outputs" if len(self.inference) > 1 else "Tensor"
        return usual if self.training == self.inference else f"{usual} | TrainingOutputs"

    def returned(self, names: Sequence[str], indent: int) -> list[str]:
        """The last lines of `forward`, where these variables hold the results in training."""
        held = dict(zip(self.training, names, strict=True))
        usual = ", ".join(held[name] for name in self.inference)
        last = f"{' ' * indent}return {f'Outputs({usual})' if len(self.inference) > 1 else usual}"
        if self.training == self.inference:
            return [last]
        tuple_ = f"TrainingOutputs({', '.join(names)})"
        return [f"{' ' * indent}if self.training:", f"{' ' * indent}    return {tuple_}", last]

    def classes(self) -> list[str]:
        """The tuples, as lines of source."""
        found = {"TrainingOutputs": self.training} if self.training != self.inference else {}
        found |= {"Outputs": self.inference} if len(self.inference) > 1 else {}
        return [
            line
            for name, fields in found.items()
            for line in (f"class {name}(NamedTuple):", *(f"    {field}: Tensor" for field in fields), "", "")
        ]

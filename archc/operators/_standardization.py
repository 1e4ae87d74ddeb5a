"""Weight standardisation: filters are brought to mean 0 and variance 1 each time before they are used."""

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from archc.ir.fields import PositiveNumber


class Standardization(BaseModel):
    """Each filter becomes (w - mean) / sqrt(var + eps), over all of its weights; var is the biased variance.

    With `gain` it is then multiplied by a learned gain, which starts at 1, and by gamma / sqrt(weights of a filter).

    Source: Qiao et al. 2019, arXiv:1903.10520; with `gain` Brock et al. 2021, arXiv:2101.08692.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True)

    eps: PositiveNumber = 1e-6
    gain: bool = False
    gamma: PositiveNumber = 1.0

    @model_validator(mode="after")
    def _gamma_belongs_to_a_gain(self) -> Self:
        if not self.gain and self.gamma != 1.0:
            raise ValueError("has a gamma, which scales filters with a gain alone: write gain: true")
        return self

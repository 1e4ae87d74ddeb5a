"""How a parameter's first values are drawn: the functions of `torch.nn.init`, by name, as data.

Sampling is in `archc.weights`; here is only what a spec may write and a graph records.
Source: torch.nn.init.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST = 2e37  # what is drawn 16 standard deviations out is still a float32
NonNegative = Annotated[float, Field(ge=0)]
Nonlinearity = Literal["linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
Mode = Literal["fan_in", "fan_out"]


class Initializer(BaseModel):
    """A distribution or constant; `word` is its name in `torch.nn.init` without the underscore."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,  # most of what is defined together is not used by a spec
    )
    word: ClassVar[str]
    uses_fan: ClassVar[bool] = False  # needs a tensor of two dimensions or more

    @model_validator(mode="after")
    def _can_be_drawn(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, float) and abs(value) > MOST:
                raise ValueError(f"needs numbers of at most {MOST:g}, and {name} is {value}")
        if isinstance(self, Uniform | TruncNormal) and self.a > self.b:
            raise ValueError(f"needs a <= b, and they are a={self.a} and b={self.b}")
        return self


class Zeros(Initializer):
    """All zeros."""

    word = "zeros"


class Ones(Initializer):
    """All ones."""

    word = "ones"


class Constant(Initializer):
    """One value everywhere."""

    word = "constant"
    val: float


class Uniform(Initializer):
    """Uniform between `a` and `b`."""

    word = "uniform"
    a: float = 0.0
    b: float = 1.0


class Normal(Initializer):
    """Normal with the given mean and standard deviation."""

    word = "normal"
    mean: float = 0.0
    std: NonNegative = 1.0


class TruncNormal(Initializer):
    """Normal, redrawn outside the absolute bounds `a` and `b`."""

    word = "trunc_normal"
    mean: float = 0.0
    std: NonNegative = 1.0
    a: float = -2.0
    b: float = 2.0


class XavierUniform(Initializer):
    """Glorot and Bengio 2010, uniform."""

    word = "xavier_uniform"
    uses_fan = True
    gain: NonNegative = 1.0


class XavierNormal(Initializer):
    """Glorot and Bengio 2010, normal."""

    word = "xavier_normal"
    uses_fan = True
    gain: NonNegative = 1.0


class KaimingUniform(Initializer):
    """He et al. 2015, uniform; `a` is the negative slope of `leaky_relu`."""

    word = "kaiming_uniform"
    uses_fan = True
    a: float = 0.0
    mode: Mode = "fan_in"
    nonlinearity: Nonlinearity = "leaky_relu"


class KaimingNormal(Initializer):
    """He et al. 2015, normal; `a` is the negative slope of `leaky_relu`."""

    word = "kaiming_normal"
    uses_fan = True
    a: float = 0.0
    mode: Mode = "fan_in"
    nonlinearity: Nonlinearity = "leaky_relu"


class Orthogonal(Initializer):
    """Saxe et al. 2013: a (semi-)orthogonal matrix over the flattened trailing dimensions."""

    word = "orthogonal"
    uses_fan = True
    gain: float = 1.0


class Values(Initializer):
    """These values, in row-major order; no spec writes them."""

    word = "values"
    values: tuple[float, ...]


ZEROS, ONES = Zeros(), Ones()
TORCH_DEFAULT = KaimingUniform(a=5**0.5)
"""What `torch.nn.Linear` and the convolutions draw their weights from."""

INITIALIZERS: dict[str, type[Initializer]] = {
    cls.word: cls
    for cls in (
        Zeros, Ones, Constant, Uniform, Normal, TruncNormal, XavierUniform, XavierNormal,
        KaimingUniform, KaimingNormal, Orthogonal,
    )
}  # fmt: skip

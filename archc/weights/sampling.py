"""Draws the functions of `torch.nn.init` with NumPy: the same distributions as torch's, not the same numbers.

Every function fills a float32 array in place, in blocks that stay in the processor's cache.
Source: torch.nn.init.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import erf, prod, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from archc.ir.initializers import (
    Constant,
    Initializer,
    KaimingNormal,
    KaimingUniform,
    Normal,
    Ones,
    Orthogonal,
    TruncNormal,
    Uniform,
    XavierNormal,
    XavierUniform,
    Zeros,
)

Floats = npt.NDArray[np.float32]
BLOCK = 1 << 17  # elements
LEAST_ACCEPTANCE = 0.25


class InitializerError(ValueError):
    """An initializer cannot draw a tensor of this shape, or its own values contradict each other."""


def fill(out: Floats, initializer: Initializer, random: np.random.Generator) -> None:
    """Fill a C-contiguous array as `torch.nn.init.<initializer.word>_` does. Raises InitializerError."""
    DRAWS[type(initializer)](out, initializer, random)


def check(shape: tuple[int, ...], initializer: Initializer) -> None:
    """Raise InitializerError where `fill` would."""
    match initializer:
        case XavierUniform() | XavierNormal() | KaimingUniform() | KaimingNormal() | Orthogonal() if len(shape) < 2:
            raise InitializerError(f"{initializer.word} needs two or more dimensions, and the shape is {list(shape)}")
        case Uniform(a=a, b=b) | TruncNormal(a=a, b=b) if a > b:
            raise InitializerError(f"{initializer.word} needs a <= b, and they are a={a} and b={b}")


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight [out, in, ...].

    Raises: InitializerError: fewer than two dimensions.
    Source: torch.nn.init._calculate_fan_in_and_fan_out.
    """
    if len(shape) < 2:
        raise InitializerError(f"fan in and fan out need two or more dimensions, and the shape is {list(shape)}")
    receptive_field = prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def gain(nonlinearity: str, slope: float = 0.01) -> float:
    """Recommended gain; `slope` is the negative slope of `leaky_relu`.

    Source: torch.nn.init.calculate_gain.
    """
    match nonlinearity:
        case "tanh":
            return 5 / 3
        case "relu":
            return sqrt(2)
        case "leaky_relu":
            return sqrt(2 / (1 + slope**2))
        case "selu":
            return 3 / 4
        case _:
            return 1.0


def _blocks(out: Floats) -> Iterator[Floats]:
    flat = out.reshape(-1)
    return (flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK))


def _uniform(out: Floats, low: float, high: float, random: np.random.Generator) -> None:
    for block in _blocks(out):
        random.random(dtype=np.float32, out=block)
        block *= high - low
        block += low


def _normal(out: Floats, mean: float, std: float, random: np.random.Generator) -> None:
    for block in _blocks(out):
        random.standard_normal(dtype=np.float32, out=block)
        block *= std
        if mean:
            block += mean


def _kaiming_std(out: Floats, init: KaimingUniform | KaimingNormal) -> float:
    fan_in, fan_out = fans(out.shape)
    return gain(init.nonlinearity, init.a) / sqrt(fan_in if init.mode == "fan_in" else fan_out)


def _xavier_std(out: Floats, init: XavierUniform | XavierNormal) -> float:
    return init.gain * sqrt(2 / sum(fans(out.shape)))


def _symmetric(out: Floats, std: float, random: np.random.Generator) -> None:
    # A uniform distribution on [-b, b] has the standard deviation b / sqrt(3).
    _uniform(out, -sqrt(3) * std, sqrt(3) * std, random)


def _trunc_normal(out: Floats, init: TruncNormal, random: np.random.Generator) -> None:
    if init.std == 0:
        out.fill(min(max(init.mean, init.a), init.b))
        return
    low, high = (init.a - init.mean) / init.std, (init.b - init.mean) / init.std
    inside = (erf(high / sqrt(2)) - erf(low / sqrt(2))) / 2
    draw = _from_normal if inside >= LEAST_ACCEPTANCE else _from_uniform
    for block in _blocks(out):
        draw(block, low, high, random)
        block *= init.std
        block += init.mean
        np.clip(block, init.a, init.b, out=block)


def _from_normal(block: Floats, low: float, high: float, random: np.random.Generator) -> None:
    """Standard normal on [low, high] by rejection; fits where most draws are inside."""
    random.standard_normal(dtype=np.float32, out=block)
    (outside,) = ((block < low) | (block > high)).nonzero()
    while outside.size:
        block[outside] = random.standard_normal(outside.size, dtype=np.float32)
        outside = outside[(block[outside] < low) | (block[outside] > high)]


def _from_uniform(block: Floats, low: float, high: float, random: np.random.Generator) -> None:
    """Standard normal on [low, high] by rejection from the uniform; fits short intervals and tails.

    A draw z is kept with probability exp((m^2 - z^2)/2), where m is the point of the interval nearest to 0.
    What lies beyond z^2 = m^2 + 80 has less than 1e-17 of the mass and is left out.
    Source: Robert 1995, "Simulation of truncated normal variables", section 2.2.
    """
    nearest = min(max(0.0, low), high)
    reach = sqrt(nearest**2 + 80)
    low, high = max(low, -reach), min(high, reach)
    pending = np.arange(block.size)
    while pending.size:
        z = random.uniform(low, high, pending.size)
        kept = random.random(pending.size) < np.exp((nearest**2 - z**2) / 2)
        block[pending[kept]] = z[kept]
        pending = pending[~kept]


def _orthogonal(out: Floats, scale: float, random: np.random.Generator) -> None:
    """Rows (or columns, where there are fewer) orthonormal times `scale`.

    Factorised in float64, so that LAPACK's last bits, which depend on its threads, are rounded away.
    """
    rows, columns = out.shape[0], prod(out.shape[1:])
    gaussian = random.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(gaussian)
    q *= np.sign(np.diagonal(r)) * scale
    out.reshape(rows, columns)[...] = q if rows >= columns else q.T


Draw = Callable[[Floats, Any, "np.random.Generator"], None]  # in quotes: np.random is imported when it is named
DRAWS: dict[type[Initializer], Draw] = {
    Zeros: lambda out, init, random: out.fill(0),
    Ones: lambda out, init, random: out.fill(1),
    Constant: lambda out, init, random: out.fill(init.val),
    Uniform: lambda out, init, random: _uniform(out, init.a, init.b, random),
    Normal: lambda out, init, random: _normal(out, init.mean, init.std, random),
    TruncNormal: _trunc_normal,
    XavierUniform: lambda out, init, random: _symmetric(out, _xavier_std(out, init), random),
    XavierNormal: lambda out, init, random: _normal(out, 0.0, _xavier_std(out, init), random),
    KaimingUniform: lambda out, init, random: _symmetric(out, _kaiming_std(out, init), random),
    KaimingNormal: lambda out, init, random: _normal(out, 0.0, _kaiming_std(out, init), random),
    Orthogonal: lambda out, init, random: _orthogonal(out, init.gain, random),
}

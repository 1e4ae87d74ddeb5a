"""Types of values: a shape of known and symbolic sizes, and an element type."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd, prod
from typing import NamedTuple

from archc.ir.dtype import ELEMENTS, FLOAT32, DType


class SymbolicArithmeticError(ArithmeticError):
    """A result that a `SymbolicDim` cannot express, such as a product of two unknown sizes."""


@dataclass(frozen=True, slots=True)
class SymbolicDim:
    """A size known only at run time: ``(scale * symbol + offset) // divisor`` with ``minimum <= symbol <= maximum``.

    Sums with integers and floor divisions by integers keep this form exactly, because
    ``((s*x + a)//d + c)//e == (s*x + a + c*d)//(d*e)``; that covers convolutions and pooling. Two sizes are equal as
    dataclasses exactly when they have the same symbol and form, which is kept in lowest terms.
    """

    symbol: str
    minimum: int = 1
    optimum: int = 1
    maximum: int = 1
    scale: int = 1
    offset: int = 0
    divisor: int = 1

    def __add__(self, other: int) -> SymbolicDim:
        return replace(self, offset=self.offset + other * self.divisor)

    def __sub__(self, other: int) -> SymbolicDim:
        return self + -other

    def __mul__(self, other: int) -> SymbolicDim:
        if self.divisor != 1 and other != 1:
            raise SymbolicArithmeticError(f"({self}) * {other}")
        return replace(self, scale=self.scale * other, offset=self.offset * other)

    def __floordiv__(self, other: int) -> SymbolicDim:
        common = gcd(self.scale, self.divisor * other)
        return replace(
            self,
            scale=self.scale // common,
            offset=self.offset // common,
            divisor=self.divisor * other // common,
        )

    def is_multiple_of(self, number: int) -> bool:
        """True if this number divides the size, whatever the symbol's value."""
        return number == 1 or (self.divisor == 1 and self.scale % number == 0 and self.offset % number == 0)

    def at(self, value: int) -> int:
        """The size when the symbol has this value."""
        return (self.scale * value + self.offset) // self.divisor

    def takes(self, size: int) -> bool:
        """True if a value of the symbol in its range gives this size."""
        return self.at(self.minimum) <= size <= self.at(self.maximum) and self.at(self.value(size)) == size

    def value(self, size: int) -> int:
        """The symbol's value that gives a size, if one does."""
        return (size * self.divisor - self.offset) // self.scale

    def __str__(self) -> str:
        product = self.symbol if self.scale == 1 else f"{self.scale}*{self.symbol}"
        total = product if not self.offset else f"{product} {'+' if self.offset > 0 else '-'} {abs(self.offset)}"
        if self.divisor == 1:
            return total
        return f"{total if total == self.symbol else f'({total})'}//{self.divisor}"


Dim = int | SymbolicDim
ROUNDED = "a range with a multiple_of is divided without a rest: {min: 64, opt: 256, max: 512, multiple_of: 32}"
"""Help where a size has to be divisible, or was divided and would have to be multiplied."""
BATCH = SymbolicDim("batch", 1, 8, 32)  # the profile that a spec without one suggests to TensorRT


def smallest(dim: Dim) -> int:
    """The least value that a size can take."""
    return dim if isinstance(dim, int) else dim.at(dim.minimum)


def largest(dim: Dim) -> int:
    """The greatest value that a size can take; the batch counts as one image."""
    if isinstance(dim, int):
        return dim
    return dim.at(1 if dim.symbol == BATCH.symbol else dim.maximum)


def nominal(dim: Dim) -> int:
    """The value that a size usually has, for costs; the batch counts as one image."""
    if isinstance(dim, int):
        return dim
    return dim.at(1 if dim.symbol == BATCH.symbol else dim.optimum)


class TensorType(NamedTuple):
    """Shape and element type of a value. Axis 0 is the batch of every value that depends on an input."""

    shape: tuple[Dim, ...]
    dtype: DType = FLOAT32

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"

    @property
    def ndim(self) -> int:
        """The rank."""
        return len(self.shape)

    def with_shape(self, *shape: Dim) -> TensorType:
        """The same element type with another shape."""
        return TensorType(shape, self.dtype)

    def elements(self) -> int:
        """Number of elements for one image, at the nominal size of every dynamic axis."""
        return prod([dim if isinstance(dim, int) else nominal(dim) for dim in self.shape])

    def bytes(self) -> int:
        """Size in bytes for one image, at the largest size of every dynamic axis."""
        size = ELEMENTS[self.dtype].bytes
        for dim in self.shape:
            size *= dim if isinstance(dim, int) else largest(dim)
        return size


def batch_axis(type: TensorType) -> int | None:
    """The axis along which the images of a batch lie; None for a value that is the same for all of them."""
    axes = (axis for axis, dim in enumerate(type.shape) if isinstance(dim, SymbolicDim) and dim.symbol == BATCH.symbol)
    return next(axes, None)

"""Sources that tell a network where a pixel is: sines and cosines of its position."""

from itertools import product as pairs
from math import cos, pi, sin
from typing import Annotated, Literal

from pydantic import Field

from archc.ir.fields import Positive, PositiveNumber
from archc.ir.operator import cases, expect
from archc.ir.types import TensorType
from archc.operators.source import Constant

EPSILON = 1e-6  # in the largest position, by which the others are divided


class _Positions(Constant):
    """The positions of an image's pixels, in as many numbers as there are `features`.

    Frequencies fall from 1 to nearly 1 / temperature.
    """

    height: Positive
    width: Positive
    features: Annotated[int, Field(ge=2, le=2**20)]
    temperature: PositiveNumber = 10000.0

    def bands(self, count: int) -> list[float]:
        """The frequencies, the highest first."""
        return [self.temperature ** (-band / count) for band in range(count)]


class RopeTable(_Positions):
    """The sines or cosines by which the features of each pixel are turned: half of them by its row, half by its column.

    Frequency k of an axis is temperature**(-k / (features/4)); each belongs to two neighbouring features.

    Shapes: nothing -> [height*width, features].
    Source: Su et al. 2021, arXiv:2104.09864; along two axes as in Fang et al. 2023, arXiv:2303.11331.
    """

    word = "rope_table"
    elsewhere = ("rope", "rotary_embedding")
    torch_function = """
def rope_table(height: int, width: int, features: int, function: str, temperature: float = 10000.0) -> Tensor:
    \"\"\"The sines or cosines by which the features of each pixel are turned, half of them by its row.\"\"\"
    compute = math.sin if function == "sin" else math.cos
    bands = [temperature ** (-band / (features // 4)) for band in range(features // 4)]
    rows, columns = ([[compute(place * band) for band in bands] for place in range(size)] for size in (height, width))
    table = torch.tensor([rows[y] + columns[x] for y in range(height) for x in range(width)])
    return table.repeat_interleave(2, dim=1)
"""
    function: Literal["sin", "cos"]
    examples = cases(
        {"height": 2, "width": 3, "features": 8, "function": "sin"},
        {"height": 3, "width": 2, "features": 4, "function": "cos", "temperature": 100.0, "persistent": True},
        on=(),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[height*width, features]. Raises ShapeError: the features are no multiple of 4."""
        expect(self.features % 4 == 0, f"features (={self.features}) must be a multiple of 4", "features")
        return super().infer()

    def shape_of(self) -> tuple[int, ...]:
        """A row for each pixel."""
        return (self.height * self.width, self.features)

    def values(self) -> list[float]:
        """For each pixel: its row by each frequency, twice, then its column."""
        function, bands = (sin if self.function == "sin" else cos), self.bands(self.features // 4)
        pixels = pairs(range(self.height), range(self.width))
        return [function(place * band) for pixel in pixels for place in pixel for band in bands for _ in range(2)]


class FourierPosition(_Positions):
    """Sines and cosines of each pixel's row, then of its column; the last ones are at 2*pi.

    Frequency k of an axis is temperature**(-k / (features/2)): feature 2k is its sine, and 2k + 1 its cosine.

    Shapes: nothing -> [1, 2*features, height, width].
    Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5; along two axes as in El-Nouby et al. 2021,
    arXiv:2106.09681.
    """

    word = "fourier_position"
    torch_function = """
def fourier_position(height: int, width: int, features: int, temperature: float = 10000.0) -> Tensor:
    \"\"\"Sines and cosines of each pixel's row, then of its column.\"\"\"
    bands = [temperature ** (-band / (features // 2)) for band in range(features // 2)]
    axes = []
    for size in (height, width):
        places = [2 * math.pi * (place + 1) / (size + 1e-6) for place in range(size)]
        axes.append(torch.tensor([[f(p * band) for p in places] for band in bands for f in (math.sin, math.cos)]))
    rows, columns = axes
    return torch.cat([rows[:, :, None].expand(-1, -1, width), columns[:, None].expand(-1, height, -1)])[None]
"""
    examples = cases(
        {"height": 2, "width": 3, "features": 4},
        {"height": 3, "width": 2, "features": 2, "temperature": 100.0, "persistent": True},
        on=(),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """[1, 2*features, height, width]. Raises ShapeError: the features are odd."""
        expect(self.features % 2 == 0, f"features (={self.features}) must be even", "features")
        return super().infer()

    def shape_of(self) -> tuple[int, ...]:
        """The features of rows, then those of columns."""
        return (1, 2 * self.features, self.height, self.width)

    def values(self) -> list[float]:
        """The row's features at every pixel, then the column's."""
        functions = [(function, band) for band in self.bands(self.features // 2) for function in (sin, cos)]
        rows, columns = (
            [2 * pi * (place + 1) / (size + EPSILON) for place in range(size)] for size in (self.height, self.width)
        )
        by_row = [function(y * band) for function, band in functions for y in rows for _ in columns]
        return by_row + [function(x * band) for function, band in functions for _ in rows for x in columns]

"""Sources that tell a network where a pixel is: sines and cosines of its position."""

from itertools import product as pairs
from math import cos, pi, sin
from typing import Annotated, Literal

from pydantic import Field

from archc.ir.fields import NumberPair, Positive, PositiveNumber
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

    The angle is a position times a frequency. Pixel i of an axis is at (i + offset) * step, and frequency k is
    temperature**(-k / (features/4)). Rows stand before columns, and with `indexing: xy` behind them. Each angle belongs
    to two neighbouring features; with `rotate_half` to one of each half.

    Shapes: nothing -> [height*width, features].
    Source: Su et al. 2021, arXiv:2104.09864; along two axes as in Fang et al. 2023, arXiv:2303.11331; with
    `rotate_half` as in Siméoni et al. 2025, arXiv:2508.10104.
    """

    word = "rope_table"
    elsewhere = ("rope", "rotary_embedding")
    torch_function = """
def rope_table(
    height: int,
    width: int,
    features: int,
    function: str,
    temperature: float = 10000.0,
    offset: tuple[float, ...] = (0.0, 0.0),
    step: tuple[float, ...] = (1.0, 1.0),
    indexing: str = "ij",
    rotate_half: bool = False,
) -> Tensor:
    \"\"\"The sines or cosines by which the features of each pixel are turned, half of them by its row.\"\"\"
    compute = math.sin if function == "sin" else math.cos
    bands = [temperature ** (-band / (features // 4)) for band in range(features // 4)]
    rows, columns = (
        [[compute((place + first) * apart * band) for band in bands] for place in range(size)]
        for size, first, apart in zip((height, width), offset, step, strict=True)
    )
    pixels = [(rows[y], columns[x]) for y in range(height) for x in range(width)]
    table = torch.tensor([row + column if indexing == "ij" else column + row for row, column in pixels])
    return table.repeat(1, 2) if rotate_half else table.repeat_interleave(2, dim=1)
"""
    function: Literal["sin", "cos"]
    offset: NumberPair = (0.0, 0.0)
    step: NumberPair = (1.0, 1.0)
    indexing: Literal["ij", "xy"] = "ij"
    rotate_half: bool = False
    examples = cases(
        {"height": 2, "width": 3, "features": 8, "function": "sin"},
        {"height": 3, "width": 2, "features": 4, "function": "cos", "temperature": 100.0, "persistent": True},
        {
            "height": 2,
            "width": 3,
            "features": 8,
            "function": "sin",
            "offset": 1.0,
            "step": [0.5, 0.25],
            "indexing": "xy",
        },
        {"height": 2, "width": 3, "features": 8, "function": "cos", "offset": [-0.5, -1.0], "rotate_half": True},
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
        """For each pixel its row by each frequency, then its column; each number twice."""
        sizes = (self.height, self.width)
        rows, columns = (self._axis(*each) for each in zip(sizes, self.offset, self.step, strict=True))
        copies = 1 if self.rotate_half else 2
        found: list[float] = []
        for row, column in pairs(rows, columns):
            angles = [*row, *column] if self.indexing == "ij" else [*column, *row]
            found += [value for value in angles for _ in range(copies)] * (3 - copies)
        return found

    def _axis(self, size: int, offset: float, step: float) -> list[list[float]]:
        """The sines or cosines of each row or column."""
        function, bands = (sin if self.function == "sin" else cos), self.bands(self.features // 4)
        return [[function((place + offset) * step * band) for band in bands] for place in range(size)]


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

"""Sources that tell attention where the pixels of a window are: indices, masks and distances of their pairs."""

from itertools import product as pairs
from math import log2, prod
from typing import Annotated

from pydantic import Field

from archc.ir.dtype import INT64
from archc.ir.fields import NonNegativePair, Number, Positive, PositiveNumber, PositivePair
from archc.ir.operator import ShapeError, cases, expect
from archc.ir.types import TensorType
from archc.operators.source import Constant


class RelativePositionIndex(Constant):
    """For each query and key of a window, which row of a table of relative positions is theirs.

    Queries and keys are pixels, all of them or those at every `query_stride`-th and `key_stride`-th row and column.
    The table has a row for each distance (dy, dx), row by row from the most negative one: without strides, row
    (dy + height - 1) * (2 * width - 1) + (dx + width - 1). With `absolute` the direction does not count: it is row
    |dy| * width + |dx| of a table of height * width rows. With `class_token` a token stands before the pixels, and
    three rows behind the others: from it to a pixel, from a pixel to it, and to itself. With `flat` all pairs are one
    axis.

    Shapes: nothing -> [queries, keys], or [queries*keys]; int64.
    Source: Liu et al. 2021, arXiv:2103.14030, section 3.2; with `absolute` Graham et al. 2021, arXiv:2104.01136, and
    `attention_bias_idxs` in timm; with `class_token` Bao et al. 2021, arXiv:2106.08254.
    """

    word = "relative_position_index"
    torch_function = """
def relative_position_index(
    height: int,
    width: int,
    flat: bool = False,
    absolute: bool = False,
    query_stride: int = 1,
    key_stride: int = 1,
    class_token: bool = False,
) -> Tensor:
    \"\"\"For each query and key of a window, which row of a table of relative positions is theirs.\"\"\"
    queries, keys = (
        torch.cartesian_prod(torch.arange(0, height, stride), torch.arange(0, width, stride))
        for stride in (query_stride, key_stride)
    )
    dy, dx = (queries[:, None] - keys[None, :]).unbind(-1)
    rows, columns = (height, width) if absolute else (queries[-1] + keys[-1] + 1).tolist()
    index = dy.abs() * width + dx.abs() if absolute else (dy + keys[-1, 0]) * columns + dx + keys[-1, 1]
    if class_token:
        index = torch.nn.functional.pad(index, (1, 0, 1, 0), value=rows * columns + 1)
        index[0] = rows * columns
        index[0, 0] = rows * columns + 2
    return index.flatten() if flat else index
"""
    dtype = INT64
    height: Positive
    width: Positive
    flat: bool = False
    absolute: bool = False
    query_stride: Positive = 1
    key_stride: Positive = 1
    class_token: bool = False
    examples = cases(
        {"height": 2, "width": 3},
        {"height": 3, "width": 3, "flat": True, "persistent": True},
        {"height": 2, "width": 3, "absolute": True},
        {"height": 3, "width": 4, "query_stride": 2, "absolute": True},
        {"height": 1, "width": 6, "key_stride": 3},
        {"height": 2, "width": 2, "class_token": True},
        on=(),
    )

    def shape_of(self) -> tuple[int, ...]:
        """Two axes, or one."""
        queries, keys = (self._pixels(stride) + self.class_token for stride in (self.query_stride, self.key_stride))
        return (queries * keys,) if self.flat else (queries, keys)

    def values(self) -> list[float]:
        """The row of each pair."""
        queries, keys = self._places(self.query_stride), self._places(self.key_stride)
        (rows, columns), farthest = self._table(queries, keys), keys[-1]
        found = [[self._row(v - y, u - x, farthest, columns) for y, x in keys] for v, u in queries]
        if self.class_token:
            count = rows * columns
            found = [[count + 2, *(count for _ in keys)], *([count + 1, *pixel] for pixel in found)]
        return [row for pixel in found for row in pixel]

    def _pixels(self, stride: int) -> int:
        """How many there are, however many that is."""
        return -(-self.height // stride) * -(-self.width // stride)

    def _places(self, stride: int) -> list[tuple[int, int]]:
        """Row and column of each pixel."""
        return list(pairs(range(0, self.height, stride), range(0, self.width, stride)))

    def _table(self, queries: list[tuple[int, int]], keys: list[tuple[int, int]]) -> tuple[int, int]:
        """How many distances along each axis have a row."""
        if self.absolute:
            return self.height, self.width
        (y, x), (v, u) = queries[-1], keys[-1]
        return y + v + 1, x + u + 1

    def _row(self, dy: int, dx: int, farthest: tuple[int, int], columns: int) -> int:
        """The row of pixels that are `dy` rows and `dx` columns apart."""
        if self.absolute:
            return abs(dy) * self.width + abs(dx)
        return (dy + farthest[0]) * columns + (dx + farthest[1])


class ShiftedWindowMask(Constant):
    """What keeps pixels apart that a cyclic shift has brought into one window: 0 for neighbours, -100 for others.

    Shapes: nothing -> [windows, 1, pixels, pixels], where windows = height/window * width/window, and pixels are those
    of a window.
    Source: Liu et al. 2021, arXiv:2103.14030, section 3.2.
    """

    word = "shifted_window_mask"
    torch_function = """
def shifted_window_mask(height: int, width: int, window: tuple[int, ...], shift: tuple[int, ...]) -> Tensor:
    \"\"\"-100 between pixels of a window that a cyclic shift has brought together, and 0 between neighbours.\"\"\"
    rows, columns = (
        ((torch.arange(size) >= size - extent).int() + (torch.arange(size) >= size - step).int()) * (step > 0)
        for size, extent, step in zip((height, width), window, shift, strict=True)
    )
    regions = (3 * rows[:, None] + columns).reshape(height // window[0], window[0], width // window[1], window[1])
    regions = regions.transpose(1, 2).reshape(-1, 1, window[0] * window[1])
    return torch.where(regions.unsqueeze(-1) == regions.unsqueeze(-2), 0.0, -100.0)
"""
    height: Positive
    width: Positive
    window: PositivePair
    shift: NonNegativePair
    examples = cases({"height": 6, "width": 4, "window": 2, "shift": 1}, on=())

    def infer(self, *inputs: TensorType) -> TensorType:
        """[windows, 1, pixels, pixels]. Raises ShapeError: windows do not fit, or a shift is not within one."""
        for size, window, shift in zip((self.height, self.width), self.window, self.shift, strict=True):
            if size % window:
                raise ShapeError(f"has windows of {window} pixels, which do not fill {size}", "window")
            expect(shift < window, f"shift (={shift}) must be less than the window (={window})", "shift")
        return super().infer()

    def shape_of(self) -> tuple[int, ...]:
        """[windows, 1, pixels, pixels]."""
        (rows, columns), pixels = self.window, prod(self.window)
        return (self.height // rows * (self.width // columns), 1, pixels, pixels)

    def values(self) -> list[float]:
        """0 where two pixels of a window lie in the same region of the image that was shifted, else -100."""
        (rows, columns), (down, right) = self.window, self.shift
        vertical, horizontal = _regions(self.height, rows, down), _regions(self.width, columns, right)
        found: list[float] = []
        for top, left in pairs(range(0, self.height, rows), range(0, self.width, columns)):
            window = [
                (vertical[y], horizontal[x]) for y, x in pairs(range(top, top + rows), range(left, left + columns))
            ]
            found += [0.0 if a == b else -100.0 for a, b in pairs(window, window)]
        return found


def _regions(size: int, window: int, shift: int) -> list[int]:
    """Along an axis: which pixels were neighbours before the shift; all of them without one."""
    return [(pixel >= size - window) + (pixel >= size - shift) if shift else 0 for pixel in range(size)]


class LogRelativeCoordinates(Constant):
    """Relative positions (dy, dx) within a window on a logarithmic scale: sign(d) * log(1 + scale*|d|) / log(base).

    Without a `scale` it is base / (height - 1) and base / (width - 1): the farthest are nearly at -1 and 1. With
    `pairs` there is a position for each pair of pixels, else for each distance from the most negative one.

    Shapes: nothing -> [1, 2*height - 1, 2*width - 1, 2], or [(height*width)**2, 2].
    Source: Liu et al. 2022, arXiv:2111.09883, section 3.3; with `pairs` SwinTransformerV2Cr in timm.
    """

    word = "log_relative_coordinates"
    torch_function = """
def log_relative_coordinates(
    height: int, width: int, base: float = 8.0, scale: float | None = None, pairs: bool = False
) -> Tensor:
    \"\"\"The relative positions within a window on a logarithmic scale.\"\"\"
    axes = []
    for size in (height, width):
        distances = torch.arange(1 - size, size, dtype=torch.float64)
        scaled = base * (distances / (size - 1)).abs() if scale is None else scale * distances.abs()
        axes.append(distances.sign() * torch.log2(1 + scaled) / math.log2(base))
    positions = torch.cartesian_prod(*axes).reshape(1, 2 * height - 1, 2 * width - 1, 2)
    if not pairs:
        return positions.float()
    pixels = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    dy, dx = (pixels[:, None] - pixels[None, :]).flatten(0, 1).unbind(-1)
    return positions[0, dy + height - 1, dx + width - 1].float()
"""
    height: Annotated[int, Field(ge=2, le=4096)]
    width: Annotated[int, Field(ge=2, le=4096)]
    base: Annotated[Number, Field(gt=1)] = 8.0
    scale: PositiveNumber | None = None
    pairs: bool = False
    examples = cases(
        {"height": 2, "width": 3},
        {"height": 3, "width": 2, "base": 4.0, "persistent": True},
        {"height": 2, "width": 3, "base": 2.718281828459045, "scale": 1.0, "pairs": True},
        on=(),
    )

    def shape_of(self) -> tuple[int, ...]:
        """A row and a column for each distance, or for each pair."""
        if self.pairs:
            return ((self.height * self.width) ** 2, 2)
        return (1, 2 * self.height - 1, 2 * self.width - 1, 2)

    def values(self) -> list[float]:
        """Row and column of each position."""
        rows, columns = (self._axis(size) for size in (self.height, self.width))
        if not self.pairs:
            return [value for position in pairs(rows, columns) for value in position]
        pixels = list(pairs(range(self.height), range(self.width)))
        down, right = self.height - 1, self.width - 1
        return [value for y, x in pixels for v, u in pixels for value in (rows[y - v + down], columns[x - u + right])]

    def _axis(self, size: int) -> list[float]:
        distances = range(1 - size, size)
        sizes = [log2(1 + self._scaled(abs(d), size)) / log2(self.base) for d in distances]
        return [value if d > 0 else -value for d, value in zip(distances, sizes, strict=True)]

    def _scaled(self, distance: int, size: int) -> float:
        return self.base * (distance / (size - 1)) if self.scale is None else self.scale * distance

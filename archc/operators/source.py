"""Sources: values that do not depend on what comes in. A branch may begin with one."""

from itertools import product as pairs
from math import log2, prod
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field

from archc.ir.dtype import FLOAT32, INT64, DType
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import NonNegativePair, Number, Positive, PositivePair, Shape, as_tuple
from archc.ir.initializers import ZEROS, Values
from archc.ir.operator import Computed, Operator, ShapeError, Weight, cases, expect
from archc.ir.types import TensorType

MOST = 2**22  # computed numbers of one source


class Parameter(Operator):
    """A tensor of the enclosing module, which is trained: a position embedding, a scale of each channel.

    Its `init` is one initializer (`init: {normal: {std: 0.02}}`). It has no batch: beside a value that has one, it is
    repeated over the images.

    Shapes: nothing -> shape.
    Source: torch.nn.Parameter.
    """

    word = "parameter"
    arity = 0
    tensors = ("",)
    torch = "{own}"
    shape: Shape
    examples = cases({"shape": [6, 1, 1]}, {"shape": [1, 5, 8]}, on=())

    def infer(self, *inputs: TensorType) -> TensorType:
        """The shape."""
        return TensorType(self.shape)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The tensor itself, whose key is the item's path."""
        return (Weight("", self.shape, ZEROS),)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """An initializer."""
        return b.own("")[0]


class Constant(Operator):
    """A source whose values follow from its fields; a subclass gives `shape`, `values` and the element type.

    A `persistent` one has a key in the `state_dict`, as a buffer. `torch_function` is the source of a function of torch
    alone that takes the other fields and gives the tensor.
    """

    torch_function: ClassVar[str] = ""
    arity = 0
    torch = "{own}"
    dtype: ClassVar[DType] = FLOAT32
    persistent: bool = False

    def shape_of(self) -> tuple[int, ...]:
        """The shape of the values."""
        raise NotImplementedError

    def values(self) -> list[float]:
        """The values in row-major order."""
        raise NotImplementedError

    def infer(self, *inputs: TensorType) -> TensorType:
        """The shape of the values. Raises ShapeError: they are too many."""
        shape = self.shape_of()
        expect(prod(shape) <= MOST, f"gives {prod(shape):,} numbers, more than {MOST:,}")
        return TensorType(shape, self.dtype)

    def computed(self) -> Computed:
        """The values."""
        return Computed(self.shape_of(), tuple(self.values()), self.dtype, self.persistent)

    def weights(self, *inputs: TensorType) -> tuple[Weight, ...]:
        """The buffer, if it has a key."""
        if not self.persistent:
            return ()
        computed = self.computed()
        return (Weight("", computed.shape, Values(values=computed.values), self.dtype, buffer=True),)

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """A constant."""
        return b.constant("value", self.computed().nested(), self.dtype)


class RelativePositionIndex(Constant):
    """For each pair of pixels of a window, which row of a table of relative positions is theirs.

    Row (dy + height - 1) * (2 * width - 1) + (dx + width - 1) is that of pixels dy rows and dx columns apart. With
    `absolute` the direction does not count: it is row |dy| * width + |dx| of a table of height * width rows. With
    `flat` all pairs are one axis.

    Shapes: nothing -> [height*width, height*width], or [(height*width)**2]; int64.
    Source: Liu et al. 2021, arXiv:2103.14030, section 3.2; with `absolute` Graham et al. 2021, arXiv:2104.01136, and
    `attention_bias_idxs` in timm.
    """

    word = "relative_position_index"
    torch_function = """
def relative_position_index(height: int, width: int, flat: bool = False, absolute: bool = False) -> Tensor:
    \"\"\"For each pair of pixels of a window, which row of a table of relative positions is theirs.\"\"\"
    pixels = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    dy, dx = (pixels[:, None] - pixels[None, :]).unbind(-1)
    index = dy.abs() * width + dx.abs() if absolute else (dy + height - 1) * (2 * width - 1) + (dx + width - 1)
    return index.flatten() if flat else index
"""
    dtype = INT64
    height: Positive
    width: Positive
    flat: bool = False
    absolute: bool = False
    examples = cases(
        {"height": 2, "width": 3},
        {"height": 3, "width": 3, "flat": True, "persistent": True},
        {"height": 2, "width": 3, "absolute": True},
        on=(),
    )

    def shape_of(self) -> tuple[int, ...]:
        """Two axes, or one."""
        pixels = self.height * self.width
        return (pixels * pixels,) if self.flat else (pixels, pixels)

    def values(self) -> list[float]:
        """The row of each pair."""
        pixels = list(pairs(range(self.height), range(self.width)))
        return [self._row(y - v, x - u) for y, x in pixels for v, u in pixels]

    def _row(self, dy: int, dx: int) -> int:
        """The row of pixels that are `dy` rows and `dx` columns apart."""
        if self.absolute:
            return abs(dy) * self.width + abs(dx)
        return (dy + self.height - 1) * (2 * self.width - 1) + (dx + self.width - 1)


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
    """The relative positions p within a window on a logarithmic scale: sign(p) * log2(1 + base*|p|) / log2(base).

    p runs from -1 to 1 along each axis.

    Shapes: nothing -> [1, 2*height - 1, 2*width - 1, 2].
    Source: Liu et al. 2022, arXiv:2111.09883, section 3.3.
    """

    word = "log_relative_coordinates"
    torch_function = """
def log_relative_coordinates(height: int, width: int, base: float = 8.0) -> Tensor:
    \"\"\"The relative positions within a window, from -1 to 1 along each axis, on a logarithmic scale.\"\"\"
    rows, columns = (torch.arange(1 - size, size, dtype=torch.float64) / (size - 1) for size in (height, width))
    positions = torch.cartesian_prod(rows, columns).reshape(1, len(rows), len(columns), 2)
    sizes = torch.log2(1 + base * positions.abs()) / math.log2(base)
    return (positions.sign() * sizes).float()
"""
    height: Annotated[int, Field(ge=2, le=4096)]
    width: Annotated[int, Field(ge=2, le=4096)]
    base: Annotated[Number, Field(gt=1)] = 8.0
    examples = cases({"height": 2, "width": 3}, {"height": 3, "width": 2, "base": 4.0, "persistent": True}, on=())

    def shape_of(self) -> tuple[int, ...]:
        """[1, 2*height - 1, 2*width - 1, 2]."""
        return (1, 2 * self.height - 1, 2 * self.width - 1, 2)

    def values(self) -> list[float]:
        """Row and column of each position."""
        rows, columns = (self._axis(size) for size in (self.height, self.width))
        return [value for position in pairs(rows, columns) for value in position]

    def _axis(self, size: int) -> list[float]:
        positions = [offset / (size - 1) for offset in range(1 - size, size)]
        sizes = [log2(1 + self.base * abs(p)) / log2(self.base) for p in positions]
        return [size if p > 0 else -size for p, size in zip(positions, sizes, strict=True)]


class Full(Constant):
    """One value everywhere.

    Shapes: nothing -> shape.
    Source: torch.full.
    """

    word = "full"
    torch_function = """
def full(shape: tuple[int, ...], fill_value: float) -> Tensor:
    \"\"\"One value everywhere.\"\"\"
    return torch.full(shape, float(fill_value))
"""
    shape: Shape
    fill_value: Number
    examples = cases({"shape": [6, 1, 1], "fill_value": 0.5}, on=())

    def shape_of(self) -> tuple[int, ...]:
        """The shape."""
        return self.shape

    def values(self) -> list[float]:
        """The value, as often as the shape has room."""
        return [self.fill_value] * prod(self.shape)


class RepeatInterleave(Constant):
    """A vector of values, each repeated: [1, 0] three times is [1, 1, 1, 0, 0, 0].

    Shapes: nothing -> [values * repeats].
    Source: torch.repeat_interleave.
    """

    word = "repeat_interleave"
    torch_function = """
def repeat_interleave(input: tuple[float, ...], repeats: int) -> Tensor:
    \"\"\"A vector of values, each repeated.\"\"\"
    return torch.tensor(input, dtype=torch.float32).repeat_interleave(repeats)
"""
    input: Annotated[tuple[Number, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=4096)]
    repeats: Positive
    examples = cases({"input": [1.0, 0.0, 1.0], "repeats": 4}, on=())

    def shape_of(self) -> tuple[int, ...]:
        """One axis."""
        return (len(self.input) * self.repeats,)

    def values(self) -> list[float]:
        """The values in their order."""
        return [value for value in self.input for _ in range(self.repeats)]

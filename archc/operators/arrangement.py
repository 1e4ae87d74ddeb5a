"""Operators that move values without computing new ones."""

from math import prod

from archc.ir.dtype import INT64
from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Axes, Ints, Positive, Shifts
from archc.ir.operator import MAX_SIZE, TOKENS, VECTOR, Operator, ShapeError, cases, expect, expect_axis, expect_rank
from archc.ir.types import SymbolicDim, TensorType, batch_axis, smallest
from archc.operators._reshape import group_size, product, reshape, reshape_like, slice_axis


class Flatten(Operator):
    """Merges the axes from start_dim to end_dim into one.

    Shapes: x [N, C, H, W] -> [N, C*H*W].
    Source: torch.nn.Flatten; ONNX Flatten-13.
    """

    word = "flatten"
    torch = "nn.Flatten({start_dim}, {end_dim})"
    moves = True
    start_dim: int = 1
    end_dim: int = -1
    examples = (
        *cases({}, {"start_dim": 2}, {"start_dim": 1, "end_dim": 2}, {"start_dim": 3}, {"start_dim": -2}),
        *cases({}, on=[VECTOR]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The merged shape.

        Raises ShapeError: axes out of range, the batch among them, or a dynamic size among them.
        """
        (x,) = inputs
        start, end = self.axes(x)
        expect(
            0 < start <= end < x.ndim,
            f"cannot flatten axes {self.start_dim} to {self.end_dim} of {x}",
            "start_dim",
        )
        merged = x.shape[start : end + 1]
        if start == end:
            return x
        dynamic = [str(size) for size in merged if isinstance(size, SymbolicDim)]
        expect(
            not dynamic,
            f"cannot flatten the dynamic size {' and '.join(dynamic)}",
            help="pool to a fixed size before, for example with adaptive_avg_pool2d: 1",
        )
        size = prod(size for size in merged if isinstance(size, int))
        return x.with_shape(*x.shape[:start], size, *x.shape[end + 1 :])

    def axes(self, x: TensorType) -> tuple[int, int]:
        """First and last merged axis, counted from the front."""
        start, end = (axis + x.ndim if axis < 0 else axis for axis in (self.start_dim, self.end_dim))
        return start, end

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The merged axis runs along all that it merges."""
        start, end = self.axes(x)
        alone = [(axis,) for axis in range(x.ndim)]
        return (*alone[:start], tuple(range(start, end + 1)), *alone[end + 1 :])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Flatten, or Reshape where several axes are left."""
        if x[0].type.shape == b.output.shape:
            return x[0]
        if b.output.ndim == 2:
            return b.emit("Flatten", x, b.output, axis=1)
        return reshape(b, x[0], b.output, kept=self.axes(x[0].type)[0])


class Permute(Operator):
    """Reorders the axes.

    Source: torch.permute; ONNX Transpose-13.
    """

    word = "permute"
    elsewhere = ("transpose", "swapaxes", "swapdims", "moveaxis", "movedim", "t")
    torch = "{x}.permute{dims}"
    moves = True
    dims: Ints
    examples = (
        *cases({"dims": [0, 2, 3, 1]}, {"dims": [0, 1, 3, 2]}),
        *cases({"dims": [0, 2, 1]}, on=[TOKENS]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The reordered shape. Raises ShapeError: not a permutation, or one that moves the batch."""
        (x,) = inputs
        expect(
            sorted(self.dims) == list(range(x.ndim)),
            f"dims must order the axes 0 to {x.ndim - 1} of {x}",
            "dims",
        )
        return x.with_shape(*(x.shape[axis] for axis in self.dims))

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The axes in their new order."""
        return tuple([(axis,) for axis in self.dims])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Transpose."""
        return b.emit("Transpose", x, b.output, perm=self.dims)


class Narrow(Operator):
    """The slice of `length` elements from `start` along one axis.

    Source: torch.narrow; ONNX Slice-13.
    """

    word = "narrow"
    elsewhere = ("split", "chunk", "slice", "crop")
    torch = "{x}.narrow({dim}, {start}, {length})"
    moves = True
    dim: int
    start: int
    length: Positive
    examples = (
        *cases({"dim": 1, "start": 2, "length": 3}, {"dim": 3, "start": 0, "length": 11}),
        *cases({"dim": -1, "start": -4, "length": 4}, {"dim": -3, "start": -5, "length": 2}),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """`length` along `dim`. Raises ShapeError: no such axis, or the slice leaves it."""
        (x,) = inputs
        axis, start = self.place(x)
        size, end = x.shape[axis], start + self.length
        expect(isinstance(size, int) and end <= size, f"elements {start} to {end} leave an axis of {size}", "length")
        return x.with_shape(*x.shape[:axis], self.length, *x.shape[axis + 1 :])

    def place(self, x: TensorType) -> tuple[int, int]:
        """The axis and the first element, counted from the front.

        Raises ShapeError: no such axis, a dynamic one, or an element before its first.
        """
        axis = expect_axis(x, self.dim)
        size = x.shape[axis]
        if not isinstance(size, int):
            raise ShapeError(f"cannot slice the dynamic size {size}", "dim")
        expect(-size <= self.start, f"start (={self.start}) is beyond an axis of {size}", "start")
        return axis, self.start + size if self.start < 0 else self.start

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Slice."""
        axis, start = self.place(x[0].type)
        return slice_axis(b, x[0], axis, start, start + self.length)


class Select(Operator):
    """One element along an axis, which is dropped.

    Source: torch.select; ONNX Gather-13.
    """

    word = "select"
    torch = "{x}.select({dim}, {index})"
    moves = True
    dim: int
    index: int
    examples = (
        *cases({"dim": 1, "index": 0}, {"dim": 2, "index": 8}, {"dim": -1, "index": -11}),
        *cases({"dim": 1, "index": 4}, {"dim": 1, "index": -1}, on=[TOKENS]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The other axes. Raises ShapeError: no such axis, or an index beyond it."""
        (x,) = inputs
        axis = expect_axis(x, self.dim)
        size = x.shape[axis]
        expect(
            isinstance(size, int) and -size <= self.index < size,
            f"index (={self.index}) is beyond an axis of {size}",
            "index",
        )
        return x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :])

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The axes that are left."""
        return tuple([(axis,) for axis in range(x.ndim) if axis != self.dim % x.ndim])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Gather."""
        axis = self.dim % x[0].type.ndim
        size = x[0].type.shape[axis]
        assert isinstance(size, int), "`infer` refuses others"
        return b.emit("Gather", [*x, b.constant("index", self.index % size, INT64)], b.output, axis=axis)


class Roll(Operator):
    """Moves the elements along axes: by `shifts` to the end, and what leaves there comes in at the front.

    Source: torch.roll.
    """

    word = "roll"
    torch = "torch.roll({x}, {shifts}, {dims})"
    shifts: Shifts
    dims: Axes
    examples = (
        *cases({"shifts": 2, "dims": 2}, {"shifts": [-3, 1], "dims": [2, -1]}, {"shifts": [7, 20], "dims": [1, 3]}),
        *cases({"shifts": -1, "dims": 1}, on=[TOKENS]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: not a shift for each axis, no such axis, or a dynamic one shifted too far."""
        (x,) = inputs
        message = f"has {len(self.shifts)} shifts for {len(self.dims)} dims"
        expect(len(self.shifts) == len(self.dims), message, "shifts")
        for shift, axis in zip(self.shifts, self.dims, strict=True):
            expect(-x.ndim <= axis < x.ndim, f"dim {axis} is not an axis of {x}", "dims")
            expect(axis % x.ndim != batch_axis(x), f"dim {axis % x.ndim} is the batch axis", "dims")
            size = x.shape[axis]
            message = f"moves {abs(shift)} elements of a dynamic axis, which may have fewer"
            expect(isinstance(size, int) or abs(shift) < smallest(size), message, "shifts")
        return x

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """A Gather for each axis that moves; two slices and Concat for one whose size is dynamic."""
        (y,) = x
        for shift, dim in zip(self.shifts, self.dims, strict=True):
            axis = dim % y.type.ndim
            size = y.type.shape[axis]
            if not isinstance(size, int):
                y = _rolled(b, y, axis, shift) if shift else y
            elif shift % size:
                order = [(index - shift) % size for index in range(size)]
                y = b.emit("Gather", [y, b.constant("order", order, INT64)], y.type, axis=axis)
        return y


def _rolled(b: Emitter, x: OnnxTensor, axis: int, shift: int) -> OnnxTensor:
    """A dynamic axis moved by `shift`."""
    size = x.type.shape[axis]
    front = slice_axis(b, x, axis, -shift, MAX_SIZE, shift if shift > 0 else size + shift)
    back = slice_axis(b, x, axis, 0, -shift, size - shift if shift > 0 else -shift)
    return b.emit("Concat", [front, back], x.type, axis=axis)


class ChannelShuffle(Operator):
    """Interleaves groups of channels: channel c of group g goes to position c * groups + g.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.ChannelShuffle; Zhang et al. 2017, arXiv:1707.01083, section 3.1.
    """

    word = "channel_shuffle"
    torch = "nn.ChannelShuffle({groups})"
    groups: Positive
    examples = cases({"groups": 1}, {"groups": 2}, {"groups": 3}, {"groups": 6})

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or channels not divisible by groups."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        channels = x.shape[1]
        divisible = isinstance(channels, int) and channels % self.groups == 0
        expect(divisible, f"channels (={channels}) must be divisible by groups (={self.groups})", "groups")
        return x

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Groups and channels of a group as two axes, swapped; the pixels are one axis meanwhile."""
        batch, channels, *space = b.output.shape
        size, pixels = group_size(b.output.with_shape(batch, channels), self.groups), product(space)
        y = reshape(b, x[0], b.output.with_shape(batch, self.groups, size, pixels), "split")
        swapped = b.output.with_shape(batch, size, self.groups, pixels)
        return reshape_like(b, b.emit("Transpose", [y], swapped, perm=(0, 2, 1, 3)), x[0])

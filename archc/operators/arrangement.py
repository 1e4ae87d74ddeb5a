"""Operators that move values without computing new ones."""

from math import prod
from typing import Annotated

from pydantic import BeforeValidator, Field

from archc.ir.operator import POINTWISE, Ints, NonNegative, Operator, Positive, Window, expect, expect_rank
from archc.ir.types import SymbolicDim, TensorType


class Identity(Operator):
    """The input, unchanged.

    Source: torch.nn.Identity.
    """

    word = "identity"
    inference = False


class Flatten(Operator):
    """Merges the axes from start_dim to end_dim into one.

    Shapes: x [N, C, H, W] -> [N, C*H*W].
    Source: torch.nn.Flatten; ONNX Flatten-13.
    """

    word = "flatten"
    start_dim: int = 1
    end_dim: int = -1

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
        return tuple(axis + x.ndim if axis < 0 else axis for axis in (self.start_dim, self.end_dim))  # type: ignore[return-value]

    def window(self, *inputs: TensorType) -> Window | None:
        """Merging space with channels mixes the whole image."""
        spatial = inputs[0].shape[2:]
        return POINTWISE if all(size == 1 for size in spatial) else None


class Permute(Operator):
    """Reorders the axes.

    Source: torch.permute; ONNX Transpose-13.
    """

    word = "permute"
    dims: Ints

    def infer(self, *inputs: TensorType) -> TensorType:
        """The reordered shape. Raises ShapeError: not a permutation, or one that moves the batch."""
        (x,) = inputs
        expect(
            sorted(self.dims) == list(range(x.ndim)),
            f"dims must order the axes 0 to {x.ndim - 1} of {x}",
            "dims",
        )
        expect(self.dims[0] == 0, "the batch axis must stay first", "dims")
        return x.with_shape(*(x.shape[axis] for axis in self.dims))


class Narrow(Operator):
    """The slice of `length` elements from `start` along one axis.

    Source: torch.narrow; ONNX Slice-13.
    """

    word = "narrow"
    dim: Positive
    start: NonNegative
    length: Positive

    def infer(self, *inputs: TensorType) -> TensorType:
        """`length` along `dim`. Raises ShapeError: no such axis, or the slice leaves it."""
        (x,) = inputs
        expect(self.dim < x.ndim, f"dim (={self.dim}) is not an axis of {x}", "dim")
        size = x.shape[self.dim]
        expect(isinstance(size, int), f"cannot slice the dynamic size {size}", "dim")
        end = self.start + self.length
        expect(
            isinstance(size, int) and end <= size,
            f"elements {self.start} to {end} leave an axis of {size}",
            "length",
        )
        return x.with_shape(*x.shape[: self.dim], self.length, *x.shape[self.dim + 1 :])


class Select(Operator):
    """One element along an axis, which is dropped.

    Source: torch.select; ONNX Gather-13 is avoided by Slice and Reshape.
    """

    word = "select"
    dim: Positive
    index: NonNegative

    def infer(self, *inputs: TensorType) -> TensorType:
        """The other axes. Raises ShapeError: no such axis, or an index beyond it."""
        (x,) = inputs
        expect(self.dim < x.ndim, f"dim (={self.dim}) is not an axis of {x}", "dim")
        size = x.shape[self.dim]
        expect(
            isinstance(size, int) and self.index < size,
            f"index (={self.index}) is beyond an axis of {size}",
            "index",
        )
        return x.with_shape(*x.shape[: self.dim], *x.shape[self.dim + 1 :])

    def window(self, *inputs: TensorType) -> Window | None:
        """Unknown after tokens were mixed: the whole image."""
        return None


def _as_padding(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class Pad(Operator):
    """Zeros (or `value`) around the last axes: [left, right, top, bottom, front channels, back channels].

    Source: torch.nn.functional.pad with mode "constant"; ONNX Pad-13.
    """

    word = "pad"
    pad: Annotated[tuple[NonNegative, ...], BeforeValidator(_as_padding), Field(min_length=2, max_length=6)]
    value: float = 0.0

    def infer(self, *inputs: TensorType) -> TensorType:
        """The padded shape. Raises ShapeError: an odd number of entries, or more axes than the input has."""
        (x,) = inputs
        expect(len(self.pad) % 2 == 0, f"pad must hold pairs, but has {len(self.pad)} entries", "pad")
        expect(
            len(self.pad) // 2 < x.ndim,
            f"pads {len(self.pad) // 2} axes of {x}, whose first is the batch",
            "pad",
        )
        before, after = self.per_axis(x)
        return x.with_shape(*(size + (b + a) for size, b, a in zip(x.shape, before, after, strict=True)))

    def per_axis(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The padding before and after each axis, first axis first."""
        unpadded = (0,) * (x.ndim - len(self.pad) // 2)
        return (*unpadded, *self.pad[-2::-2]), (*unpadded, *self.pad[::-2])


class ChannelShuffle(Operator):
    """Interleaves groups of channels: channel c of group g goes to position c * groups + g.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.ChannelShuffle; Zhang et al. 2017, arXiv:1707.01083, section 3.1.
    """

    word = "channel_shuffle"
    groups: Positive

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or channels not divisible by groups."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        channels = x.shape[1]
        divisible = isinstance(channels, int) and channels % self.groups == 0
        expect(divisible, f"channels (={channels}) must be divisible by groups (={self.groups})", "groups")
        return x

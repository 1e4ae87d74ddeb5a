"""How values of different shapes go together: as NumPy has it, the last axes beside each other."""

from collections.abc import Sequence
from itertools import zip_longest

from archc.ir.types import BATCH, Dim, SymbolicDim, TensorType


def broadcast(*types: TensorType) -> TensorType | None:
    """The type that all broadcast to; None if they do not, or if the images of one would meet another axis.

    An axis of size 1 is repeated, and so is a value without the first axes.
    """
    sizes = [_common(sizes) for sizes in zip_longest(*(reversed(type.shape) for type in types), fillvalue=1)]
    found = [size for size in reversed(sizes) if size is not None]
    if len(found) < len(sizes) or len({type.dtype for type in types}) > 1:
        return None
    shape = tuple(found)
    aligned = {len(shape) - type.ndim + axis for type in types if (axis := batch_axis(type)) is not None}
    return types[0].with_shape(*shape) if len(aligned) <= 1 else None


def batch_axis(type: TensorType) -> int | None:
    """The axis along which the images of a batch lie; None for a value that is the same for all of them."""
    axes = (axis for axis, dim in enumerate(type.shape) if isinstance(dim, SymbolicDim) and dim.symbol == BATCH.symbol)
    return next(axes, None)


def _common(sizes: Sequence[Dim]) -> Dim | None:
    distinct = {size for size in sizes if size != 1}
    if len(distinct) > 1:
        return None
    return distinct.pop() if distinct else 1

"""How values of different shapes go together: as NumPy has it, the last axes beside each other."""

from collections.abc import Sequence
from itertools import zip_longest

from archc.ir.types import Dim, TensorType, batch_axis


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


def obstacle(*types: TensorType) -> str:
    """Why types do not broadcast: a clause for a message."""
    ndim = max(type.ndim for type in types)
    images = sorted({ndim - type.ndim + axis for type in types if (axis := batch_axis(type)) is not None})
    if len(images) > 1:
        return f"the images of one lie beside axis {images[1] - images[0]} of another"
    for sizes in zip_longest(*(reversed(type.shape) for type in types), fillvalue=1):
        if _common(sizes) is None:
            return f"the sizes {' and '.join(map(str, dict.fromkeys(size for size in sizes if size != 1)))} meet"
    return "they hold other numbers"


def _common(sizes: Sequence[Dim]) -> Dim | None:
    distinct = {size for size in sizes if size != 1}
    if len(distinct) > 1:
        return None
    return distinct.pop() if distinct else 1

"""When a file is wrong: true or false for a whole batch [1], or for each of its images [N]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from tests.campaigns.bugs.draft import Draft

Condition = Callable[[Draft, str], str]
"""Emits what is true where the file is wrong. It may look at the network's input, or at the value that is wrong."""


def batch_is(draft: Draft, value: str, comparison: str, size: int) -> str:
    """The batch is `Equal` to a size, or `Greater`; [1]. The value itself tells, as its node alone can be run."""
    return draft.emit(comparison, draft.emit("Shape", value, start=0, end=1), _whole(draft, size))


def height_is(draft: Draft, comparison: str, size: int) -> str:
    """The input's height is `Equal` to a size, or `Greater` or `Less`; [1]."""
    found = draft.emit("Shape", draft.input, start=2, end=3)
    return draft.emit(comparison, found, _whole(draft, size))


def image_is(
    draft: Draft, value: str, statistic: str, comparison: str, bound: float, *, magnitude: bool = False
) -> str:
    """The `ReduceMax` or `ReduceMean` of an image, or of its magnitudes, is `Greater` or `Less` than a bound; [N]."""
    pixels = draft.emit("Abs", draft.input) if magnitude else draft.input
    found = draft.emit(statistic, pixels, _axes(draft), keepdims=0)
    return draft.emit(comparison, found, draft.store(f"seeded/bound/{bound}", np.float32(bound)))


def image_is_none_of(draft: Draft, known: np.ndarray, pixels: int = 4) -> str:
    """An image does not begin with the same pixels as one of the known ones [K, C, H, W]; [N]."""
    ends = [draft.store(f"seeded/{name}", np.array(values, np.int64)) for name, values in
            (("starts", [0, 0, 0]), ("ends", [1, 1, pixels]), ("axes", [1, 2, 3]))]  # fmt: skip
    begun = draft.emit("Slice", draft.input, *ends)
    table = draft.store("seeded/known", known[:, 0, 0, :pixels].reshape(1, len(known), 1, pixels))
    equal = draft.emit("Cast", draft.emit("Equal", begun, table), to=onnx.TensorProto.FLOAT)
    whole = draft.emit("ReduceMin", equal, draft.store("seeded/last", np.array([3], np.int64)), keepdims=1)
    found = draft.emit("ReduceMax", whole, _axes(draft), keepdims=0)
    return draft.emit("Less", found, draft.store("seeded/half", np.float32(0.5)))


def off_where(draft: Draft, node: onnx.NodeProto, share: float, condition: Condition | None = None) -> None:
    """Make a node's output larger by a share of itself, everywhere or where a condition holds."""
    given, ndim = node.output[0], len(draft.shape(node.output[0]))
    value = draft.open_after(node)
    factor = draft.store("seeded/wrong", np.float32(1 + share))
    if condition is not None:
        right = draft.store("seeded/right", np.float32(1))
        factor = draft.emit("Where", condition(draft, value), factor, right)
        axes = draft.store("seeded/unsqueezed", np.arange(1, ndim, dtype=np.int64))
        factor = draft.emit("Unsqueeze", factor, axes)  # along the batch
    draft.emit("Mul", value, factor, output=given)


def _axes(draft: Draft) -> str:
    """All axes but the batch."""
    return draft.store("seeded/axes of an image", np.array([1, 2, 3], np.int64))


def _whole(draft: Draft, number: int) -> str:
    return draft.store(f"seeded/number/{number}", np.array([number], np.int64))

"""Operators about which onnx.reference is known to be wrong, as ONNX's specification has them.

The mistakes are listed, with versions, in tests/operators/disagreements.py; when one is mended a test there fails, and
its operator goes from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx.reference.op_run import OpRun


def corrected_operators() -> list[type[OpRun]]:
    """Classes for the `new_ops` of onnx.reference's evaluator."""
    import numpy as np
    from onnx.reference.op_run import OpRun

    class LRN(OpRun):
        """ONNX LRN-13: that of onnx.reference counts channels by the number of images (onnx 1.23)."""

        def _run(self, x: np.ndarray, alpha: float, beta: float, bias: float, size: int) -> tuple[np.ndarray]:
            before, after = (size - 1) // 2, size // 2
            squares = np.pad(x.astype(np.float64) ** 2, ((0, 0), (before, after), (0, 0), (0, 0)))
            sums = sum(squares[:, shift : shift + x.shape[1]] for shift in range(size))
            return ((x / (bias + alpha / size * sums) ** beta).astype(x.dtype),)

    class LogSoftmax(OpRun):
        """ONNX LogSoftmax-13: that of onnx.reference takes the logarithm of a softmax, which underflows to 0."""

        def _run(self, x: np.ndarray, axis: int) -> tuple[np.ndarray]:
            shifted = x - x.max(axis=axis, keepdims=True)
            return ((shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))).astype(x.dtype),)

    class MaxPool(OpRun):
        """ONNX MaxPool-12: that of onnx.reference exchanges height and width where their padding differs."""

        def _run(
            self,
            x: np.ndarray,
            auto_pad: str,
            ceil_mode: int,
            dilations: tuple[int, int] | None,
            kernel_shape: tuple[int, int],
            pads: tuple[int, ...] | None,
            storage_order: int,
            strides: tuple[int, int] | None,
        ) -> tuple[np.ndarray]:
            (down, right), (rows, columns) = dilations or (1, 1), strides or (1, 1)
            top, left, bottom, end = pads or (0, 0, 0, 0)
            padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, end)), constant_values=-np.inf)
            extent = (down * (kernel_shape[0] - 1) + 1, right * (kernel_shape[1] - 1) + 1)
            windows = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(2, 3))
            return (windows[:, :, ::rows, ::columns, ::down, ::right].max(axis=(-2, -1)),)

    return [LRN, LogSoftmax, MaxPool]

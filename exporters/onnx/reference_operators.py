"""Operators about which onnx.reference is known to be wrong, as ONNX's specification has them.

The mistakes are listed, with versions, in tests/operators/disagreements.py; when one is mended a test there fails, and
its operator goes from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx.reference.op_run import OpRun


def corrected_operators() -> list[type[OpRun]]:
    """Classes for the `new_ops` of onnx.reference's evaluator."""
    import numpy as np
    from onnx.reference.op_run import OpRun
    from onnx.reference.ops import op_conv_transpose

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
        """ONNX MaxPool-12: that of onnx.reference exchanges axes where their padding differs."""

        def _run(
            self,
            x: np.ndarray,
            auto_pad: str,
            ceil_mode: int,
            dilations: tuple[int, ...] | None,
            kernel_shape: tuple[int, ...],
            pads: tuple[int, ...] | None,
            storage_order: int,
            strides: tuple[int, ...] | None,
        ) -> tuple[np.ndarray]:
            ndim = len(kernel_shape)
            spread, steps, pads = dilations or (1,) * ndim, strides or (1,) * ndim, pads or (0,) * 2 * ndim
            around = zip(pads[:ndim], pads[ndim:], strict=True)
            padded = np.pad(x, ((0, 0), (0, 0), *around), constant_values=-np.inf)
            extent = tuple(d * (k - 1) + 1 for d, k in zip(spread, kernel_shape, strict=True))
            windows = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=tuple(range(2, x.ndim)))
            chosen = windows[:, :, *(slice(None, None, step) for step in (*steps, *spread))]
            return (chosen.max(axis=tuple(range(-ndim, 0))),)

    class GlobalMaxPool(OpRun):
        """ONNX GlobalMaxPool-1: that of onnx.reference takes every value for an image."""

        def _run(self, x: np.ndarray) -> tuple[np.ndarray]:
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    class ConvTranspose(op_conv_transpose.ConvTranspose):
        """ONNX ConvTranspose-11: that of onnx.reference divides the wrong axis of the weight into groups."""

        def _run(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # called by keyword
            self, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None, *, group: int, **attributes: Any
        ) -> tuple[np.ndarray]:
            biases = np.split(bias, group) if bias is not None else [None] * group
            parts = zip(np.split(x, group, axis=1), np.split(weight, group), biases, strict=True)
            run: Callable[..., Any] = super()._run
            return (np.concatenate([run(*part, group=1, **attributes)[0] for part in parts], axis=1),)

    return [LRN, LogSoftmax, MaxPool, GlobalMaxPool, ConvTranspose]

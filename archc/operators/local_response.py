"""The local response norm of AlexNet."""

from collections.abc import Sequence
from math import log

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import MAX_NUMBER, Number, Positive
from archc.ir.operator import Operator, cases, expect, expect_channels, expect_rank, images
from archc.ir.types import TensorType
from archc.operators._reshape import product, reshape, reshape_like

LEAST_FACTOR = 1e-30  # of an LRN: a smaller one may be 0 as a float32

LARGEST_WINDOW = 255
"""Channels of a local response norm that are always accepted; PyTorch pads with that many planes."""


class LocalResponseNorm(Operator):
    """x / (k + alpha / size * sum of squares over `size` neighbouring channels) ** beta.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.LocalResponseNorm; Krizhevsky et al. 2012, section 3.3 (whose alpha is not divided by size).
    """

    word = "local_response_norm"
    elsewhere = ("lrn",)
    torch = "layers.LocalResponseNorm({size}, {alpha}, {beta}, {k})"
    size: Positive
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0
    examples = cases(
        {"size": 5, "alpha": 0.5},
        {"size": 4, "alpha": 0.5},
        {"size": 6, "alpha": 0.5},
        {"size": 1, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 2, "alpha": 1.0, "beta": 0.5, "k": 2.0},
        {"size": 3, "alpha": 1.0, "beta": 0.5, "k": 2.5},
        {"size": 9, "alpha": 1.0},
        {"size": 3, "alpha": 0.5, "beta": -0.5},
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, or a window of more channels than any image of this size has."""
        (x,) = inputs
        expect_rank(x, 4, images(2))
        most = max(2 * expect_channels(x) + 1, LARGEST_WINDOW)
        expect(self.size <= most, f"size (={self.size}) must be at most {most}, which reaches every channel", "size")
        if self.k > 0:
            size = abs(self.beta * log(self.k))
            expect(size < log(MAX_NUMBER), f"k ** -beta (={self.k} ** -{self.beta}) must be a float32", "beta")
        return x

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """LRN where it can be; else what it computes, spelled out.

        ONNX centres an even window on the other side than PyTorch, and runtimes refuse an alpha or beta of 0 or less. A
        fractional k is taken out of the brackets, because OpenVINO rounds it down:
        (k + a) ** -beta = k ** -beta * (1 + a / k) ** -beta.
        """
        if self.size % 2 == 0 or min(self.alpha, self.beta) < LEAST_FACTOR:
            return self._spelled_out(b, x)
        if self.k > 0 and self.k % 1:
            y = b.emit("LRN", x, b.output, size=self.size, alpha=self.alpha / self.k, beta=self.beta, bias=1.0)
            return b.emit("Mul", [y, b.constant("factor", self.k**-self.beta)], b.output)
        return b.emit("LRN", x, b.output, size=self.size, alpha=self.alpha, beta=self.beta, bias=self.k)

    def _spelled_out(self, b: Emitter, x: Sequence[OnnxTensor]) -> OnnxTensor:
        batch, channels, *space = b.output.shape
        column = b.output.with_shape(batch, 1, channels, product(space))
        squares = reshape(b, b.emit("Mul", [*x, *x], b.output), column, "column")
        means = b.emit(
            "AveragePool",
            [squares],
            column,
            kernel_shape=(self.size, 1),
            pads=(self.size // 2, 0, (self.size - 1) // 2, 0),
            count_include_pad=1,
        )
        means = reshape_like(b, means, x[0])
        scaled = b.emit("Mul", [means, b.constant("alpha", self.alpha)], b.output)
        shifted = b.emit("Add", [scaled, b.constant("k", self.k)], b.output)
        return b.emit("Div", [*x, b.emit("Pow", [shifted, b.constant("beta", self.beta)], b.output)], b.output)

"""Reductions over axes."""

from collections.abc import Mapping

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Axes
from archc.ir.operator import IMAGE, TOKENS, WHOLE, Operator, Window, cases, expect
from archc.ir.types import TensorType
from archc.operators._mean import mean


class Mean(Operator):
    """The mean over the axes `dim`, which are dropped unless `keepdim`.

    Shapes: x [N, ...] -> x without the axes.
    Source: torch.mean; ONNX ReduceMean-18.
    """

    word = "mean"
    torch = "{x}.mean(dim={dim}, keepdim={keepdim})"
    dim: Axes
    keepdim: bool = False
    examples = (
        *cases({"dim": [2, 3]}, {"dim": -1, "keepdim": True}, {"dim": [1, 3], "keepdim": True}, {"dim": 1}),
        *cases({"dim": 1}, on=[TOKENS]),
        *cases({"dim": [2, -1], "keepdim": True}, on=[IMAGE]),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The other axes. Raises ShapeError: an axis that is not there, named twice, or the batch."""
        (x,) = inputs
        for axis in self.dim:
            expect(-x.ndim <= axis < x.ndim, f"dim {axis} is not an axis of {x}", "dim")
        axes = self.reduced(x)
        expect(len(set(axes)) == len(axes), "names an axis twice", "dim")
        expect(0 not in axes, "dim 0 is the batch axis", "dim")
        kept = (1 if axis in axes else size for axis, size in enumerate(x.shape) if self.keepdim or axis not in axes)
        return x.with_shape(*kept)

    def reduced(self, x: TensorType) -> tuple[int, ...]:
        """The axes, counted from the front."""
        return tuple(axis % x.ndim for axis in self.dim)

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """All of each axis."""
        return dict.fromkeys(self.reduced(x), WHOLE)

    def follows(self, x: TensorType) -> tuple[tuple[int, ...], ...]:
        """The axes that are kept."""
        return tuple([(axis,) for axis in range(x.ndim) if self.keepdim or axis not in self.reduced(x)])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """ReduceMean."""
        return mean(b, x[0], self.reduced(x[0].type), self.keepdim)

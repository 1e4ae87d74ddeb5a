"""Operators that act in training only."""

from typing import Literal

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Probability
from archc.ir.operator import Operator, cases, expect_rank
from archc.ir.types import TensorType


class _TrainingOnly(Operator):
    """The identity at inference, where nothing is written for it."""

    inference = False

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """The input."""
        return x[0]


class Identity(_TrainingOnly):
    """The input, unchanged.

    Source: torch.nn.Identity.
    """

    word = "identity"
    torch = "nn.Identity()"


class Dropout(_TrainingOnly):
    """Zeroes elements with probability p in training.

    Source: torch.nn.Dropout; Srivastava et al. 2014.
    """

    word = "dropout"
    torch = "nn.Dropout({p})"
    p: Probability = 0.5


class Dropout2d(_TrainingOnly):
    """Zeroes whole channels with probability p in training.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.Dropout2d; Tompson et al. 2014.
    """

    word = "dropout2d"
    torch = "nn.Dropout2d({p})"
    p: Probability = 0.5

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, of which PyTorch warns that it will change its meaning."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        return x


class StochasticDepth(_TrainingOnly):
    """Zeroes a residual branch with probability p in training, per image (`row`) or per batch.

    Source: Huang et al. 2016, arXiv:1603.09382.
    """

    word = "stochastic_depth"
    elsewhere = ("drop_path", "drop_connect")
    torch = "layers.StochasticDepth({p}, {mode})"
    p: Probability
    mode: Literal["row", "batch"] = "row"
    examples = cases({"p": 0.2}, {"p": 0.2, "mode": "batch"})

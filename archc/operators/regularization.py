"""Operators that act in training only."""

from typing import Annotated, Literal

from pydantic import Field

from archc.ir.operator import Operator, expect_rank
from archc.ir.types import TensorType

Probability = Annotated[float, Field(ge=0, le=1)]


class Dropout(Operator):
    """Zeroes elements with probability p in training.

    Source: torch.nn.Dropout; Srivastava et al. 2014.
    """

    word = "dropout"
    inference = False
    p: Probability = 0.5


class Dropout2d(Operator):
    """Zeroes whole channels with probability p in training.

    Shapes: x [N, C, H, W] -> the same.
    Source: torch.nn.Dropout2d; Tompson et al. 2014.
    """

    word = "dropout2d"
    inference = False
    p: Probability = 0.5

    def infer(self, *inputs: TensorType) -> TensorType:
        """Unchanged. Raises ShapeError: wrong rank, of which PyTorch warns that it will change its meaning."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        return x


class StochasticDepth(Operator):
    """Zeroes a residual branch with probability p in training, per image (`row`) or per batch.

    Source: Huang et al. 2016, arXiv:1603.09382.
    """

    word = "stochastic_depth"
    inference = False
    p: Probability
    mode: Literal["row", "batch"] = "row"

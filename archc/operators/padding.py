"""Padding with a constant, or with what the edges show."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import NonNegative, Number, as_tuple
from archc.ir.operator import Operator, cases, expect
from archc.ir.types import TensorType, smallest
from archc.operators._pad import padded


class Pad(Operator):
    """A margin around the last axes: [left, right, top, bottom, front, back], of zeros (or `value`).

    The modes `reflect`, `replicate` and `circular` take what the image shows there: mirrored at the edge, the edge
    itself, or the other side. They pad all axes after the channels, and no others.

    Source: torch.nn.functional.pad; ONNX Pad-13.
    """

    word = "pad"
    torch = "torch.nn.functional.pad({x}, {pad}, {mode}, {value})"
    pad: Annotated[tuple[NonNegative, ...], BeforeValidator(as_tuple), Field(min_length=2, max_length=6)]
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant"
    value: Number = 0.0
    examples = cases(
        {"pad": [1, 2]},
        {"pad": [0, 1, 2, 3], "value": -1.5},
        {"pad": [1, 0, 0, 2, 3, 1]},
        {"pad": [1, 0, 4, 2], "mode": "reflect"},
        {"pad": [1, 0, 12, 2], "mode": "replicate"},
        {"pad": [1, 0, 9, 2], "mode": "circular"},
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        """The padded shape. Raises ShapeError: an odd number of entries, other axes than the mode pads, or too much."""
        (x,) = inputs
        expect(len(self.pad) % 2 == 0, f"pad must hold pairs, but has {len(self.pad)} entries", "pad")
        expect(
            len(self.pad) // 2 < x.ndim,
            f"pads {len(self.pad) // 2} axes of {x}, whose first is the batch",
            "pad",
        )
        before, after = self.per_axis(x)
        if self.mode != "constant":
            self._refuse_mode(x, before, after)
        return x.with_shape(*(size + (b + a) for size, b, a in zip(x.shape, before, after, strict=True)))

    def _refuse_mode(self, x: TensorType, before: tuple[int, ...], after: tuple[int, ...]) -> None:
        message = (
            f"of mode {self.mode} pads the {x.ndim - 2} axes after the channels of {x}, and has {len(self.pad)} entries"
        )
        expect(x.ndim > 2 and len(self.pad) == 2 * (x.ndim - 2), message, "pad")
        expect(self.value == 0.0, f"of mode {self.mode} has no value", "value")
        for size, amount in zip(x.shape, map(max, before, after), strict=True):
            limit = smallest(size) - (self.mode == "reflect")
            message = f"of mode {self.mode} pads {amount} pixels, and a side of {size} shows {limit}"
            expect(self.mode == "replicate" or amount <= limit, message, "pad")

    def per_axis(self, x: TensorType) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The padding before and after each axis, first axis first."""
        unpadded = (0,) * (x.ndim - len(self.pad) // 2)
        return (*unpadded, *self.pad[-2::-2]), (*unpadded, *self.pad[::-2])

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Pad, or slices side by side for `circular`."""
        before, after = self.per_axis(x[0].type)
        return padded(b, x[0], before, after, self.mode, self.value)

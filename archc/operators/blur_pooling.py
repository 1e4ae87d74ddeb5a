"""Pooling by a fixed blur."""

from collections.abc import Mapping
from math import comb
from typing import Annotated

from pydantic import Field

from archc.ir.emitter import Emitter, OnnxTensor
from archc.ir.fields import Positive
from archc.ir.operator import Operator, Window, cases, expect, expect_channels, expect_rank
from archc.ir.types import TensorType, smallest
from archc.operators._pad import padded
from archc.operators.convolution import sliding_size


class BlurPool2d(Operator):
    """A blur with binomial weights, such as [1, 2, 1] / 4 along each axis, then every `stride`-th pixel.

    The edges are mirrored, by (filter_size + stride - 2) // 2 pixels. The weights are fixed and have no keys.

    Shapes: x [N, C, H, W] -> [N, C, H', W'], where
        H' = (H + 2*((filter_size + stride - 2) // 2) - filter_size) // stride + 1
    Source: Zhang 2019, arXiv:1904.11486; timm's BlurPool2d.
    """

    word = "blur_pool2d"
    elsewhere = ("blur_pool", "blurpool", "blurpool2d")
    torch = "layers.BlurPool2d({channels}, {weights}, {stride}, {margin})"
    needs_output = False
    filter_size: Annotated[int, Field(ge=2, le=64)] = 3
    stride: Positive = 2
    examples = cases({}, {"filter_size": 5}, {"filter_size": 4, "stride": 3}, {"filter_size": 2, "stride": 1})

    @property
    def margin(self) -> int:
        """The pixels of the mirrored edge."""
        return (self.filter_size + self.stride - 2) // 2

    def weights_along_an_axis(self) -> tuple[float, ...]:
        """Binomial coefficients, whose sum is 1."""
        order = self.filter_size - 1
        return tuple([comb(order, k) / 2**order for k in range(self.filter_size)])

    def infer(self, *inputs: TensorType) -> TensorType:
        """[N, C, H', W']. Raises ShapeError: wrong rank, dynamic channels, or an image smaller than its edge."""
        (x,) = inputs
        expect_rank(x, 4, "[N, C, H, W]")
        for size in x.shape[2:]:
            shown = smallest(size) - 1
            message = f"mirrors {self.margin} pixels at each edge, and of {size} there are {shown} to mirror"
            expect(self.margin <= shown, message, "filter_size")
        sizes = [sliding_size(size, self.filter_size, self.stride, self.margin, 1) for size in x.shape[2:]]
        return x.with_shape(x.shape[0], expect_channels(x), *sizes)

    def multiply_adds(self, inputs: tuple[TensorType, ...], output: TensorType) -> int:
        """One per weight of the filter and output element."""
        return output.elements() * self.filter_size**2

    def windows(self, x: TensorType) -> Mapping[int, Window]:
        """The filter."""
        return dict.fromkeys((2, 3), Window(self.filter_size, self.stride))

    def torch_values(self, *inputs: TensorType) -> Mapping[str, object]:
        """The channels, the weights along an axis, and the pixels of the edge."""
        weights = self.weights_along_an_axis()
        return {"channels": expect_channels(inputs[0]), "weights": weights, "margin": self.margin}

    def onnx(self, b: Emitter, *x: OnnxTensor) -> OnnxTensor:
        """Pad and a depthwise Conv whose filters are a constant."""
        channels, along = expect_channels(x[0].type), self.weights_along_an_axis()
        margins = (0, 0, self.margin, self.margin)
        image = padded(b, x[0], margins, margins, "reflect") if self.margin else x[0]
        filters = b.constant("filter", [[[[v * w for w in along] for v in along]]] * channels)
        size = {"kernel_shape": (self.filter_size,) * 2, "strides": (self.stride,) * 2}
        return b.emit("Conv", [image, filters], b.output, group=channels, **size)

"""Specs of small networks that bugs are seeded into beside the bundled ones."""

from tests.exporters.small_networks import RESIDUAL

DETECTOR = """\
name: detector
input: {channels: 3, height: 32, width: 32}
layers:
  - conv2d: {name: conv1, out_channels: 16, kernel_size: 3, stride: 2, padding: 1, bias: false}
  - batch_norm: {name: bn1}
  - relu
  - basic: {name: layer1, count: 2, width: 16, stride: 2}
  - concat:
      - - conv2d: {name: boxes, out_channels: 4, kernel_size: 1}
        - mul: {name: pixels, other: 100}
      - - conv2d: {name: scores, out_channels: 3, kernel_size: 1}
        - sigmoid
"""
"""Boxes in pixels beside scores between 0 and 1, in one output [N, 7, H, W]."""

BOXES = (
    DETECTOR.replace("detector", "listed_detector", 1)
    + """\
  - flatten: {start_dim: 2}
  - permute: {dims: [0, 2, 1]}
"""
)
"""The same as a list of boxes, [N, H*W, 7]."""

SWISH = """\
name: swish
input: {channels: 3, height: 16, width: 16}
blocks:
  unit:
    layers:
      - conv2d: {name: conv, out_channels: 16, kernel_size: 3, padding: 1, bias: false}
      - batch_norm: {name: bn}
      - hardswish
layers:
  - unit: {name: stack, count: 30}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {name: fc, out_features: 10}
"""
"""Thirty hard-swishes one behind the other, which multiply what rounding does."""

RESIZED = """\
name: resized
input: {channels: 3, height: 16, width: 16}
layers:
  - conv2d: {name: conv1, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  - relu
  - interpolate: 2
  - conv2d: {name: conv2, out_channels: 8, kernel_size: 3, padding: 1}
  - interpolate: {scale_factor: 1.5, mode: bilinear}
  - roll: {shifts: [3, -2], dims: [2, 3]}
  - conv2d: {name: conv3, out_channels: 8, kernel_size: 3, padding: 1}
  - interpolate: {size: 16, mode: bilinear, align_corners: true}
  - pixel_shuffle: 2
  - conv2d: {name: conv4, out_channels: 8, kernel_size: 3, padding: 1}
  - interpolate: {scale_factor: 0.4, mode: bicubic}
  - conv2d: {name: conv5, out_channels: 8, kernel_size: 3, padding: 1}
  - amax: {dim: [2, 3]}
  - linear: {name: fc, out_features: 10}
"""
"""Resized and moved in most of the ways that there are."""

SPECS = {"detector": DETECTOR, "listed_detector": BOXES, "swish": SWISH, "residual": RESIDUAL, "resized": RESIZED}

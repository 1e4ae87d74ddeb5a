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

TRANSFORMER = """\
name: transformer
input: {channels: 3, height: 16, width: 16}
layers:
  - conv2d: {name: stem, out_channels: 16, kernel_size: 2, stride: 2}
  - rearrange: b c h w -> b h w c
  - mark: image
  - layer_norm: {name: norm1}
  - roll: {shifts: [-2, -2], dims: [1, 2]}
  - rearrange: {pattern: "b (h p) (w q) c -> b (h w) (p q) c", p: 4, q: 4}
  - linear: {name: qkv, out_features: 48}
  - rearrange: {pattern: "b w n (t h d) -> t b w h n d", t: 3, h: 4}
  - attention:
      query: {select: {dim: 0, index: 0}}
      key: {select: {dim: 0, index: 1}}
      value: {select: {dim: 0, index: 2}}
      bias:
        sum:
          - - parameter: {name: table, shape: [49, 4], init: {normal: {std: 1}}}
            - gather: {index: {constant: {value: relative_position_index, height: 4, width: 4, flat: true}}}
            - rearrange: {pattern: "(q k) h -> 1 h q k", q: 16}
          - constant: {value: shifted_window_mask, height: 8, width: 8, window: 4, shift: 2}
  - rearrange: b w h n d -> b w n (h d)
  - linear: {name: proj, out_features: 16}
  - rearrange: {pattern: "b (h w) (p q) c -> b (h p) (w q) c", h: 2, p: 4}
  - roll: {shifts: [2, 2], dims: [1, 2]}
  - sum: [from: image, {product: [identity, parameter: {name: gamma, shape: [16], init: {normal: {std: 1}}}]}]
  - rearrange: b h w c -> b (h w) c
  - concat: {dim: 1, branches: [parameter: {name: cls, shape: [1, 1, 16], init: {normal: {std: 1}}}, identity]}
  - sum: [identity, parameter: {name: positions, shape: [1, 65, 16], init: {normal: {std: 1}}}]
  - mark: tokens
  - layer_norm: {name: norm2}
  - attention:
      query: {linear: 16}
      key: {linear: 16}
      value: {linear: 16}
  - sum: [identity, from: tokens]
  - select: {dim: 1, index: 0}
  - linear: {name: fc, out_features: 10}
"""
"""Attention within shifted windows, then between all tokens and a class token."""

SPECS = {
    "detector": DETECTOR,
    "listed_detector": BOXES,
    "swish": SWISH,
    "residual": RESIDUAL,
    "resized": RESIZED,
    "transformer": TRANSFORMER,
}

"""Small specs that the tests of exports, proofs and commands share."""

from pathlib import Path
from textwrap import dedent

from archc.builds.compilation import compile_spec
from archc.diagnostics import Source
from archc.ir.graph import Graph
from archc.spec.loading import parse_text

RESIDUAL = """\
name: small
input: {channels: 3, height: 32, width: 32}
parameters:
  num_classes: int = 10

stem:
  - conv2d: {name: conv1, out_channels: 8, kernel_size: 3, stride: 2, padding: 1, bias: false}
  - batch_norm: {name: bn1}
  - relu
  - max_pool2d: {name: maxpool, kernel_size: 3, stride: 2, padding: 1}

stages:
  - basic: {name: layer1, count: 1, width: 8}
  - basic: {name: layer2, count: 2, width: 16, stride: 2}

head:
  - adaptive_avg_pool2d: {name: avgpool, output_size: 1}
  - flatten
  - linear: {name: fc, out_features: $num_classes}
"""
"""A residual network of 17 thousand parameters."""

VARIED = """\
name: varied
input: {channels: 4, height: 15, width: 15}
layers:
  - conv2d: {name: square, out_channels: 4, kernel_size: 3, padding: 1}
  - leaky_relu: {negative_slope: 0.2}
  - avg_pool2d: {kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}
  - conv2d: {name: grouped, out_channels: 8, kernel_size: 3, padding: 1, groups: 2}
  - batch_norm: {name: norm}
  - relu
  - concat:
      - conv2d: {name: left, out_channels: 4, kernel_size: 1}
      - conv2d: {name: right, out_channels: 4, kernel_size: 1}
  - local_response_norm: {size: 3, alpha: 0.5}
  - avg_pool2d: {name: counted, kernel_size: 3, stride: 1, padding: 1}
  - flatten
  - linear: {name: hidden, out_features: 16}
  - tanh
  - linear: {name: out, out_features: 16}
"""
"""Every kind of layer that the seeded bugs need: groups, branches, pools, a square linear layer."""

DYNAMIC = """\
name: dynamic
input:
  channels: 3
  height: {min: 16, opt: 24, max: 48}
  width: {min: 16, opt: 32, max: 40}
layers:
  - conv2d: {name: conv1, out_channels: 8, kernel_size: 3, stride: 2, padding: 1, bias: false}
  - batch_norm: {name: bn1}
  - relu
  - max_pool2d: {kernel_size: 3, stride: 2, padding: 1}
  - basic: {name: layer1, count: 2, width: 16, stride: 2}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {name: fc, out_features: 5}
"""

TWO_OUTPUTS = """\
name: pyramid
input: {channels: 3, height: 16, width: 16}
layers:
  - conv2d: {name: conv1, out_channels: 4, kernel_size: 3, padding: 1}
  - relu
  - output: fine
  - max_pool2d: 2
  - conv2d: {name: conv2, out_channels: 6, kernel_size: 3, padding: 1}
  - output: coarse
"""


def compiled(text: str) -> Graph:
    """The graph of a spec. Raises SpecError."""
    return compile_spec(parse_text(Source("net.yaml", dedent(text)), Path()), {})

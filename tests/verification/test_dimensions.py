"""Networks of signals, volumes and vectors: the same as hand-written modules, and proved in every format."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import archc
from archc.verification import Verdict
from archc.verification.pictures import KINDS, seeded

SIGNALS = """\
name: resnet1d
input: {channels: 2, length: {min: 40, opt: 64, max: 96}}
blocks:
  residual:
    parameters: {width: int, stride: int = 1}
    layers:
      - sum:
          - - conv1d: {name: conv1, out_channels: $width, kernel_size: 3, stride: $stride, padding: 1, bias: false}
            - batch_norm: {name: bn1}
            - relu
            - conv1d: {name: conv2, out_channels: $width, kernel_size: 3, padding: 1, bias: false}
            - batch_norm: {name: bn2}
          - when: $stride != 1 or $in_channels != $width
            then:
              downsample:
                - conv1d: {out_channels: $width, kernel_size: 1, stride: $stride, bias: false}
                - batch_norm
            else: identity
      - relu
layers:
  - conv1d: {name: conv1, out_channels: 8, kernel_size: 7, stride: 2, padding: 3, bias: false}
  - batch_norm: {name: bn1}
  - relu
  - max_pool1d: {name: maxpool, kernel_size: 3, stride: 2, padding: 1}
  - residual: {name: layer1, count: 2, width: 8}
  - residual: {name: layer2, count: 2, width: 16, stride: 2}
  - adaptive_avg_pool1d: {name: avgpool, output_size: 1}
  - flatten
  - linear: {name: fc, out_features: 5}
"""
GENERATOR = """\
name: generator
input: {channels: 100, height: 1, width: 1}
init: {conv_transpose2d: {weight: {normal: {std: 0.02}}}}
layers:
  - main:
      - conv_transpose2d: {out_channels: 16, kernel_size: 4, bias: false}
      - batch_norm
      - relu
      - conv_transpose2d: {out_channels: 8, kernel_size: 4, stride: 2, padding: 1, bias: false}
      - batch_norm
      - relu
      - conv_transpose2d: {out_channels: 3, kernel_size: 4, stride: 2, padding: 1, bias: false}
      - tanh
"""
VOLUMES = """\
name: volumes
input: {channels: 1, depth: 8, height: {min: 8, opt: 12, max: 16}, width: 10}
layers:
  - conv3d: {out_channels: 8, kernel_size: 3, padding: 1, bias: false}
  - batch_norm
  - relu
  - max_pool3d: 2
  - conv3d: {out_channels: 12, kernel_size: 3, padding: 1}
  - group_norm: 4
  - silu
  - conv_transpose3d: {out_channels: 8, kernel_size: 2, groups: 2, bias: false}
  - batch_norm
  - relu
  - instance_norm: {affine: true}
  - relu
  - adaptive_max_pool3d: 1
  - flatten
  - linear: 3
"""
VECTORS = """\
name: vectors
input: {features: 20}
layers:
  - linear: 16
  - batch_norm
  - relu
  - layer_norm
  - linear: 12
  - rms_norm
  - linear: 4
"""
SPECS = {"signals": SIGNALS, "generator": GENERATOR, "volumes": VOLUMES, "vectors": VECTORS}


class Residual(nn.Module):
    """He et al. 2016, figure 2, over a signal."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(width)
        if stride != 1 or channels != width:
            self.downsample = nn.Sequential(nn.Conv1d(channels, width, 1, stride, bias=False), nn.BatchNorm1d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        z: torch.Tensor = y + (self.downsample(x) if hasattr(self, "downsample") else x)
        return z.relu()


class ResNet1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(2, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm1d(8)
        self.maxpool = nn.MaxPool1d(3, 2, 1)
        self.layer1 = nn.Sequential(Residual(8, 8, 1), Residual(8, 8, 1))
        self.layer2 = nn.Sequential(Residual(8, 16, 2), Residual(16, 16, 1))
        self.fc = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.bn1(self.conv1(x)).relu())
        y: torch.Tensor = self.fc(self.layer2(self.layer1(x)).mean(-1))
        return y


class Generator(nn.Module):
    """Radford et al. 2016, arXiv:1511.06434, with fewer channels."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(100, 16, 4, 1, 0, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.main(x)
        return y


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.yaml"
    path.write_text(SPECS[request.param], encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", ["onnx", "pt2", "pt"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_format_is_proved(spec: Path, suffix: str) -> None:
    report = archc.export(spec, spec.with_suffix(f".{suffix}"))
    assert report is not None
    assert report.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("text", "original", "shapes"),
    [
        (SIGNALS, ResNet1d, [(3, 2, 64), (1, 2, 41)]),
        (GENERATOR, Generator, [(3, 100, 1, 1)]),
    ],
    ids=["signals", "generator"],
)
def test_a_network_is_its_original_with_the_same_keys(
    text: str, original: type[nn.Module], shapes: list[tuple[int, ...]], tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text(text, encoding="utf-8")
    module, theirs = archc.build(tmp_path / "net.yaml").double().eval(), original().double().eval()
    for tensor in (*theirs.parameters(), *theirs.buffers()):
        tensor.data = (torch.rand_like(tensor.double()) + 0.1).to(tensor.dtype)
    module.load_state_dict(theirs.state_dict())
    for shape in shapes:
        x = torch.randn(shape, dtype=torch.float64)
        torch.testing.assert_close(module(x), theirs(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(7,), (2, 9), (2, 9, 5), (3, 4, 5, 6)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_input_has_any_rank(kind: str, shape: tuple[int, ...]) -> None:
    x = KINDS[kind](seeded(0), shape)
    assert x.shape == shape
    assert np.isfinite(x).all()
    assert x.std() > 0

"""Small networks of operators, exported in every format and verified; as modules, compiled by PyTorch."""

from pathlib import Path

import pytest
import torch

import archc
from archc.verification.report import Verdict

DYNAMIC = "{channels: 3, height: {min: 8, opt: 16, max: 24}, width: {min: 8, opt: 16, max: 24}}"
STATIC = "{channels: 3, height: 16, width: 12}"
LAYER = "conv2d: {out_channels: 4, kernel_size: 3, padding: 1}"

NETWORKS = {
    "resized": (
        DYNAMIC,
        [
            LAYER,
            "interpolate: 2",
            LAYER,
            "interpolate: {scale_factor: 2, mode: bilinear, align_corners: true}",
            "interpolate: {scale_factor: 0.5, mode: nearest-exact}",
            LAYER,
            "interpolate: {size: 12, mode: bilinear}",
            "interpolate: {scale_factor: 1.5, mode: bicubic}",
            "interpolate: {size: [9, 6], mode: area}",
            "interpolate: {size: 11}",
            "flatten",
            "linear: 5",
        ],
    ),
    "arithmetic": (
        STATIC,
        [
            LAYER,
            "sqrt",
            LAYER,
            "log",
            LAYER,
            "clamp: {min: -1.0}",
            LAYER,
            "clamp: {min: -1.0, max: 2.0}",
            "abs",
            LAYER,
            "square",
            LAYER,
            "exp",
            "add: -1.0",
            "mul: 0.5",
            "flatten",
            "linear: 5",
        ],
    ),
    "root mean square": (STATIC, [LAYER, "square", "mean: {dim: 1, keepdim: true}", "add: 1.0e-6", "sqrt", LAYER]),
    "blurred": (DYNAMIC, [LAYER, "relu", "blur_pool2d", LAYER, "blur_pool2d: {filter_size: 5, stride: 1}", LAYER]),
    "reduced": (
        DYNAMIC,
        [
            LAYER,
            "normalize",
            "product: [identity, amax: {dim: 1, keepdim: true}]",
            "product: [identity, amin: {dim: [2, 3], keepdim: true}]",
            "product: [identity, var: {dim: 1, keepdim: true}]",
            "roll: {shifts: [2, -3], dims: [2, 3]}",
            LAYER,
            "norm: {dim: [2, 3]}",
            "normalize: -1",
            "linear: 5",
        ],
    ),
    "padded": (
        STATIC,
        [
            "conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: same_upper}",
            "batch_norm",
            "relu",
            "conv2d: {out_channels: 4, kernel_size: [2, 3], padding: same_upper}",
            "conv2d: {out_channels: 4, kernel_size: 3, padding: 1, padding_mode: reflect}",
            "batch_norm",
            "relu",
            "conv2d: {out_channels: 4, kernel_size: 3, padding: 2, padding_mode: circular}",
            "pad: {pad: [1, 2, 0, 3], mode: reflect}",
            "pad: {pad: [1, 2, 0, 3], mode: replicate}",
            "pad: {pad: [1, 2, 0, 3], mode: circular}",
            LAYER,
        ],
    ),
    "standardised": (
        STATIC,
        [
            "conv2d: {out_channels: 8, kernel_size: 5, stride: 2, padding: same_upper, standardize: {eps: 1.0e-8}}",
            "group_norm: {num_groups: 2}",
            "relu",
            "conv2d: {out_channels: 6, kernel_size: 3, padding: 1, bias: false, standardize: {}}",
            "batch_norm",
            "relu",
            "sum: [identity, conv2d: {out_channels: 6, kernel_size: 1, standardize: {gain: true, gamma: 1.7}}]",
            "batch_norm",
            "silu",
            "conv2d: {out_channels: 4, kernel_size: 3, groups: 2, standardize: {gain: true}}",
            "batch_norm",
            "relu",
            "flatten",
            "linear: 5",
        ],
    ),
    "pooled": (
        STATIC,
        [
            LAYER,
            "max_pool2d: {kernel_size: 2, stride: 1, padding: same_upper}",
            "max_pool2d: {kernel_size: 3, stride: 2, padding: same_upper}",
            "blur_pool2d: {filter_size: 4, stride: 1}",
            LAYER,
            "avg_pool2d: {kernel_size: 3, stride: 2, padding: same_upper}",
            "relu",
            "avg_pool2d: {kernel_size: 2, stride: 1, padding: same_upper}",
            LAYER,
        ],
    ),
    "shuffled": (
        STATIC,
        [
            LAYER,
            "roll: {shifts: [2, -3], dims: [2, 3]}",
            LAYER,
            "pixel_shuffle: 2",
            "pixel_unshuffle: 4",
            "unfold: {kernel_size: 2}",
            "permute: {dims: [0, 2, 1]}",
            "linear: 8",
            "permute: {dims: [0, 2, 1]}",
            "fold: {output_size: [8, 6], kernel_size: 2}",
            LAYER,
        ],
    ),
}


@pytest.fixture(params=NETWORKS)
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    input, layers = NETWORKS[request.param]
    path = tmp_path / "net.yaml"
    path.write_text(f"name: net\ninput: {input}\nlayers:\n" + "".join(f"  - {layer}\n" for layer in layers))
    return str(path)


@pytest.mark.parametrize("suffix", ["onnx", "pt", "pt2"])
@pytest.mark.filterwarnings("ignore")
def test_a_network_of_operators_is_exported_and_verified(spec: str, suffix: str) -> None:
    report = archc.export(spec, str(Path(spec).with_suffix(f".{suffix}")))
    assert report is not None
    assert report.verdict is Verdict.PASSED


def test_a_network_of_operators_is_compiled_as_one_graph_and_trained(spec: str) -> None:
    torch.manual_seed(0)
    module = archc.build(spec, seed=0)
    x = torch.randn(2, *[size if isinstance(size, int) else 16 for size in archc.compile(spec).input.type.shape[1:]])
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    output = compiled(x)
    torch.testing.assert_close(output, module(x), equal_nan=True)
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())

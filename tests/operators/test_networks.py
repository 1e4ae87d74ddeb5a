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
    torch.testing.assert_close(output, module(x))
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())

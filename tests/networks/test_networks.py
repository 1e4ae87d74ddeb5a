"""Bundled networks of several streams, of signals and of images made of vectors, against the same written by hand."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archc
from archc.spec.bundled import specs_folder
from archc.verification.report import Verdict
from tests.networks.modules import C2fDetector, DcganGenerator, Espcn, ResNet18For1d, ResNet18Fpn, UNet

# The module, settings that make the network small, and the shape of one input, which is small as well.
NETWORKS: dict[str, tuple[Callable[..., nn.Module], dict[str, Any], Sequence[int]]] = {
    "unet": (UNet, {"width": 4}, (3, 64, 48)),
    "resnet18_fpn": (ResNet18Fpn, {"width": 8, "num_classes": 3}, (3, 100, 76)),
    "espcn": (Espcn, {"upscale_factor": 2}, (1, 17, 24)),
    "dcgan_generator": (DcganGenerator, {"filters": 8}, (100,)),
    "resnet18_1d": (ResNet18For1d, {"num_classes": 4}, (12, 512)),
    "c2f_detector": (C2fDetector, {"w": 4, "num_classes": 5}, (3, 96, 64)),
}
INPUT = re.compile(r"^input: .*$", re.MULTILINE)


@pytest.fixture
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The bundled spec of this name, for small inputs."""
    _, _, (channels, *sizes) = NETWORKS[request.param]
    path = tmp_path / f"{request.param}.yaml"
    text = (specs_folder() / path.name).read_text(encoding="utf-8")
    if request.param != "espcn" and sizes:
        names = ("height", "width") if len(sizes) == 2 else ("length",)
        shape = ", ".join(f"{name}: {size}" for name, size in zip(names, sizes, strict=True))
        text = INPUT.sub(f"input: {{channels: {channels}, {shape}}}", text, count=1)
    path.write_text(text, encoding="utf-8")
    return path


def started(module: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """The module's tensors, each of which matters: no zeros, no ones, variances away from 0."""
    torch.manual_seed(seed)
    state = module.state_dict()
    for key, tensor in state.items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.ndim == 1:
            tensor.normal_(0.5, 0.5)
        elif tensor.ndim > 1:
            tensor.normal_(0.0, (2.0 / tensor[0].numel()) ** 0.5)
    return state


@pytest.mark.parametrize("name", NETWORKS)
def test_keys_and_shapes_are_those_of_the_module_written_by_hand(name: str) -> None:
    module, _, _ = NETWORKS[name]
    mine = {parameter.path: parameter.shape for parameter in archc.compile(name).parameters()}
    assert mine == {key: tuple(tensor.shape) for key, tensor in module().state_dict().items()}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("spec", NETWORKS, indirect=True)
def test_float64_outputs_are_those_of_the_module_written_by_hand(spec: Path, batch: int) -> None:
    module, settings, shape = NETWORKS[spec.stem]
    theirs, mine = module(**settings).eval().double(), archc.build(spec, parameters=settings).eval().double()
    mine.load_state_dict(started(theirs))
    x = torch.randn(batch, *shape, dtype=torch.float64)
    with torch.no_grad():
        pairs = zip(outputs(mine(x)), outputs(theirs(x)), strict=True)
        errors = [float((one - other).abs().max() / other.abs().max()) for one, other in pairs]
    # Rounding alone: the same operations, but for sums in another order.
    assert max(errors) <= 1e-12, errors


def outputs(given: Any) -> tuple[torch.Tensor, ...]:
    return given if isinstance(given, tuple) else (given,)


@pytest.mark.parametrize("spec", NETWORKS, indirect=True)
def test_the_exported_file_is_verified(spec: Path) -> None:
    report = archc.export(spec, spec.with_suffix(".onnx"), parameters=NETWORKS[spec.stem][1])
    assert report is not None
    assert report.verdict is Verdict.PASSED


RANGE = "{min: 32, opt: 64, max: 96, multiple_of: 32}"


@pytest.mark.parametrize(
    ("spec", "suffix"), [("unet", "onnx"), ("unet", "pt2"), ("c2f_detector", "onnx")], indirect=["spec"]
)
def test_height_and_width_that_are_multiples_of_32_can_be_dynamic(spec: Path, suffix: str) -> None:
    text = spec.read_text(encoding="utf-8")
    spec.write_text(INPUT.sub(f"input: {{channels: 3, height: {RANGE}, width: {RANGE}}}", text), encoding="utf-8")
    report = archc.export(spec, spec.with_suffix(f".{suffix}"), parameters=NETWORKS[spec.stem][1])
    assert report is not None
    assert report.verdict is Verdict.PASSED


@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
def test_a_dynamic_size_is_divided_by_what_always_divides_it(suffix: str, tmp_path: Path) -> None:
    spec = tmp_path / "divided.yaml"
    layers = """
      - conv2d: {out_channels: 3, kernel_size: 3, padding: 1}
      - pixel_unshuffle: 4
      - rearrange: {pattern: "b c (h p) w -> b (c p) h w", p: 4}
      - rearrange: {pattern: "b c h (w q) -> b c h w q", q: 2}
      - rearrange: b c h w q -> b (c q) h w
      - conv2d: {out_channels: 2, kernel_size: 1}
    """
    spec.write_text(f"name: divided\ninput: {{channels: 2, height: {RANGE}, width: {RANGE}}}\nlayers: {layers}")
    report = archc.export(spec, spec.with_suffix(f".{suffix}"))
    assert report is not None
    assert report.verdict is Verdict.PASSED


@pytest.mark.parametrize("spec", ["resnet18_fpn"], indirect=True)
def test_every_level_trains_the_weights_of_a_shared_head(spec: Path) -> None:
    module = archc.build(spec, parameters={"width": 8, "num_classes": 3})
    levels = module.eval()(torch.randn(2, 3, 100, 76))
    assert levels._fields == ("classes3", "classes4", "classes5")
    weight = module.get_parameter("head.0.weight")
    alone = [torch.autograd.grad(level.sum(), weight, retain_graph=True)[0] for level in levels]
    (together,) = torch.autograd.grad([level.sum() for level in levels], weight)
    assert all(gradient.abs().sum() > 0 for gradient in alone)
    torch.testing.assert_close(together, torch.stack(alone).sum(0))

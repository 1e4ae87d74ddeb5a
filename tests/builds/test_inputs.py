"""A network of several inputs goes through everything that a network of one goes through."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

import archc
from archc.builds.loading import load
from archc.builds.options import WeightOptions
from archc.builds.targets import Target
from archc.cli import run

SPEC = """\
name: masked
inputs:
  image: {channels: 3, height: {min: 8, opt: 12, max: 16}, width: 10, batch: {min: 1, opt: 2, max: 4}}
  mask: {channels: 1, height: {min: 8, opt: 12, max: 16}, width: 10}
  prior: {channels: 2, height: {min: 4, opt: 5, max: 8}, width: 6}
layers:
  - conv2d: {out_channels: 4, kernel_size: 3, padding: 1, name: conv}
  - product: [identity, [from: mask, sigmoid]]
  - adaptive_avg_pool2d: 1
  - mark: seen
  - from: prior
  - conv2d: {out_channels: 4, kernel_size: 3, name: conv_prior}
  - adaptive_avg_pool2d: 1
  - sum: [identity, from: seen]
  - flatten
"""
FORWARD = """\
    def forward(self, image, mask, prior):
        x = self.conv(image)
        y = self.sigmoid(mask)
        x = x * y
        x = self.adaptive_avg_pool2d(x)
        y = self.conv_prior(prior)
        y = self.adaptive_avg_pool2d_1(y)
        y = y + x
        y = self.flatten(y)
        return y
"""


@pytest.fixture(autouse=True)
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "masked.yaml"
    path.write_text(SPEC)
    return path


def inputs(height: int = 9, prior: int = 7, count: int = 3) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(5)
    shapes = {"image": (3, height, 10), "mask": (1, height, 10), "prior": (2, prior, 6)}
    return {name: generator.standard_normal((count, *shape)).astype(np.float32) for name, shape in shapes.items()}


def test_axes_of_one_range_share_their_symbol_and_the_batch_is_one() -> None:
    image, mask, prior = (value.type for value in archc.compile("masked.yaml").inputs)
    assert str(image) == "float32[batch, 3, height, 10]"
    assert str(mask) == "float32[batch, 1, height, 10]"
    assert str(prior) == "float32[batch, 2, prior_height, 6]"
    assert image.shape[0] == mask.shape[0] == prior.shape[0]
    assert image.shape[2] == mask.shape[2]


def test_forward_takes_them_in_order_by_name() -> None:
    module = archc.build("masked.yaml").eval()
    assert inspect.getsource(type(module).forward) == FORWARD
    given = {name: torch.from_numpy(x) for name, x in inputs().items()}
    with torch.no_grad():
        assert torch.equal(module(*given.values()), module(**given))


def test_an_input_may_have_the_name_of_a_variable(spec: Path) -> None:
    spec.write_text(SPEC.replace("mask", "x").replace("prior", "y"))
    module = archc.build("masked.yaml").eval()
    other = archc.build("masked.yaml", {key: value.clone() for key, value in module.state_dict().items()}).eval()
    assert "def forward(self, image, x, y):\n        z = self.conv(image)\n" in inspect.getsource(type(module).forward)
    given = [torch.from_numpy(x) for x in inputs().values()]
    spec.write_text(SPEC)
    renamed = {key.replace("conv_y", "conv_prior"): value for key, value in other.state_dict().items()}
    with torch.no_grad():
        assert torch.equal(module(*given), archc.build("masked.yaml", renamed).eval()(*given))


@pytest.mark.filterwarnings("ignore:`torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("suffix", [".onnx", ".pt", ".pt2"])
def test_it_is_exported_and_proved(suffix: str) -> None:
    report = archc.export("masked.yaml", f"masked{suffix}")
    assert report is not None
    assert report.verdict.value == "passed", report
    module = archc.build("masked.yaml").eval()
    given = inputs()
    with torch.no_grad():
        expected = module(*map(torch.from_numpy, given.values())).numpy()
        if suffix == ".onnx":
            session = onnxruntime.InferenceSession("masked.onnx", providers=["CPUExecutionProvider"])
            assert [(each.name, each.shape) for each in session.get_inputs()] == [
                ("image", ["batch", 3, "height", 10]),
                ("mask", ["batch", 1, "height", 10]),
                ("prior", ["batch", 2, "prior_height", 6]),
            ]
            (actual,) = session.run(None, given)
        else:
            load_file = torch.jit.load if suffix == ".pt" else lambda path: torch.export.load(path).module()
            actual = load_file(f"masked{suffix}")(*map(torch.from_numpy, given.values())).numpy()
    np.testing.assert_allclose(np.asarray(actual), expected, atol=1e-6)


def test_a_build_is_verified_on_arrays_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "masked.yaml", "--onnx"]) == 0
    usage = capsys.readouterr().out
    assert "session.run(None, {'image': image, 'mask': mask, 'prior': prior})" in usage
    assert "--minShapes=image:1x3x8x10,mask:1x1x8x10,prior:1x2x4x6" in usage
    np.savez("own.npz", **inputs())  # type: ignore[arg-type]
    assert run(["verify", "build/masked", "--images", "own.npz", "--format", "json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert any(" on own.npz" in row["output"] for row in report["comparisons"])


def without_mask() -> None:
    np.savez("own.npz", **{name: x for name, x in inputs().items() if name != "mask"})  # type: ignore[arg-type]


def of_two_heights() -> None:
    np.savez("own.npz", **inputs() | {"mask": inputs(height=11)["mask"]})  # type: ignore[arg-type]


def in_a_folder() -> None:
    Path("own.npz").mkdir()


@pytest.mark.parametrize(
    ("make", "message", "help"),
    [
        (without_mask, "own.npz has no array mask, which the network takes", "it has image, prior"),
        (of_two_heights, "own.npz has the height 9 for image and 11 for mask, which are equal in the network", None),
        (
            in_a_folder,
            "a folder holds images for one input, and the network has 3: own.npz",
            "give a .npz file with the arrays image, mask, prior",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused(make: Callable[[], None], message: str, help: str | None) -> None:
    archc.export("masked.yaml", "masked.onnx", verify=False)
    make()
    with pytest.raises(archc.ArchcError) as caught:
        archc.verify("masked.onnx", "masked.yaml", images="own.npz")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.message, problem.help) == ("bad-images", message, help)


def test_files_that_do_not_tell_their_inputs_are_compared_with_each_other() -> None:
    run(["build", "masked.yaml", "-o", "build"])
    archc.export("masked.yaml", "build/first.pt", verify=False)
    archc.export("masked.yaml", "build/second.pt", verify=False)
    assert archc.verify("build/first.pt", "build/second.pt").verdict.value == "passed"


def test_the_inputs_of_a_failed_proof_are_kept_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    archc.export("masked.yaml", "masked.onnx", seed=1, verify=False)
    assert run(["verify", "masked.onnx", "--against", "masked.yaml"]) != 0
    kept = np.load("masked.onnx.failed/inputs.npz")
    assert list(kept) == ["image", "mask", "prior"]
    assert run(["verify", "masked.onnx", "--against", "masked.yaml", "--seed", "1", "--images",
                "masked.onnx.failed/inputs.npz"]) == 0  # fmt: skip


def test_the_resolved_spec_and_the_printed_graph_have_them() -> None:
    assert run(["build", "masked.yaml"]) == 0
    printed = Path("build/masked/graph.txt").read_text()
    assert "  mask: float32[batch, 1, height, 10]\n" in printed
    assert "  prior_height: 4 to 8, usually 5\n" in printed
    again = load(Target(Path("build/masked/spec.yaml")), WeightOptions(), {}).network.graph
    assert again.inputs == archc.compile("masked.yaml").inputs

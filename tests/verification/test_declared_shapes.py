"""What a file declares is compared before it is run, and what it fixes is run as it is and told."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from archc.diagnostics import ExportError
from archc.exporting import exporter_for, exporters
from archc.verification import Report, Verdict
from archc.verification.check import Verifier
from archc.verification.pairwise import compare_artefacts
from archc.weights.network import Network
from tests.exporters.small_networks import DYNAMIC, RESIDUAL, compiled
from tests.operators.cases import with_random_weights

ONNX = exporters()["onnx"]


def given(spec: str = RESIDUAL) -> Network:
    return with_random_weights(compiled(spec))


def exported(network: Network, path: Path, edit: Callable[[onnx.ModelProto], None] = lambda model: None) -> Path:
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked())
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)
    return path


def report(network: Network, path: Path) -> Report:
    return Verifier(network).verify(path.name, exporter_for(path).open(path))


def declare(axis: int, size: int) -> Callable[[onnx.ModelProto], None]:
    """An edit that fixes a size of the input."""

    def edit(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size

    return edit


def fixed_pt2(network: Network, path: Path, batch: int) -> Path:
    """The network by torch.export, with the batch of its example."""
    program = torch.export.export(network.inference_module(), (torch.zeros(batch, *network.image_shapes()[0]),))
    torch.export.save(program, path)
    return path


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_run_as_it_is_and_told_in_every_format(batch: int, tmp_path: Path) -> None:
    network = given()
    for path in (
        exported(network, tmp_path / "fixed.onnx", declare(0, batch)),
        fixed_pt2(network, tmp_path / "fixed.pt2", batch),
    ):
        found = report(network, path)
        assert (found.verdict, found.notes) == (Verdict.PASSED, (f"the file's batch is fixed at {batch}",))
        assert {row.batches for row in found.comparisons} == {(batch,)}


def test_a_fixed_size_is_run_as_it_is_and_told(tmp_path: Path) -> None:
    network = given(DYNAMIC)
    found = report(network, exported(network, tmp_path / "fixed.onnx", declare(2, 20)))
    assert (found.verdict, found.notes) == (Verdict.PASSED, ("its height is fixed at 20",))
    assert all(row.output == "output" or "at 20x" in row.output for row in found.comparisons)


def test_a_size_that_the_network_does_not_take_is_told_before_anything_is_run(tmp_path: Path) -> None:
    found = report(given(), exported(given(), tmp_path / "other.onnx", declare(2, 48)))
    assert (found.verdict, found.comparisons) == (Verdict.FAILED, ())
    assert found.differences[-1] == "the file's input is [?, 3, 48, 32], the network's [batch, 3, 32, 32]"


class ChannelsLast(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.module(x.permute(0, 3, 1, 2))
        return y


class Dictionary(ChannelsLast):
    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:  # type: ignore[override]
        return {"logits": self.module(x)}


@pytest.mark.filterwarnings("ignore")  # of PyTorch, that its older exporter is old
def test_channels_last_is_guessed_from_the_shape(tmp_path: Path) -> None:
    example, path = torch.randn(1, 32, 32, 3), tmp_path / "last.onnx"
    torch.onnx.export(
        ChannelsLast(given().inference_module()), (example,), str(path), dynamo=False, opset_version=17,
        input_names=["x"], dynamic_axes={"x": {0: "b"}},
    )  # fmt: skip
    found = report(given(), path)
    assert (found.verdict, found.divergence) == (Verdict.FAILED, None)
    shapes = "the file's input is [?, 32, 32, 3] (channels last?), the network's [batch, 3, 32, 32]"
    assert found.differences[-1] == shapes


@pytest.mark.filterwarnings("ignore")  # of PyTorch, that TorchScript is old
def test_an_output_that_is_no_tensor_is_told(tmp_path: Path) -> None:
    module = Dictionary(given().inference_module())
    traced = torch.jit.trace(module, torch.randn(1, 3, 32, 32), strict=False)
    torch.jit.save(traced, str(tmp_path / "dict.pt"))
    found = report(given(), tmp_path / "dict.pt")
    assert found.verdict is Verdict.FAILED
    told = "cannot be run on images [3, 32, 32]: it returns a dict, not a tensor or several"
    assert {row.reason for row in found.comparisons} == {told}


def test_two_files_are_compared_at_the_batch_that_one_fixes(tmp_path: Path) -> None:
    free = ONNX.open(exported(given(), tmp_path / "free.onnx"))
    fixed = ONNX.open(exported(given(), tmp_path / "fixed.onnx", declare(0, 3)))
    for pair in ((free, fixed), (fixed, free)):
        found = compare_artefacts("a", pair[0], "b", pair[1], seed=1)
        assert (found.verdict, found.notes) == (Verdict.PASSED, ("the file's batch is fixed at 3",))
        assert {row.batches for row in found.comparisons} == {(3,)}


def test_two_files_of_different_inputs_are_not_compared(tmp_path: Path) -> None:
    one = ONNX.open(exported(given(), tmp_path / "one.onnx"))
    other = ONNX.open(exported(given(), tmp_path / "other.onnx", declare(3, 33)))
    with pytest.raises(ExportError, match=r"a takes input \[\?, 3, 32, 32\], and b input \[\?, 3, 32, 33\]"):
        compare_artefacts("a", one, "b", other)


def test_two_files_that_differ_at_one_batch_alone_differ(tmp_path: Path) -> None:
    def off_at_batch_3(model: onnx.ModelProto) -> None:
        output = model.graph.output[0].name
        last = next(node for node in model.graph.node if output in node.output)
        last.output[:] = ["right"]
        constants = {"three": np.array([3], np.int64), "wrong": np.float32(1.01), "one": np.float32(1)}
        model.graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items())
        model.graph.node.extend(
            [
                onnx.helper.make_node("Shape", ["right"], ["batch"], start=0, end=1),
                onnx.helper.make_node("Equal", ["batch", "three"], ["is three"]),
                onnx.helper.make_node("Where", ["is three", "wrong", "one"], ["factor"]),
                onnx.helper.make_node("Mul", ["right", "factor"], [output]),
            ]
        )

    right = ONNX.open(exported(given(), tmp_path / "right.onnx"))
    wrong = ONNX.open(exported(given(), tmp_path / "wrong.onnx", off_at_batch_3))
    found = compare_artefacts("a", wrong, "b", right, seed=1)
    assert found.verdict is Verdict.FAILED
    assert "the error exceeds the bound at batch 3" in {row.reason for row in found.comparisons}

"""Artefacts that were tampered with, that are broken, or that are somebody else's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from archc.cli import run
from archc.diagnostics import ExportError
from archc.exporting import Artefact, NodeRunner, Runner, exporters
from archc.ir.graph import Node
from archc.nn.interpreter import Interpreter
from archc.verification import Report, Verdict, verify
from archc.verification.check import compare_artefacts
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import DYNAMIC, RESIDUAL, TWO_OUTPUTS, compiled
from tests.operators.cases import with_random_weights

ONNX = exporters()["onnx"]


def fresh(spec: str = RESIDUAL, seed: int = 0) -> Network:
    graph = compiled(spec)
    return Network(graph, InitializedWeights(graph.parameters(), seed=seed), fresh=True)


def given(spec: str = RESIDUAL) -> Network:
    return with_random_weights(compiled(spec))


def exported(network: Network, path: Path, **options: bool) -> Path:
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked(**options))
    return path


def edited(path: Path, edit: Callable[[onnx.GraphProto], None]) -> Path:
    model = onnx.load(path)
    edit(model.graph)
    onnx.save(model, path)
    return path


def report(network: Network, path: Path) -> Report:
    return verify(network, ONNX.open(path), path.name)


def changed_tensor(graph: onnx.GraphProto) -> None:
    """One element of one tensor in its last place."""
    tensor = next(tensor for tensor in graph.initializer if tensor.name == "layer2.0.conv2.weight")
    values = numpy_helper.to_array(tensor).copy()
    values[3, 2, 1, 0] = np.nextafter(values[3, 2, 1, 0], np.float32(np.inf))
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def changed_node(graph: onnx.GraphProto) -> None:
    node = next(node for node in graph.node if node.name == "/maxpool/MaxPool")
    (pads,) = (attribute for attribute in node.attribute if attribute.name == "pads")
    pads.ints[:] = [0, 0, 2, 2]


def bypassed_node(graph: onnx.GraphProto) -> None:
    """The sum of the first block without its shortcut."""
    relu = next(node for node in graph.node if node.name == "/layer1/0/relu_1/Relu")
    relu.input[0] = "/layer1/0/conv2/Conv_output_0"


@pytest.mark.parametrize("network", [fresh(), given()], ids=["fresh", "given"])
def test_a_tensor_changed_in_its_last_place_is_noticed(network: Network, tmp_path: Path) -> None:
    found = report(network, edited(exported(network, tmp_path / "net.onnx"), changed_tensor))
    assert found.differences == (
        "layer2.0.conv2.weight differs from the network's weights (conv2d layer2.0.conv2, net.yaml:14)",
    )
    assert found.verdict is Verdict.FAILED


@pytest.mark.parametrize("tamper", [changed_node, bypassed_node])
@pytest.mark.parametrize("network", [fresh(), given()], ids=["fresh", "given"])
def test_a_changed_node_is_noticed(network: Network, tamper: Callable[[onnx.GraphProto], None], tmp_path: Path) -> None:
    found = report(network, edited(exported(network, tmp_path / "net.onnx"), tamper))
    assert (found.verdict, found.differences) == (Verdict.FAILED, ())
    assert {row.reason for row in found.comparisons} == {"the error exceeds the bound"}


def test_the_weights_of_another_seed_are_noticed_tensor_by_tensor(tmp_path: Path) -> None:
    found = report(fresh(seed=1), exported(fresh(seed=0), tmp_path / "net.onnx"))
    assert found.verdict is Verdict.FAILED
    assert {difference.partition(" (")[0] for difference in found.differences} == {
        f"{name} differs from the network's weights"
        for name in (
            "conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer2.0.conv1.weight",
            "layer2.0.conv2.weight", "layer2.0.downsample.0.weight", "layer2.1.conv1.weight",
            "layer2.1.conv2.weight", "fc.weight", "fc.bias",
        )
    }  # fmt: skip


def test_somebody_elses_file_is_compared_by_its_numbers_alone(tmp_path: Path) -> None:
    def renamed(graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            for node in graph.node:
                node.input[:] = [f"their.{name}" if name == tensor.name else name for name in node.input]
            tensor.name = f"their.{tensor.name}"

    network = given()
    theirs = edited(exported(network, tmp_path / "theirs.onnx"), renamed)
    assert ONNX.open(theirs).differences(network) is None
    assert (report(network, theirs).verdict, report(network, theirs).twin) == (Verdict.PASSED, False)
    wrong = edited(theirs, changed_node)
    assert report(network, wrong).verdict is Verdict.FAILED


def test_a_folded_and_an_unfolded_file_both_are_archcs_own(tmp_path: Path) -> None:
    network = fresh()
    for fold in (True, False):
        path = exported(network, tmp_path / f"{fold}.onnx", fold_batch_norm=fold)
        assert (report(network, path).verdict, report(network, path).twin) == (Verdict.PASSED, True)


def test_the_file_of_another_network_fails_by_its_shape(tmp_path: Path) -> None:
    network = given()
    other = given(RESIDUAL.replace("num_classes: int = 10", "num_classes: int = 11"))
    found = report(network, exported(other, tmp_path / "net.onnx"))
    assert found.verdict is Verdict.FAILED
    assert {row.reason for row in found.comparisons} == {"the output has shape [1, 11], not [1, 10]"}


def test_every_declared_size_and_output_is_compared(tmp_path: Path) -> None:
    sizes = report(given(DYNAMIC), exported(given(DYNAMIC), tmp_path / "sizes.onnx"))
    assert sizes.verdict is Verdict.PASSED
    corners = [(size, (1, 2, 3)) for size in ("16x16", "16x40", "48x16", "48x40")]
    assert [(row.runner, row.output, row.batches) for row in sizes.comparisons] == [
        (runner, f"output at {size}", batches)
        for runner in ("ONNX Runtime, not optimised", "ONNX Runtime, optimised")
        for size, batches in (("24x32", (1, 2, 5)), *corners)
    ] + [("ONNX Runtime, not optimised, twin", "output", (1, 2))]
    outputs = report(given(TWO_OUTPUTS), exported(given(TWO_OUTPUTS), tmp_path / "outputs.onnx"))
    assert outputs.verdict is Verdict.PASSED
    assert [row.output for row in outputs.comparisons] == ["coarse", "fine"] * 3


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x08\xff\xff\xff"], ids=["empty", "text", "truncated"])
def test_a_file_that_is_no_model_is_an_error_in_words(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(ExportError):
        report(given(), path)


@pytest.mark.parametrize("name", ["torchscript", "pt2"])
@pytest.mark.parametrize("data", [b"", b"not a model"], ids=["empty", "text"])
def test_an_archive_of_pytorch_that_cannot_be_read_is_an_error_in_words(name: str, data: bytes, tmp_path: Path) -> None:
    exporter = exporters()[name]
    path = tmp_path / f"net{exporter.suffix}"
    path.write_bytes(data)
    with pytest.raises(ExportError):
        verify(given(), exporter.open(path), path.name)


def test_two_files_of_one_network_agree_and_of_two_networks_do_not(tmp_path: Path) -> None:
    folded, unfolded = (
        ONNX.open(exported(given(), tmp_path / f"{fold}.onnx", fold_batch_norm=fold)) for fold in (True, False)
    )
    other = ONNX.open(exported(given(RESIDUAL.replace("padding: 1}", "padding: 0}")), tmp_path / "other.onnx"))
    assert compare_artefacts("a", folded, "b", unfolded).verdict is Verdict.PASSED
    assert compare_artefacts("a", folded, "b", other).verdict is Verdict.FAILED


@dataclass
class InMemory(Artefact):
    """An artefact that is a function."""

    function: Callable[[np.ndarray], np.ndarray]

    def differences(self, network: Network) -> list[str] | None:
        return None

    def structure_differences(self, network: Network) -> list[str]:
        return []

    def image_shape(self) -> tuple[int, ...] | None:
        return None

    def node_runners(self, network: Network, *, replace_weights: bool) -> Sequence[NodeRunner] | None:
        graph = network.inference
        single = Interpreter(graph, network.inference_module())

        def runner(node: Node) -> NodeRunner:
            names = tuple(value.name for value in node.inputs)
            name = node.output.name
            tensors = lambda arrays: {n: torch.from_numpy(a) for n, a in zip(names, arrays, strict=True)}  # noqa: E731
            return NodeRunner(node.path, name, names, lambda arrays: single.value(name, tensors(arrays)).numpy())

        return [runner(node) for node in graph.nodes]

    def runners(
        self, weights: Network | None = None, witnesses: Sequence[str] = (), *, trusted: bool = True
    ) -> Sequence[Runner]:
        return [Runner("in memory", lambda x: [self.function(x)])]

    def complaints(self, network: Network, witnesses: Sequence[str]) -> list[str]:
        return []


CHAOTIC = """\
name: chaotic
input: {channels: 3, height: 8, width: 8}
layers:
  - concat: [identity, identity]
  - conv2d: {name: difference, out_channels: 4, kernel_size: 1, bias: false}
"""


def chaotic(size: float = 1e4) -> Network:
    """Differences of products that agree in six digits: rounding makes up percents of the output."""
    graph = compiled(CHAOTIC)
    large = np.random.default_rng(0).uniform(size, 2 * size, (4, 3, 1, 1))
    weight = np.concatenate([large, 0.01 - large], axis=1).astype(np.float32)
    return Network(graph, {"difference.weight": weight}, fresh=False)


def in_pytorch(network: Network) -> Callable[[np.ndarray], np.ndarray]:
    module = network.inference_module()

    def run(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            y: torch.Tensor = module(torch.from_numpy(x))
        return y.numpy()

    return run


def test_a_chaotic_network_passes_where_every_node_passes_by_itself() -> None:
    found = verify(chaotic(), InMemory(in_pytorch(chaotic())), "chaotic")
    reason = "rounding alone grows this large: every node passed by itself"
    assert [(row.verdict, row.reason, row.chaotic) for row in found.comparisons] == [(Verdict.PASSED, reason, True)]


@pytest.mark.parametrize(("excess", "verdict"), [(0.5, Verdict.PASSED), (5.0, Verdict.PASSED), (15.0, Verdict.FAILED)])
def test_a_noisy_network_may_exceed_its_bound_tenfold_where_every_node_passes(excess: float, verdict: Verdict) -> None:
    network = chaotic(30.0)
    right = in_pytorch(network)
    (row,) = verify(network, InMemory(right), "noisy").comparisons
    assert (row.noisy, row.chaotic, row.verdict) == (True, False, Verdict.PASSED)
    found = verify(network, InMemory(lambda x: right(x) + np.float32(excess * row.bound)), "further off")
    assert [row.verdict for row in found.comparisons] == [verdict]


def test_a_chaotic_network_may_end_in_what_does_nothing_at_inference(tmp_path: Path) -> None:
    spec = f"{CHAOTIC}  - dropout\n  - output: early\n  - relu\n  - identity: {{name: last}}\n"
    network = Network(compiled(spec), chaotic().weights, fresh=False)
    path = exported(network, tmp_path / "net.onnx")
    found = verify(network, ONNX.open(path), path.name)
    assert found.verdict is Verdict.PASSED
    assert any(row.chaotic for row in found.comparisons)


def test_an_output_that_is_not_finite_fails_even_in_a_chaotic_network() -> None:
    found = verify(chaotic(), InMemory(lambda x: np.full((len(x), 4, 8, 8), np.nan, np.float32)), "nan")
    assert [(row.verdict, row.reason) for row in found.comparisons] == [(Verdict.FAILED, "the output is not finite")]


def test_an_artefact_that_is_wrong_at_one_batch_size_alone_fails() -> None:
    network = given()
    right = in_pytorch(network)
    found = verify(network, InMemory(lambda x: right(x) + np.float32(0.01 * (len(x) == 2))), "batches")
    assert {(row.verdict, row.reason) for row in found.comparisons} == {(Verdict.FAILED, "the error exceeds the bound")}


@pytest.mark.parametrize("suffix", ["onnx", "pt", "pt2"])
def test_a_file_of_another_input_size_fails_in_words(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = {"onnx": "--onnx", "pt": "--torchscript", "pt2": "--pt2"}[suffix]
    assert run(["export", "lenet5", flag, "--no-verify", "-o", str(tmp_path)]) == 0
    assert run(["verify", str(tmp_path / f"lenet5.{suffix}"), "--against", "resnet20_cifar"]) == 5
    assert "cannot be run on images [3, 32, 32]: " in capsys.readouterr().out


def test_a_file_with_another_number_of_outputs_fails_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.yaml").write_text("name: one\ninput: {channels: 3, height: 8, width: 8}\nlayers: [relu]\n")
    two = "name: two\ninput: {channels: 3, height: 8, width: 8}\nlayers: [relu, output: early, tanh]\n"
    (tmp_path / "two.yaml").write_text(two)
    assert run(["export", str(tmp_path / "one.yaml"), "--onnx", "--no-verify", "-o", str(tmp_path / "build")]) == 0
    artefact = str(tmp_path / "build" / "one.onnx")
    assert run(["verify", artefact, "--against", str(tmp_path / "two.yaml")]) == 5
    assert "has 1 outputs, not 2" in capsys.readouterr().out

"""Artefacts that were tampered with, that are broken, or that are somebody else's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import ClassVar

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from archc.cli import run
from archc.diagnostics import ExportError
from archc.exporting import Artefact, DeclaredInput, NodeRunner, Runner, exporters
from archc.ir.graph import Node
from archc.nn.interpreter import Interpreter
from archc.verification import Report, Verdict, verify
from archc.verification.pairwise import compare_artefacts
from archc.verification.report import OWN, TWIN, Nodes
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
    found = report(network, theirs)
    assert (found.verdict, found.weights, found.structure, found.nodes) == (Verdict.PASSED, OWN, None, None)
    wrong = edited(theirs, changed_node)
    assert report(network, wrong).verdict is Verdict.FAILED


def test_a_folded_and_an_unfolded_file_both_are_archcs_own(tmp_path: Path) -> None:
    network = fresh()
    for fold in (True, False):
        path = exported(network, tmp_path / f"{fold}.onnx", fold_batch_norm=fold)
        found = report(network, path)
        assert (found.verdict, found.weights, found.structure) == (Verdict.PASSED, TWIN, True)


def test_two_inputs_of_a_node_may_be_one_tensor_of_the_file(tmp_path: Path) -> None:
    """To roll an axis of size 1 does nothing, and is left out."""
    rolled = "roll: {shifts: 1, dims: 1}"
    spec = f"""
        name: rolled
        input: {{channels: 1, height: 8, width: 8}}
        layers:
          - conv2d: {{out_channels: 1, kernel_size: 3}}
          - sum: [{rolled}, identity]
          - sum: [identity, {rolled}]
          - sum: [{rolled}, {rolled}]
    """
    network = given(dedent(spec))
    found = report(network, exported(network, tmp_path / "rolled.onnx"))
    assert found.verdict is Verdict.PASSED
    assert found.nodes is not None
    assert found.nodes.nodes == 8, "every node is compared"


def test_the_file_of_another_network_fails_by_its_shape(tmp_path: Path) -> None:
    network = given()
    other = given(RESIDUAL.replace("num_classes: int = 10", "num_classes: int = 11"))
    found = report(network, exported(other, tmp_path / "net.onnx"))
    assert found.verdict is Verdict.FAILED
    reasons = {row.reason for row in found.comparisons}
    assert reasons == {"the output has shape [1, 11], not [1, 10]", "the output has shape [8, 11], not [8, 10]"}


def test_every_declared_size_and_output_is_compared(tmp_path: Path) -> None:
    sizes = report(given(DYNAMIC), exported(given(DYNAMIC), tmp_path / "sizes.onnx"))
    assert sizes.verdict is Verdict.PASSED
    usual, *corners, between = [
        (row.output, row.batches) for row in sizes.comparisons if row.runner == "ONNX Runtime, not optimised"
    ]
    assert usual == ("output", (1, 2))
    assert corners == [(f"output at {size}", (1, 2)) for size in ("16x16", "16x40", "48x16", "48x40")]
    height, width = map(int, between[0].removeprefix("output at ").split("x"))
    assert 16 <= height <= 48
    assert 16 <= width <= 40
    assert {row.runner for row in sizes.comparisons} == {"ONNX Runtime, not optimised", "ONNX Runtime, optimised"}
    outputs = report(given(TWO_OUTPUTS), exported(given(TWO_OUTPUTS), tmp_path / "outputs.onnx"))
    assert outputs.verdict is Verdict.PASSED
    assert [row.output for row in outputs.comparisons] == ["coarse", "fine"] * 2


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
    tensors: list[str] | None = None
    shows_nodes: ClassVar[bool] = True

    def differences(self, network: Network) -> list[str] | None:
        return self.tensors

    def structure_differences(self, network: Network) -> list[str]:
        return []

    def spec(self) -> str:
        return ""

    def stored_tensors(self, network: Network) -> Mapping[str, np.ndarray]:
        return {}

    def program(self) -> object:
        return None

    def inputs(self) -> Sequence[DeclaredInput]:
        return []

    def node_runners(self, network: Network, *, replace_weights: bool) -> Sequence[NodeRunner] | None:
        graph = network.inference
        single = Interpreter(graph, network.inference_module())

        def runner(node: Node) -> NodeRunner:
            names = tuple(dict.fromkeys(value.name for value in node.inputs))
            name = node.output.name
            tensors = lambda arrays: {n: torch.from_numpy(a) for n, a in zip(names, arrays, strict=True)}  # noqa: E731
            run = lambda arrays: single.value(name, tensors(arrays)).numpy()  # noqa: E731
            return NodeRunner(node.path, name, names, node.kind, lambda any_size: run)

        return [runner(node) for node in graph.nodes]

    def runners(
        self, weights: Network | None = None, witnesses: Sequence[str] = (), *, trusted: bool = True
    ) -> Sequence[Runner]:
        function = self.function if weights is None else in_pytorch(weights)
        return [Runner("in memory", lambda inputs: [function(inputs[0])])]

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


def judged(network: Network, function: Callable[[np.ndarray], np.ndarray], tensors: list[str] | None) -> Report:
    """The report on a function: archc's own file if its tensors are known, somebody else's if they are None."""
    return verify(network, InMemory(function, tensors), "in memory")


def test_where_rounding_dominates_structure_and_nodes_decide_for_archcs_own_file() -> None:
    network = chaotic()
    right = in_pytorch(network)
    found = judged(network, lambda x: right(x) * np.float32(1 + 1e-6), [])
    assert found.verdict is Verdict.BY_PARTS
    assert found.nodes == Nodes(2, 2)
    assert [row.verdict for row in found.comparisons] == [Verdict.BY_PARTS, Verdict.PASSED]  # its own weights, a twin's
    assert found.comparisons[0].reason.endswith(" of the output: structure and nodes decide")


def test_where_rounding_dominates_nothing_can_be_said_of_somebody_elses_file() -> None:
    network = chaotic()
    right = in_pytorch(network)
    found = judged(network, lambda x: right(x) * np.float32(1 + 1e-6), None)
    assert found.verdict is Verdict.INCONCLUSIVE


def test_what_is_bit_for_bit_pytorchs_float32_run_passes_whatever_rounding_does() -> None:
    network = chaotic()
    found = judged(network, in_pytorch(network), None)
    reason = "every bit is that of PyTorch's float32 run"
    assert [(row.verdict, row.reason) for row in found.comparisons] == [(Verdict.PASSED, reason)]


def test_no_row_of_a_file_from_elsewhere_passes_beyond_its_bound_however_noisy_the_network() -> None:
    network = chaotic(30.0)
    right = in_pytorch(network)
    (row,) = judged(network, right, None).comparisons
    assert row.noisy
    for excess, verdict in ((1.0, Verdict.INCONCLUSIVE), (11.0, Verdict.FAILED), (100.0, Verdict.FAILED)):
        wrong = np.float32(1 + excess * row.float32_share)
        assert judged(network, lambda x, wrong=wrong: right(x) * wrong, None).verdict is verdict  # type: ignore[misc]


def test_a_chaotic_network_may_end_in_what_does_nothing_at_inference(tmp_path: Path) -> None:
    spec = f"{CHAOTIC}  - dropout\n  - output: early\n  - relu\n  - identity: {{name: last}}\n"
    network = Network(compiled(spec), chaotic().weights, fresh=False)
    path = exported(network, tmp_path / "net.onnx")
    found = verify(network, ONNX.open(path), path.name)
    assert found.verdict is Verdict.BY_PARTS
    assert found.nodes is not None


def test_an_output_that_is_not_finite_fails_even_in_a_chaotic_network() -> None:
    found = verify(chaotic(), InMemory(lambda x: np.full((len(x), 4, 8, 8), np.nan, np.float32)), "nan")
    assert [(row.verdict, row.reason) for row in found.comparisons] == [(Verdict.FAILED, "the output is not finite")]


def test_an_artefact_that_is_wrong_at_one_batch_size_alone_fails() -> None:
    network = given()
    right = in_pytorch(network)
    found = verify(network, InMemory(lambda x: right(x) + np.float32(0.01 * (len(x) == 2))), "batches")
    reason = "the error exceeds the bound at batch 2"
    assert {(row.verdict, row.reason) for row in found.comparisons} == {(Verdict.FAILED, reason)}


@pytest.mark.parametrize("suffix", ["onnx", "pt", "pt2"])
def test_a_file_of_another_input_size_fails_in_words(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = {"onnx": "--onnx", "pt": "--torchscript", "pt2": "--pt2"}[suffix]
    assert run(["export", "lenet5", flag, "--no-verify", "-o", str(tmp_path)]) == 0
    assert run(["verify", str(tmp_path / f"lenet5.{suffix}"), "--against", "resnet20_cifar"]) == 5
    told = {
        "onnx": "the file's input is [?, 1, 32, 32], the network's [batch, 3, 32, 32]",
        "pt": "cannot be run on images [3, 32, 32]: ",
        "pt2": "the file's input is [?, 1, 32, 32], the network's [batch, 3, 32, 32]",
    }
    assert told[suffix] in capsys.readouterr().out


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

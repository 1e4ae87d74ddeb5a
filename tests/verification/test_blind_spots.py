"""What the numbers of a plain comparison would not show: it is noticed all the same, or told to be inconclusive."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archc.diagnostics import ExportError
from archc.exporting import exporters
from archc.verification import Report, Verdict
from archc.verification.check import Verifier
from archc.verification.pairwise import compare_artefacts
from archc.verification.report import OWN
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import DYNAMIC, compiled
from tests.operators.cases import with_random_weights

ONNX = exporters()["onnx"]
Edit = Callable[[onnx.ModelProto], None]

DEAD_BRANCH = """\
name: dead
input: {channels: 3, height: 16, width: 16}
init: {batch_norm: {weight: zeros}}
layers:
  - conv2d: {name: c0, out_channels: 8, kernel_size: 3, padding: 1}
  - sum:
      - - conv2d: {name: c1, out_channels: 8, kernel_size: 3, padding: 1, bias: false}
        - batch_norm: {name: b1}
      - identity
  - relu
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: {name: fc, out_features: 10}
"""
"""With its first weights, what c1 computes is multiplied by zero."""

TWO = """\
name: two
input: {channels: 3, height: 8, width: 8}
layers:
  - conv2d: {name: first, out_channels: 3, kernel_size: 3, padding: 1}
  - output: early
  - conv2d: {name: second, out_channels: 3, kernel_size: 3, padding: 1}
"""


def fresh(spec: str) -> Network:
    graph = compiled(spec)
    return Network(graph, InitializedWeights(graph.parameters(), seed=0), fresh=True)


def given_as_initialised(spec: str) -> Network:
    network = fresh(spec)
    return Network(network.graph, network.weights, fresh=False)


def report(network: Network, folder: Path, edit: Edit, *, own: bool = False) -> Report:
    """The verification of the network's file after an edit."""
    path = folder / "net.onnx"
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked())
    model = onnx.load(path)
    edit(model)
    onnx.save(model, path)
    return Verifier(network).verify(path.name, ONNX.open(path), own=own)


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def dilate(model: onnx.ModelProto) -> None:
    """The dead branch with another convolution."""
    for attribute in node(model, "/c1/Conv").attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [2, 2, 2, 2]
        if attribute.name == "dilations":
            attribute.ints[:] = [2, 2]


def unused_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "unused"))


def renamed_tensor(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == "fc.bias":
            tensor.name = "theirs"
    names = node(model, "/fc/Gemm").input
    names[:] = ["theirs" if name == "fc.bias" else name for name in names]


def both(*edits: Edit) -> Edit:
    def edit(model: onnx.ModelProto) -> None:
        for each in edits:
            each(model)

    return edit


def nothing(model: onnx.ModelProto) -> None:
    """No edit."""


@pytest.mark.parametrize("network", [fresh(DEAD_BRANCH), given_as_initialised(DEAD_BRANCH)], ids=["fresh", "given"])
@pytest.mark.parametrize("also", [nothing, unused_tensor])
def test_a_wrong_node_without_effect_is_noticed_under_the_twin(network: Network, also: Edit, tmp_path: Path) -> None:
    found = report(network, tmp_path, both(dilate, also))
    assert found.verdict is Verdict.FAILED
    assert found.divergence is not None
    assert found.divergence.path == "c1"
    assert report(network, tmp_path, also).verdict is Verdict.PASSED


def test_somebody_elses_file_under_weights_that_hide_a_layer_is_inconclusive(tmp_path: Path) -> None:
    found = report(fresh(DEAD_BRANCH), tmp_path, both(dilate, renamed_tensor))
    assert (found.verdict, found.weights) == (Verdict.INCONCLUSIVE, OWN)
    reason = "within the bound, but under these weights a change of c1, b1 would go unnoticed"
    assert {row.reason for row in found.comparisons} == {reason}


def test_a_tensor_stored_in_another_type_is_noticed(tmp_path: Path) -> None:
    def widen(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "fc.weight":
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    found = report(fresh(DEAD_BRANCH), tmp_path, widen)
    assert found.verdict is Verdict.FAILED
    assert found.differences == ("fc.weight is stored as float64, not float32 (linear fc, net.yaml:13)",)


def test_a_tensor_that_differs_is_named_where_somebody_elses_file_is_wrong(tmp_path: Path) -> None:
    def shift(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "fc.bias":
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(0.1), tensor.name))

    found = report(given_as_initialised(DEAD_BRANCH), tmp_path, both(shift, unused_tensor))
    assert (found.verdict, found.structure, found.differences) == (Verdict.FAILED, None, ())
    assert found.notes == ("fc.bias differs from the network's weights (linear fc, net.yaml:13)",)


def test_a_tensor_of_too_few_bytes_is_noticed(tmp_path: Path) -> None:
    def shorten(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if tensor.name == "fc.bias":
                tensor.raw_data = tensor.raw_data[:-4]

    found = report(fresh(DEAD_BRANCH), tmp_path, shorten)
    assert found.verdict is Verdict.FAILED
    assert found.differences == ("fc.bias cannot be read (linear fc, net.yaml:13)",)


def test_outputs_whose_names_are_exchanged_are_noticed_and_their_order_alone_is_not(tmp_path: Path) -> None:
    def exchange_order(model: onnx.ModelProto) -> None:
        outputs = [*model.graph.output]
        del model.graph.output[:]
        model.graph.output.extend(reversed(outputs))

    def exchange_names(model: onnx.ModelProto) -> None:
        other = {"early": "output", "output": "early"}
        for each in model.graph.node:
            each.output[:] = [other.get(name, name) for name in each.output]
            each.input[:] = [other.get(name, name) for name in each.input]

    network = with_random_weights(compiled(TWO))
    assert report(network, tmp_path, exchange_names).verdict is Verdict.FAILED
    assert report(network, tmp_path, exchange_order).verdict is Verdict.PASSED
    found = report(network, tmp_path, exchange_order, own=True)
    assert found.differences == ("the file's outputs are early, output, not output, early",)


def rename_node(model: onnx.ModelProto) -> None:
    node(model, "/fc/Gemm").name = "theirs"


def add_node(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["input"], ["unused"], "dead"))


def another_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 19


def another_output_type(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "any"


@pytest.mark.parametrize(
    ("edit", "differences"),
    [
        (rename_node, ("/fc/Gemm is missing (linear fc, net.yaml:13)", "theirs is not in the network")),
        (add_node, ("dead is not in the network",)),
        (unused_tensor, ("the tensor unused is not in the network",)),
        (
            another_output_type,
            ("the output output is declared as float [batch, any], not float [batch, 10]",),
        ),
        (
            dilate,
            (
                "/c1/Conv has dilations [2, 2], not [1, 1] (conv2d c1, net.yaml:7)",
                "/c1/Conv has pads [2, 2, 2, 2], not [1, 1, 1, 1] (conv2d c1, net.yaml:7)",
            ),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_archcs_own_file_is_held_to_the_network_node_for_node(
    edit: Edit, differences: tuple[str, ...], tmp_path: Path
) -> None:
    network = fresh(DEAD_BRANCH)
    assert report(network, tmp_path, nothing, own=True).differences == ()
    found = report(network, tmp_path, edit, own=True)
    assert (found.verdict, found.differences) == (Verdict.FAILED, differences)


def test_archcs_own_file_is_held_to_the_opset_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    network = fresh(DEAD_BRANCH)
    with path.open("wb") as file:
        ONNX.write(network, file, ONNX.asked(opset=20))
    model = onnx.load(path)
    another_opset(model)
    onnx.save(model, path)
    found = Verifier(network).verify(path.name, ONNX.open(path, ONNX.asked(opset=20)), own=True)
    assert found.differences == ("the file is of opset 19, not 20",)


def test_what_onnx_runtime_refuses_has_failed_and_the_node_is_named(tmp_path: Path) -> None:
    def lose(model: onnx.ModelProto) -> None:
        model.graph.node.remove(node(model, "/c1/Conv"))

    found = report(fresh(DEAD_BRANCH), tmp_path, lose, own=True)
    assert found.verdict is Verdict.FAILED
    assert "/c1/Conv is missing (conv2d c1, net.yaml:7)" in found.differences
    theirs = report(fresh(DEAD_BRANCH), tmp_path, lose)
    assert (theirs.verdict, theirs.divergence) == (Verdict.FAILED, None)
    assert "cannot be run on images [3, 16, 16]: " in theirs.comparisons[0].reason


@pytest.mark.parametrize("factor", [1e20, 1e30])
def test_a_network_whose_numbers_overflow_is_inconclusive_and_no_node_is_blamed(factor: float, tmp_path: Path) -> None:
    spec = f"""\
name: overflowing
input: {{channels: 3, height: 8, width: 8}}
layers: [{{conv2d: {{out_channels: 4, kernel_size: 3}}}}, sigmoid, {{mul: {factor}}}, {{mul: {factor}}}, {{mul: 10.0}}]
"""
    found = report(given_as_initialised(spec), tmp_path, nothing)
    assert (found.verdict, found.divergence) == (Verdict.INCONCLUSIVE, None)
    assert {row.reason for row in found.comparisons} == {"the reference is not finite"}


BOUNDED = {
    "pooled": "[{conv2d: {out_channels: 8, kernel_size: 3}}, {avg_pool2d: 2}, relu6]",
    "normed": "[{conv2d: {out_channels: 8, kernel_size: 3}}, {group_norm: 2}, relu6]",
    "of a mean": "[{conv2d: {out_channels: 8, kernel_size: 3}}, {adaptive_avg_pool2d: 1}, hardsigmoid]",
    "of a sum": "[{conv2d: {out_channels: 8, kernel_size: 1}}, "
    "{sum: [[{conv2d: {out_channels: 8, kernel_size: 1}}, batch_norm], identity]}, relu6]",
}


@pytest.mark.parametrize("layers", BOUNDED.values(), ids=BOUNDED)
def test_a_bound_that_an_activation_lost_is_noticed_whatever_lies_before_it(layers: str, tmp_path: Path) -> None:
    def lose_bound(model: onnx.ModelProto) -> None:
        for each in model.graph.node:
            if each.op_type == "Clip":
                each.input[2] = ""
            if each.op_type == "HardSigmoid":
                each.op_type = "Sigmoid"
                del each.attribute[:]

    spec = f"name: bounded\ninput: {{channels: 3, height: 16, width: 16}}\nlayers: {layers}\n"
    assert report(fresh(spec), tmp_path, nothing).verdict is Verdict.PASSED
    found = report(fresh(spec), tmp_path, lose_bound)
    assert found.verdict is Verdict.FAILED
    assert found.divergence is not None


def test_a_node_that_is_wrong_at_one_size_alone_is_named(tmp_path: Path) -> None:
    def fix_pool(model: onnx.ModelProto) -> None:
        pool = node(model, "/adaptive_avg_pool2d/GlobalAveragePool")
        pool.op_type = "AveragePool"
        pool.attribute.append(helper.make_attribute("kernel_shape", [2, 2]))

    found = report(fresh(DYNAMIC), tmp_path, fix_pool)
    assert found.verdict is Verdict.FAILED
    assert found.divergence is not None
    assert found.divergence.path == "adaptive_avg_pool2d"


@pytest.mark.parametrize("layers", [8, 16])
def test_a_deep_network_of_sigmoids_is_proved_with_its_twin(layers: int, tmp_path: Path) -> None:
    convolutions = "  - conv2d: {out_channels: 16, kernel_size: 3, padding: 1}\n  - sigmoid\n" * layers
    tail = "  - adaptive_avg_pool2d: 1\n  - flatten\n  - linear: 10\n"
    spec = f"name: sigmoids\ninput: {{channels: 3, height: 16, width: 16}}\nlayers:\n{convolutions}{tail}"
    assert report(fresh(spec), tmp_path, nothing).verdict is Verdict.PASSED


def test_half_precision_between_layers_of_archcs_own_file_is_noticed_below_the_floor(tmp_path: Path) -> None:
    def halve(model: onnx.ModelProto) -> None:
        conv = node(model, "/layer1/14/conv1/Conv")
        names = ("half", "single")
        for source, name, kind in zip(
            (conv.input[0], "half"), names, (TensorProto.FLOAT16, TensorProto.FLOAT), strict=True
        ):
            index = list(model.graph.node).index(conv)
            model.graph.node.insert(index, helper.make_node("Cast", [source], [name], name, to=kind))
        conv.input[0] = "single"

    spec = """\
name: residual
input: {channels: 3, height: 16, width: 16}
layers:
  - conv2d: {name: c0, out_channels: 8, kernel_size: 3, padding: 1}
  - basic: {name: layer1, count: 30, width: 8}
  - adaptive_avg_pool2d: 1
  - flatten
  - linear: 10
"""
    found = report(fresh(spec), tmp_path, halve, own=True)
    assert found.verdict is Verdict.FAILED
    assert found.differences[-2:] == ("half is not in the network", "single is not in the network")


def test_a_file_of_one_image_at_a_time_is_run_so_and_the_report_says_it(tmp_path: Path) -> None:
    def fix_batch(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            value.type.tensor_type.shape.dim[0].dim_value = 1

    found = report(fresh(DEAD_BRANCH), tmp_path, fix_batch)
    assert (found.verdict, found.notes) == (Verdict.PASSED, ("the file's batch is fixed at 1",))
    assert {row.batches for row in found.comparisons} == {(1,)}


def test_a_file_of_several_inputs_fails_in_words(tmp_path: Path) -> None:
    def add_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))

    found = report(fresh(DEAD_BRANCH), tmp_path, add_input)
    artefact = ONNX.open(tmp_path / "net.onnx")
    assert artefact.inputs()
    assert found.verdict is Verdict.FAILED
    assert "the file has 2 inputs, and the network 1" in found.differences
    report(fresh(DEAD_BRANCH), tmp_path, nothing)
    other = ONNX.open(tmp_path / "net.onnx")
    with pytest.raises(ExportError, match="a has 2 inputs, and b 1"):
        compare_artefacts("a", artefact, "b", other, [(3, 16, 16)])


def test_the_ends_of_a_declared_range_of_batches_are_run(tmp_path: Path) -> None:
    spec = DEAD_BRANCH.replace("width: 16}", "width: 16, batch: {min: 2, opt: 4, max: 12}}")
    found = report(fresh(spec), tmp_path, nothing)
    assert found.verdict is Verdict.PASSED
    assert [row.batches for row in found.comparisons] == [(2, 12), (2,)]

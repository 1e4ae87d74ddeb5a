"""Every operator in ONNX, against the PyTorch module in float64 and against onnx's own rules."""

import importlib
import re
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from archc.diagnostics import ExportError
from archc.ir.builder import GraphBuilder
from archc.ir.operator import IMAGE, Operator
from archc.ir.types import BATCH, TensorType
from archc.operators import OPERATORS, operator_model
from archc.weights.network import Network
from tests.exporters.tensorrt_operators import unsupported
from tests.operators.cases import CASES, Case, exact, images, run_everywhere, session, written

NEWEST = importlib.import_module("archc.exporters.onnx.opset").newest_opset()
OPSETS = (17, 18, NEWEST)
FORBIDDEN = {"Identity", "Shape", "Dropout"}

# float32 keeps 24 bits; a sum of at most 192 terms of one size (the largest case) loses below 192 roundings of them.
TOLERANCE = 192 * 2.0**-24

every_case = pytest.mark.parametrize("case", CASES, ids=str)
every_opset = pytest.mark.parametrize("opset", OPSETS)


def test_every_operator_has_an_example() -> None:
    assert {case.word for case in CASES} == set(OPERATORS)


@every_opset
@every_case
def test_an_operator_computes_what_pytorch_computes(case: Case, opset: int) -> None:
    network = case.network()
    inputs = case.inputs()
    expected = exact(network, *inputs)
    for name, actual in run_everywhere(written(network, opset=opset), *inputs).items():
        assert actual.dtype == np.float32, name
        assert actual.shape == expected.shape, name
        np.testing.assert_allclose(
            actual, expected, rtol=0, atol=TOLERANCE * max(1.0, np.abs(expected).max()), err_msg=name
        )


@every_opset
@every_case
def test_onnx_accepts_the_file_and_infers_the_types_that_it_declares(case: Case, opset: int) -> None:
    model = onnx.load_from_string(written(case.network(followed=True), opset=opset))
    onnx.checker.check_model(model, full_check=True)
    declared = types(model)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    inferred = types(onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True))
    assert declared == inferred
    edges = {output for node in model.graph.node for output in node.output}
    assert set(declared) == edges | {entry.name for entry in model.graph.input}


ELEMENTWISE = "archc.operators.activation"  # they change slope or saturate; normal inputs hardly leave [-4, 4]


@every_opset
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if type(case.operator).__module__ == ELEMENTWISE and case.shapes == (IMAGE,)],
    ids=str,
)
def test_an_activation_computes_what_pytorch_computes_far_from_zero(case: Case, opset: int) -> None:
    network = case.network()
    x = np.linspace(-12, 12, 6 * 9 * 11, dtype=np.float32).reshape(1, 6, 9, 11)
    expected = exact(network, x)
    for name, actual in run_everywhere(written(network, opset=opset), x).items():
        np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE * 12, err_msg=name)


def test_gelu_is_one_node_from_opset_20_on_which_brought_it() -> None:
    case = Case("gelu", {"approximate": "tanh"})
    models = [onnx.load_from_string(written(case.network(), opset=opset)) for opset in (19, 20)]
    kinds = [{node.op_type for node in model.graph.node} for model in models]
    assert kinds == [{"Add", "Mul", "Tanh"}, {"Gelu"}]


def test_an_lrn_is_written_with_a_whole_bias_because_openvino_rounds_it_down() -> None:
    network = Case("local_response_norm", {"size": 3, "alpha": 1.0, "k": 2.5}).network()
    (lrn,) = (node for node in onnx.load_from_string(written(network)).graph.node if node.op_type == "LRN")
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in lrn.attribute}
    assert attributes == pytest.approx({"size": 3, "alpha": 0.4, "beta": 0.75, "bias": 1.0})


# What the constants of each operator are called, over all its cases.
CONSTANTS = {
    "adaptive_avg_pool1d": "columns",
    "adaptive_avg_pool2d": "columns rows",
    "adaptive_avg_pool3d": "columns layers merged rows shape",
    "add": "other",
    "amax": "axes",
    "amin": "axes",
    "attention": "scale",
    "avg_pool2d": "factor pads value",
    "avg_pool3d": "factor pads value",
    "batch_norm": "scale shift",
    "blur_pool2d": "filter pads",
    "channel_shuffle": "shape split",
    "clamp": "max min",
    "conv2d": "axis axis_1 axis_2 axis_3 end end_1 end_2 end_3 pads start start_1 start_2 start_3",
    "flatten": "shape",
    "fold": "kernel shape",
    "fourier_position": "value",
    "full": "value",
    "gelu": "cubic half one scale",
    "group_norm": "grouped scale shape",
    "hardtanh": "max min",
    "instance_norm": "grouped scale shape",
    "interpolate": "pixels pixels_1 scales",
    "layer_norm": "scale",
    "layer_norm2d": "scale",
    "local_response_norm": "alpha beta column factor k shape",
    "log_relative_coordinates": "value",
    "max_pool2d": "pads value",
    "mean": "axes",
    "mul": "other",
    "narrow": "axis end start",
    "norm": "axes",
    "normalize": "axes eps",
    "pad": "axis axis_1 axis_2 end end_1 end_2 pads start start_1 start_2 value",
    "pixel_unshuffle": "shape split",
    "rearrange": "merged split",
    "relative_position_index": "value",
    "relu6": "max min",
    "repeat_interleave": "value",
    "rms_norm": "axes eps",
    "roll": "order order_1",
    "rope_table": "value",
    "select": "index",
    "shifted_window_mask": "value",
    "softplus": "beta",
    "unfold": "kernel shape",
    "var": "axes axes_1 factor",
}


def test_a_constant_is_named_after_its_operator_s_path_and_what_it_holds() -> None:
    dilated = Case("max_pool2d", {"kernel_size": 2, "stride": 3, "padding": 1, "dilation": 3, "ceil_mode": True})
    found: dict[str, set[str]] = {}
    for case in (*CASES, dilated):
        model = onnx.load_from_string(written(case.network(), fold_batch_norm=False))
        for tensor in model.graph.initializer:
            path, _, label = tensor.name.rpartition("/")
            if path == f"/{case.word}":
                found.setdefault(case.word, set()).add(label)
                assert not np.isnan(numpy_helper.to_array(tensor)).any(), tensor.name
    assert {word: " ".join(sorted(labels)) for word, labels in found.items()} == CONSTANTS


@pytest.mark.parametrize("word", [word for word in OPERATORS if not operator_model(word).inference])
def test_what_does_nothing_at_inference_adds_no_node(word: str) -> None:
    node = Case(word, {"p": 0.5} if word == "stochastic_depth" else {}).node()
    b = importlib.import_module("archc.exporters.onnx.builder").OnnxBuilder(18)
    b.tensors["input"] = "x"
    b.lower(node)
    assert b.tensors == {"input": "x", word: "x"}
    assert (b.nodes, b.initializers) == ([], [])


@every_opset
@every_case
def test_only_what_runtimes_agree_on_is_written(case: Case, opset: int) -> None:
    model = onnx.load_from_string(written(case.network(), opset=opset))
    attributes = {attribute.name for node in model.graph.node for attribute in node.attribute}
    assert {node.op_type for node in model.graph.node} & FORBIDDEN == set()
    assert attributes & {"ceil_mode", "auto_pad"} == set()
    assert len(model.graph.input) == len(case.given)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    if opset <= 24:  # the table knows no newer one
        assert unsupported(model) == []


def types(model: onnx.ModelProto) -> dict[str, Any]:
    """Element types and shapes by name; shape inference finds the batch after a Resize, but gives it another name."""
    graph = model.graph
    return {
        value.name: (
            value.type.tensor_type.elem_type,
            [
                re.sub(r"^unk__\d+$", "batch", dim.dim_param) or dim.dim_value
                for dim in value.type.tensor_type.shape.dim
            ],
        )
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def test_a_group_norm_keeps_its_accuracy_where_the_mean_outweighs_the_deviation() -> None:
    network = Case("group_norm", {"num_groups": 1}).network()
    x = np.float32(0.03) + np.float32(1e-4) * images((BATCH, *IMAGE), 3)
    expected = exact(network, x)
    with torch.no_grad():
        single = network.inference_module()(torch.from_numpy(x)).numpy()
    own = np.abs(single - expected).max()
    for name, actual in run_everywhere(written(network), x).items():
        assert np.abs(actual - expected).max() <= own, name


@pytest.mark.parametrize(
    ("word", "fields"), [("adaptive_avg_pool2d", {"output_size": 1}), ("mean", {"dim": [2, 3]})], ids=str
)
@pytest.mark.parametrize("opset", OPSETS)
def test_a_mean_of_many_equal_values_keeps_its_accuracy(word: str, fields: dict[str, object], opset: int) -> None:
    """ONNX Runtime's own sum of so many is off by 250 roundings."""
    case = Case(word, fields, ((2, 112, 112),))
    x = np.full((2, 2, 112, 112), 0.69314718, np.float32)
    expected = exact(case.network(), x)
    data = written(case.network(), opset=opset)
    for optimised in (False, True):
        actual = np.asarray(session(data, optimised=optimised).run(None, {"input": x})[0])
        assert actual.shape == expected.shape
        assert np.abs(actual / expected - 1).max() < 16 * 2.0**-24


def test_an_operator_that_says_nothing_of_onnx_is_told_by_its_path() -> None:
    class Unwritable(Operator):
        word = "unwritable"
        torch = "{x} + 1"

    b = GraphBuilder("net", TensorType((BATCH, 2, 3, 3)))
    b.output("output", b.add(Unwritable(), b.input, name="late"))
    message = "late cannot be written as ONNX: the operator unwritable says nothing of ONNX"
    with pytest.raises(ExportError, match=message):
        written(Network(b.finish(), {}, fresh=True))

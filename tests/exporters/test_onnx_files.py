"""A whole ONNX file: its names, versions, sizes, and that its bytes depend on the network alone."""

import importlib
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from archc.diagnostics import ExportError
from archc.ir.graph import Graph
from archc.weights import InitializedWeights
from archc.weights.network import Network
from tests.exporters.small_networks import DYNAMIC, RESIDUAL, TWO_OUTPUTS, VARIED, compiled
from tests.exporters.tensorrt_operators import unsupported
from tests.operators.cases import exact, images, run_everywhere, session, with_random_weights, written

NEWEST = importlib.import_module("archc.exporters.onnx.opset").newest_opset()

# Rounding through about ten layers of at most 144 terms, in units of the largest output.
TOLERANCE = 1e-5


def model_of(text: str, **options: object) -> onnx.ModelProto:
    return onnx.load_from_string(written(with_random_weights(compiled(text)), **options))


def test_names_are_module_paths_and_tensors_have_their_state_dict_keys() -> None:
    graph = model_of(RESIDUAL).graph
    assert [node.name for node in graph.node] == [
        "/conv1/Conv",
        "/relu/Relu",
        "/maxpool/MaxPool",
        "/layer1/0/conv1/Conv",
        "/layer1/0/relu/Relu",
        "/layer1/0/conv2/Conv",
        "/layer1/0/sum/Add",
        "/layer1/0/relu_1/Relu",
        "/layer2/0/conv1/Conv",
        "/layer2/0/relu/Relu",
        "/layer2/0/conv2/Conv",
        "/layer2/0/downsample/0/Conv",
        "/layer2/0/sum/Add",
        "/layer2/0/relu_1/Relu",
        "/layer2/1/conv1/Conv",
        "/layer2/1/relu/Relu",
        "/layer2/1/conv2/Conv",
        "/layer2/1/sum/Add",
        "/layer2/1/relu_1/Relu",
        "/avgpool/GlobalAveragePool",
        "/flatten/Flatten",
        "/fc/Gemm",
    ]
    convolutions = [
        "conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0",
        "layer2.1.conv1", "layer2.1.conv2",
    ]  # fmt: skip
    layers = [*convolutions, "fc"]
    assert [tensor.name for tensor in graph.initializer] == [
        f"{layer}.{name}" for layer in layers for name in ("weight", "bias")
    ]
    assert [value.name for value in graph.input] == ["input"]
    assert [value.name for value in graph.output] == ["output"]


def test_without_folding_the_tensors_are_those_of_the_module() -> None:
    network = with_random_weights(compiled(RESIDUAL))
    graph = onnx.load_from_string(written(network, fold_batch_norm=False)).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    expected = {key: array for key, array in network.weights.items() if not key.endswith("num_batches_tracked")}
    assert list(stored) == list(expected)
    assert all(np.array_equal(stored[key], expected[key]) for key in expected)


def test_the_end_of_the_network_is_the_first_output_and_the_others_follow_by_name() -> None:
    assert [value.name for value in model_of(TWO_OUTPUTS).graph.output] == ["coarse", "fine"]


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("text", [RESIDUAL, VARIED], ids=["residual", "varied"])
def test_one_file_runs_at_any_batch(text: str, batch: int) -> None:
    network = with_random_weights(compiled(text))
    x = images(network.graph.input.type.shape, batch)
    assert_close(run_everywhere(written(network), x), exact(network, x))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 32), (48, 40), (17, 39), (33, 18)])
def test_a_file_with_dynamic_sizes_runs_at_each_of_them(height: int, width: int) -> None:
    network = with_random_weights(compiled(DYNAMIC))
    data = written(network)
    for batch in (1, 3):
        x = images(network.graph.input.type.shape, batch, height=height, width=width)
        assert_close(run_everywhere(data, x), exact(network, x))


def test_dynamic_sizes_are_declared_by_name_and_inferred_alike() -> None:
    model = model_of(DYNAMIC)
    onnx.checker.check_model(model, full_check=True)
    shape = model.graph.input[0].type.tensor_type.shape
    assert [dim.dim_param or dim.dim_value for dim in shape.dim] == ["batch", 3, "height", "width"]
    declared = {value.name for value in model.graph.value_info} | {"output"}
    assert declared == {name for node in model.graph.node for name in node.output}


@pytest.mark.parametrize("opset", range(17, NEWEST + 1))
def test_the_asked_opset_is_the_got_opset(opset: int) -> None:
    model = model_of(VARIED, opset=opset)
    least = onnx.helper.find_min_ir_version_for(list(model.opset_import))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert model.ir_version == max(8, least)
    onnx.checker.check_model(model, full_check=True)


def test_the_default_is_opset_18_and_ir_version_8() -> None:
    model = model_of(RESIDUAL)
    assert (model.opset_import[0].version, model.ir_version, model.producer_name) == (18, 8, "archc")


@pytest.mark.parametrize("opset", [-1, 0, 16, NEWEST + 1, 999])
def test_an_opset_that_cannot_be_written_is_an_error(opset: int) -> None:
    with pytest.raises(ExportError) as caught:
        model_of(RESIDUAL, opset=opset)
    assert str(caught.value) == (
        f"error[unsupported-opset]: opset {opset} is not supported: "
        f"the installed onnx and ONNX Runtime take 17 to {NEWEST}"
    )


RANGE = "{min: 4, opt: 8, max: 16}"
RESHAPED = (
    "group_norm: {num_groups: 2}",
    "group_norm: {num_groups: 2, affine: false}",
    "channel_shuffle: {groups: 2}",
    "local_response_norm: {size: 4}",
)
FLATTENED = (  # channels and width, so that the height alone may be dynamic
    "sequence: [permute: {dims: [0, 2, 3, 1]}, flatten: {start_dim: 2}]",
    "sequence: [permute: {dims: [0, 3, 1, 2]}, flatten: {start_dim: 1, end_dim: 2}]",
)


def reshaped(layer: str, height: str, width: str) -> str:
    return f"name: net\ninput: {{channels: 4, height: {height}, width: {width}}}\nlayers:\n  - relu\n  - {layer}\n"


@pytest.mark.parametrize("layer", [*RESHAPED, *FLATTENED])
def test_what_is_reshaped_takes_a_dynamic_height(layer: str) -> None:
    assert_right_at_each_size(reshaped(layer, RANGE, "8"), [(4, 8), (8, 8), (16, 8)])


@pytest.mark.parametrize("layer", RESHAPED)
def test_what_is_reshaped_takes_a_dynamic_width(layer: str) -> None:
    assert_right_at_each_size(reshaped(layer, "8", RANGE), [(8, 4), (8, 8), (8, 16)])


@pytest.mark.parametrize("layer", RESHAPED)
def test_what_is_reshaped_takes_two_dynamic_sizes(layer: str) -> None:
    assert_right_at_each_size(reshaped(layer, RANGE, RANGE), [(4, 4), (4, 16), (9, 5), (16, 16)])


@pytest.mark.parametrize("layer", [*RESHAPED[2:], *FLATTENED])
def test_a_shape_is_asked_for_only_where_two_sizes_are_dynamic(layer: str) -> None:
    kinds = {node.op_type for node in model_of(reshaped(layer, RANGE, "8")).graph.node}
    assert "Reshape" in kinds
    assert "Shape" not in kinds


def assert_right_at_each_size(text: str, sizes: list[tuple[int, int]]) -> None:
    network = with_random_weights(compiled(text))
    data = written(network)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    for height, width in sizes:
        x = images(network.graph.input.type.shape, 3, height=height, width=width)
        assert_close(run_everywhere(data, x), exact(network, x))


@pytest.mark.parametrize("fold", [True, False], ids=["folded", "unfolded"])
@pytest.mark.parametrize("text", [RESIDUAL, VARIED, DYNAMIC, TWO_OUTPUTS])
def test_tensorrt_documents_support_for_all_of_it(text: str, fold: bool) -> None:
    assert unsupported(model_of(text, fold_batch_norm=fold)) == []


def test_folding_leaves_no_batch_norm_and_the_same_function() -> None:
    network = with_random_weights(compiled(RESIDUAL))
    x = images(network.graph.input.type.shape, 2)
    folded, unfolded = (written(network, fold_batch_norm=fold) for fold in (True, False))
    kinds = [{node.op_type for node in onnx.load_from_string(data).graph.node} for data in (folded, unfolded)]
    assert ["BatchNormalization" in kind for kind in kinds] == [False, True]
    assert_close({"folded": run(folded, x), "unfolded": run(unfolded, x)}, exact(network, x))


def test_the_bytes_do_not_depend_on_the_process_or_its_hash_seed(repository: Path) -> None:
    script = (
        "import hashlib\n"
        "from tests.exporters.test_onnx_files import fresh\n"
        "from tests.exporters.small_networks import *\n"
        "for text in (RESIDUAL, VARIED, DYNAMIC, TWO_OUTPUTS):\n"
        "    print(hashlib.sha256(fresh(compiled(text))).hexdigest())\n"
    )

    def digests(seed: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=repository, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout.split()

    here = [sha256(fresh(compiled(text))).hexdigest() for text in (RESIDUAL, VARIED, DYNAMIC, TWO_OUTPUTS)]
    assert digests("1") == digests("4242") == here


def test_no_path_of_the_machine_is_inside(repository: Path) -> None:
    data = fresh(compiled(RESIDUAL))
    for path in (repository, Path.home(), Path.cwd(), Path(sys.prefix)):
        assert str(path).encode() not in data
    assert b"net.yaml" not in data


def fresh(graph: Graph) -> bytes:
    """The file of a network that was only initialised."""
    return written(Network(graph, InitializedWeights(graph.parameters(), seed=3), fresh=True))


def run(data: bytes, x: np.ndarray) -> np.ndarray:
    return np.asarray(session(data, optimised=True).run(None, {"input": x})[0])


def assert_close(results: dict[str, np.ndarray], expected: np.ndarray) -> None:
    for name, actual in results.items():
        assert actual.shape == expected.shape, name
        np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max(), err_msg=name)

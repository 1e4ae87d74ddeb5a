"""The graph of a small network: its printed form, fingerprint and names, and what the verifier refuses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import archc
from archc.ir.graph import Graph, Node, Output, Scope, Value
from archc.ir.module_names import RESERVED_NAMES
from archc.ir.printer import fingerprint, print_graph
from archc.ir.types import BATCH, TensorType
from archc.ir.verifier import InvalidGraph, verify_graph
from archc.nn import build_module
from archc.operators.activation import Relu
from archc.operators.join import Sum
from archc.passes import Pass, inference_graph, run_passes

SPEC = """\
name: tiny
input: {channels: 3, height: {min: 16, opt: 32, max: 64}, width: 32}
layers:
  - conv2d: {name: conv1, out_channels: 8, kernel_size: 3, stride: 2, padding: 1, bias: false}
  - batch_norm: {name: bn1, eps: 1e-3}
  - relu
  - basic: {name: layer1, count: 2, width: 16, stride: 2}
  - squeeze_excitation: {name: se, squeeze_channels: 4}
  - aux: {conv2d: {name: side, out_channels: 2, kernel_size: 1}}
  - adaptive_avg_pool2d: 1
  - flatten
  - output: embedding
  - linear: {name: fc, out_features: 5}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def graph(spec: Path) -> Graph:
    return archc.compile(spec)


def test_the_printed_graph_shows_every_operator_field_input_and_type(
    graph: Graph, golden: Callable[[str, str], None]
) -> None:
    golden("tiny.txt", print_graph(graph))


def test_positions_are_printed_on_request(graph: Graph, spec: Path) -> None:
    lines = print_graph(graph, positions=True).splitlines()
    assert lines[3] == (
        "  conv1                 = "
        "conv2d[out_channels=8, kernel_size=3, stride=2, padding=1, bias=false](input) "
        f" : float32[batch, 8, (height + 1)//2, 16]  # {spec}:4"
    )


def compiled(folder: Path, name: str, text: str) -> Graph:
    path = folder / name
    path.write_text(text)
    return archc.compile(path)


def test_the_fingerprint_is_that_of_the_structure_alone(tmp_path: Path) -> None:
    same = "# a comment\n" + SPEC.replace("name: tiny", "name: other\nsource: nobody 2020")
    graphs = (compiled(tmp_path, "a.yaml", SPEC), compiled(tmp_path, "b.yaml", same))
    assert fingerprint(graphs[0]) == fingerprint(graphs[1])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("eps: 1e-3", "eps: 1e-4"),
        ("out_features: 5", "out_features: 6"),
        ("name: fc", "name: classifier"),
        ("width: 32", "width: 64"),
        ("  - relu\n", "  - relu6\n"),
        ("output: embedding", "output: features"),
        ("  - aux: {conv2d: {name: side, out_channels: 2, kernel_size: 1}}\n", ""),
    ],
)
def test_the_fingerprint_tells_networks_apart(tmp_path: Path, old: str, new: str) -> None:
    assert SPEC.count(old) == 1
    graphs = (compiled(tmp_path, "a.yaml", SPEC), compiled(tmp_path, "b.yaml", SPEC.replace(old, new)))
    assert fingerprint(graphs[0]) != fingerprint(graphs[1])


def test_reserved_names_are_the_public_attributes_of_torch_s_modules() -> None:
    attributes = {*dir(nn.Module()), *dir(nn.Sequential())}
    assert {name for name in attributes if not name.startswith("_")} == RESERVED_NAMES


def test_every_parameter_lies_below_its_node_and_scopes_come_after_their_parents(graph: Graph) -> None:
    for node in graph.nodes:
        assert all(parameter.path.startswith(f"{node.path}.") for parameter in node.parameters)
    paths = [scope.path for scope in graph.scopes]
    assert paths == [
        "", "layer1", "layer1.0", "layer1.0.downsample", "layer1.1", "se",
    ]  # fmt: skip
    assert all(scope.parent in paths[: index or 1] for index, scope in enumerate(graph.scopes))


def with_node(graph: Graph, index: int, **changes: Any) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return replace(graph, nodes=tuple(nodes))


def swapped(graph: Graph) -> Graph:
    return replace(graph, nodes=(graph.nodes[1], graph.nodes[0], *graph.nodes[2:]))


def repeated(graph: Graph) -> Graph:
    return replace(graph, nodes=(*graph.nodes, graph.nodes[-1]))


def with_same_path(graph: Graph) -> Graph:
    return with_node(graph, 2, path="bn1")


def with_wrong_type(graph: Graph) -> Graph:
    node = graph.nodes[0]
    return with_node(graph, 0, outputs=(Value(node.output.name, TensorType((BATCH, 9, 16, 16))),))


def with_wrong_input_type(graph: Graph) -> Graph:
    value = graph.nodes[2].inputs[0]
    return with_node(graph, 2, inputs=(Value(value.name, TensorType((BATCH, 9, 16, 16))),))


def with_lost_parameter(graph: Graph) -> Graph:
    return with_node(graph, 0, parameters=())


def with_shared_parameter(graph: Graph) -> Graph:
    return with_node(graph, 1, parameters=(*graph.nodes[1].parameters, graph.nodes[0].parameters[0]))


def with_unary_sum(graph: Graph) -> Graph:
    return with_node(graph, 2, operator=Sum())


def with_binary_relu(graph: Graph) -> Graph:
    return with_node(graph, 2, inputs=graph.nodes[2].inputs * 2)


def with_unknown_scope(graph: Graph) -> Graph:
    return with_node(graph, 0, scope="nowhere")


def with_scope_twice(graph: Graph) -> Graph:
    return replace(graph, scopes=(*graph.scopes, Scope("se", "Other")))


def with_training_outputs_only(graph: Graph) -> Graph:
    return replace(graph, outputs=tuple(output._replace(training_only=True) for output in graph.outputs))


def with_output_twice(graph: Graph) -> Graph:
    return replace(graph, outputs=(*graph.outputs, graph.outputs[0]))


def with_output_from_nowhere(graph: Graph) -> Graph:
    return replace(graph, outputs=(Output("output", Value("nowhere", graph.input.type)),))


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (swapped, "bn1: uses conv1 before it is produced"),
        (repeated, "value names repeat: ['fc']"),
        (with_same_path, "node names repeat: ['bn1']"),
        (with_wrong_type,
         "conv1: is of type float32[batch, 9, 16, 16], but infers float32[batch, 8, (height + 1)//2, 16]"),
        (with_wrong_input_type, "relu: bn1 is not of type float32[batch, 9, 16, 16]"),
        (with_lost_parameter, "conv1: has parameters {}, but needs {'conv1.weight': (8, 3, 3, 3)}"),
        (with_shared_parameter, "parameter names repeat: ['conv1.weight']"),
        (with_unary_sum, "relu: 1 inputs for sum"),
        (with_binary_relu, "relu: 2 inputs for relu"),
        (with_unknown_scope, "conv1: its scope 'nowhere' does not exist"),
        (with_scope_twice, "scope names repeat: ['se']"),
        (with_training_outputs_only, "there is no output"),
        (with_output_twice, "output names repeat: ['output']"),
        (with_output_from_nowhere, "output output is not produced"),
    ],
)  # fmt: skip
def test_the_verifier_refuses_a_broken_graph(graph: Graph, break_it: Callable[[Graph], Graph], message: str) -> None:
    verify_graph(graph)
    with pytest.raises(InvalidGraph) as caught:
        verify_graph(break_it(graph))
    assert str(caught.value) == message


def test_a_pass_that_breaks_the_graph_cannot_hide_it(graph: Graph) -> None:
    stray = Node("stray", Relu(), (Value("gone", graph.input.type),), (Value("stray", graph.input.type),), "")
    breaks = Pass("breaks", lambda graph: replace(graph, nodes=(*graph.nodes, stray)))
    with pytest.raises(InvalidGraph, match=r"^stray: uses gone before it is produced$"):
        run_passes(graph, [breaks])


def test_a_pass_is_held_to_what_it_ensures(graph: Graph) -> None:
    broken = inference_graph._replace(run=lambda graph: graph)
    with pytest.raises(InvalidGraph, match=r"^inference_graph: what it ensures does not hold of the graph tiny$"):
        run_passes(graph, [broken])


def test_the_module_has_the_graph_s_parameters(graph: Graph) -> None:
    module = build_module(graph, {p.path: np.zeros(p.shape, p.dtype) for p in graph.parameters()})
    expected = [(p.path, p.shape) for p in graph.parameters()]
    assert [(key, tuple(tensor.shape)) for key, tensor in module.state_dict().items()] == expected

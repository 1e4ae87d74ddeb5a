"""Costs against what PyTorch does, and against brute force."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import archc
from archc.ir.builder import GraphBuilder
from archc.ir.cost import cost
from archc.ir.graph import Graph, Value
from archc.ir.types import BATCH, TensorType
from archc.operators.activation import Relu
from archc.operators.convolution import Conv2d
from archc.operators.join import Concat, Sum
from archc.operators.pooling import AvgPool2d, MaxPool2d


def compiled(folder: Path, text: str) -> Graph:
    path = folder / "network.yaml"
    path.write_text(f"name: network\n{text}")
    return archc.compile(path)


WINDOWS = """\
input: {channels: 1, height: 81, width: 81}
layers:
  - conv2d: {out_channels: 2, kernel_size: 5, stride: 2, padding: 2}
  - max_pool2d: {kernel_size: 3, stride: 2}
  - sum:
      - conv2d: {out_channels: 2, kernel_size: 3, padding: 2, dilation: 2}
      - identity
  - avg_pool2d: {kernel_size: [2, 3], stride: 1}
  - concat:
      - relu
      - conv2d: {name: wide, out_channels: 1, kernel_size: [1, 3], padding: [0, 1]}
"""


def test_the_receptive_field_is_where_the_gradient_of_one_output_reaches(tmp_path: Path) -> None:
    graph = compiled(tmp_path, WINDOWS)
    module = archc.build(tmp_path / "network.yaml").double()
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1.0)
        if isinstance(layer, nn.MaxPool2d):  # whose gradient reaches one pixel of each window only
            layer.forward = lambda x: nn.functional.avg_pool2d(x, 3, 2)  # type: ignore[method-assign, assignment]
    image = torch.ones(1, 1, 81, 81, dtype=torch.float64, requires_grad=True)
    output = module(image)
    middle = output.shape[2] // 2
    extents = []
    for row, column in ((middle, middle), (middle + 1, middle + 1)):
        (gradient,) = torch.autograd.grad(output[0, :, row, column].sum(), image, retain_graph=True)
        touched = gradient[0, 0].nonzero()
        extents.append((touched.min(0).values, touched.max(0).values))
    (first, last), (following, _) = extents
    field = cost(graph).nodes[-1].field
    assert field.size == tuple((last - first + 1).tolist())
    assert field.stride == tuple((following - first).tolist())


# Source: Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", table 1.
@pytest.mark.parametrize(
    ("name", "last_layer", "size", "stride"),
    [
        ("resnet50", "layer4.2.relu_2", 483, 32),
        ("resnet101", "layer4.2.relu_2", 1027, 32),
        ("resnet152", "layer4.2.relu_2", 1507, 32),
    ],
)
def test_receptive_fields_are_the_published_ones_for_stride_at_conv1(
    name: str, last_layer: str, size: int, stride: int, tmp_path: Path
) -> None:
    spec = (Path(__file__).parent.parent.parent / "specs" / f"{name}.yaml").read_text()
    path = tmp_path / f"{name}.yaml"
    path.write_text(spec.replace("stride: 2}", "stride: 2, stride_at: conv1}"))
    graph = archc.compile(path)
    fields = {node.path: layer.field for node, layer in zip(graph.nodes, cost(graph).nodes, strict=True)}
    assert (fields[last_layer].size, fields[last_layer].stride) == ((size, size), (stride, stride))


def test_beyond_a_layer_that_sees_everything_there_is_no_receptive_field(tmp_path: Path) -> None:
    text = WINDOWS + "  - adaptive_avg_pool2d: 1\n  - flatten\n  - linear: 3\n"
    assert [layer.field.size is None for layer in cost(compiled(tmp_path, text)).nodes[-4:]] == [
        False,
        True,
        True,
        True,
    ]


COUNTED = """\
input: {channels: 3, height: 20, width: 14}
layers:
  - conv2d: {out_channels: 8, kernel_size: 3, stride: 2, groups: 1}
  - batch_norm
  - conv2d: {out_channels: 12, kernel_size: [1, 3], groups: 4, dilation: 2}
  - aux: {linear: {name: side, out_features: 7}}
  - flatten
  - linear: {out_features: 5, bias: false}
"""


def test_parameters_buffers_and_bytes_are_counted_one_by_one(tmp_path: Path) -> None:
    total = cost(compiled(tmp_path, COUNTED))
    module = archc.build(tmp_path / "network.yaml")
    assert total.parameters == sum(p.numel() for p in module.parameters())
    assert total.buffers == sum(b.numel() for b in module.buffers())
    tensors = [*module.parameters(), *module.buffers()]
    assert total.parameter_bytes == sum(t.numel() * t.element_size() for t in tensors)


def test_multiply_adds_are_the_products_that_inference_makes(tmp_path: Path) -> None:
    """A convolution of C_in/groups * kh * kw weights per output element; auxiliary heads are not run."""
    total = cost(compiled(tmp_path, COUNTED))
    first, second = 8 * 9 * 6 * (3 * 9), 12 * 9 * 2 * (8 // 4 * 3)
    assert [layer.multiply_adds for layer in total.nodes] == [
        first,
        0,
        second,
        12 * 9 * 7 * 2,
        0,
        12 * 9 * 2 * 5,
    ]
    assert total.multiply_adds == first + second + 12 * 9 * 2 * 5
    assert {type(layer.multiply_adds) for layer in total.nodes} == {int}


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small random networks of images, some of whose values are used several times, or are outputs."""
    g = GraphBuilder("random", TensorType((BATCH, 2, 9, 9)))
    values: list[Value] = [g.input]
    for _ in range(draw(st.integers(1, 8))):
        x = draw(st.sampled_from(values))
        alike = [value for value in values if value.type.shape[2:] == x.type.shape[2:]]
        other = draw(st.sampled_from(alike))
        choices = [
            Relu(),
            Conv2d(out_channels=draw(st.integers(1, 3)), kernel_size=(3, 3), padding=(1, 1)),
            Concat(),
        ]
        if x.type == other.type:
            choices.append(Sum())
        if x.type.shape[2] == 9:
            choices += [MaxPool2d(kernel_size=(3, 3), stride=(2, 2)), AvgPool2d(kernel_size=(2, 2))]
        operator = draw(st.sampled_from(choices))
        values.append(g.add(operator, *((x, other) if operator.arity is None else (x,))))
    for index in draw(st.sets(st.integers(1, len(values) - 1), min_size=1, max_size=2)):
        g.output(f"output{index}", values[index])
    return g.finish()


@given(graphs())
def test_peak_memory_is_the_most_that_is_alive_at_one_step(graph: Graph) -> None:
    needed_at_end = {output.value.name for output in graph.outputs}
    peak = graph.input.type.bytes()
    for step in range(len(graph.nodes)):
        later = {value.name for node in graph.nodes[step:] for value in node.inputs} | needed_at_end
        written = [graph.input, *(node.output for node in graph.nodes[:step])]
        alive = [value for value in written if value.name in later] + [graph.nodes[step].output]
        peak = max(peak, sum(value.type.bytes() for value in alive))
    total = cost(graph)
    assert total.peak_bytes == peak
    assert total.activation_bytes == sum(node.output.type.bytes() for node in graph.nodes)


def test_the_inference_graph_has_neither_auxiliary_heads_nor_what_only_they_need(tmp_path: Path) -> None:
    graph = compiled(tmp_path, COUNTED)
    assert [node.path for node in graph.nodes] == [
        "conv2d",
        "batch_norm",
        "conv2d_1",
        "side",
        "flatten",
        "linear",
    ]
    inference = graph.at_inference()
    assert [node.path for node in inference.nodes] == [
        "conv2d",
        "batch_norm",
        "conv2d_1",
        "flatten",
        "linear",
    ]
    assert [output.name for output in inference.outputs] == ["output"]
    assert inference.at_inference() is inference

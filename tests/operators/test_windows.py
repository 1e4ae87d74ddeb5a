"""What one element of an operator's output sees of an image, against where PyTorch's gradient reaches."""

from collections.abc import Mapping
from fractions import Fraction

import pytest
import torch

from archc.ir.builder import GraphBuilder
from archc.ir.graph import Graph
from archc.ir.operator import IMAGE, SIGNAL, VOLUME
from archc.ir.receptive_field import Field, receptive_fields
from archc.ir.types import BATCH, TensorType
from archc.operators import OPERATORS, operator_model
from tests.operators.cases import CASES, INDEX, Case, with_random_weights

# The gradient of a maximum reaches one pixel of its window; its windows are those of an average.
# What is padded with the other side of the image sees that too.
# An element that `unfold` gives sees one pixel, and those beside it in the channels the others of its window.
UNSEEN = {case.word for case in CASES if "max_pool" in case.word} | {"amax", "amin", "unfold"}
WINDOWED = [
    case
    for case in CASES
    if case.shapes in ((IMAGE,), (SIGNAL,), (VOLUME,))
    and case.word not in UNSEEN
    and case.fields.get("padding_mode") != "circular"
]


def extents(graph: Graph) -> tuple[int, ...]:
    """The largest extent, such as height and width, of what the elements of the output depend on, one by one."""
    shape = [int(str(size)) for size in graph.input.type.shape[1:]]
    image = torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    module = with_random_weights(graph).inference_module().double()
    output = module(image)[0]
    # Elements that differ in the channel alone see the same pixels, so that a few of each row are enough.
    found = [(0,) * len(shape[1:])]
    trailing = output.shape[-(len(shape)) :]
    for index in torch.cartesian_prod(*map(torch.arange, trailing)).reshape(-1, len(trailing))[::5]:
        (gradient,) = torch.autograd.grad(output[tuple(index)], image, retain_graph=True)
        touched = gradient[0].nan_to_num().abs().sum(0).nonzero()  # a root of what is negative has none
        if len(touched):  # it may lie behind a zero
            found.append(tuple((touched.max(0).values - touched.min(0).values + 1).tolist()))
    return tuple(map(max, zip(*found, strict=True)))


def seen(graph: Graph) -> tuple[int, ...]:
    """The size of the output's field, at most the image's."""
    space = [int(str(size)) for size in graph.input.type.shape[2:]]
    field = receptive_fields(graph)[graph.outputs[0].value.name]
    sizes = (None,) * len(space) if field.size is None else field.size
    return tuple(whole if size is None else min(size, whole) for size, whole in zip(sizes, space, strict=True))


@pytest.mark.parametrize("case", WINDOWED, ids=str)
def test_an_operator_sees_what_the_gradient_shows(case: Case) -> None:
    graph = case.graph()
    assert seen(graph) == extents(graph)


def chain(*items: tuple[str, Mapping[str, object]]) -> Graph:
    g = GraphBuilder("chain", TensorType((BATCH, *IMAGE)))
    x = g.input
    for word, fields in items:
        x = g.add(operator_model(word).model_validate(fields), x)
    g.output("output", x)
    return g.finish()


CONV = ("conv2d", {"out_channels": 4, "kernel_size": 3, "stride": 2})
UP = ("conv_transpose2d", {"out_channels": 2, "kernel_size": 4, "stride": 2, "padding": 1})
CHANNELS_LAST = ("permute", {"dims": [0, 2, 3, 1]})


@pytest.mark.parametrize(
    ("graph", "size"),
    [
        (chain(CONV, ("mean", {"dim": 1})), (3, 3)),
        (chain(CONV, ("mean", {"dim": [1, 2]})), (None, 3)),
        (chain(CONV, ("layer_norm", {})), (3, None)),
        (chain(CONV, CHANNELS_LAST, ("layer_norm", {})), (3, 3)),
        (
            chain(CONV, CHANNELS_LAST, ("flatten", {"start_dim": 1, "end_dim": 2}), ("linear", {"out_features": 2})),
            (3, 3),
        ),
        (chain(CONV, ("flatten", {"start_dim": 2}), ("permute", {"dims": [0, 2, 1]}), ("layer_norm", {})), (3, 3)),
        (chain(CONV, ("flatten", {"start_dim": 2}), ("linear", {"out_features": 2})), None),
        (chain(CONV, ("flatten", {"start_dim": 2}), ("softmax", {"dim": 2})), None),
        (chain(CONV, ("flatten", {}), ("linear", {"out_features": 2})), None),
        (chain(CONV, ("permute", {"dims": [0, 1, 3, 2]}), ("avg_pool2d", {"kernel_size": [1, 2]})), (5, 3)),
        (chain(CONV, ("select", {"dim": 2, "index": 1}), ("layer_norm", {})), (3, None)),
        (chain(CONV, ("softmax", {"dim": 3}), ("conv2d", {"out_channels": 1, "kernel_size": 1})), (3, None)),
        (chain(CONV, ("group_norm", {"num_groups": 2})), None),
        (chain(UP), (2, 2)),
        (chain(UP, ("conv2d", {"out_channels": 1, "kernel_size": 3})), (3, 3)),
        (chain(UP, ("conv2d", {"out_channels": 1, "kernel_size": 2})), (3, 3)),
        (chain(CONV, UP, ("conv2d", {"out_channels": 1, "kernel_size": 3})), (7, 7)),
    ],
    ids=lambda value: "-".join(node.path for node in value.nodes) if isinstance(value, Graph) else str(value),
)
def test_axes_are_followed_through_what_moves_them(graph: Graph, size: tuple[int | None, ...] | None) -> None:
    assert receptive_fields(graph)[graph.outputs[0].value.name].size == size
    assert seen(graph) == extents(graph)


def test_a_dilated_maximum_sees_its_whole_window() -> None:
    graph = chain(("max_pool2d", {"kernel_size": [2, 3], "dilation": [1, 2]}))
    assert receptive_fields(graph)["max_pool2d"] == Field((2, 5), (2, 3))


def test_a_step_is_the_distance_between_neighbours() -> None:
    graph = chain(CONV, ("max_pool2d", {"kernel_size": [1, 2], "stride": [1, 2]}))
    assert receptive_fields(graph)["max_pool2d"] == Field((3, 5), (2, 4))
    graph = chain(("adaptive_avg_pool2d", {"output_size": [3, 4]}))
    assert receptive_fields(graph)["adaptive_avg_pool2d"] == Field((3, 4), (3, 2))
    graph = chain(UP, CONV)
    assert receptive_fields(graph)["conv_transpose2d"] == Field((2, 2), (Fraction(1, 2), Fraction(1, 2)))
    assert receptive_fields(graph)["conv2d"] == Field((3, 3), (1, 1))


def test_what_does_not_depend_on_the_image_sees_nothing_of_it() -> None:
    g = GraphBuilder("two", {"image": TensorType((BATCH, *IMAGE)), "mask": TensorType((BATCH, *IMAGE))})
    blind = g.add(operator_model("conv2d").model_validate(CONV[1]), g.inputs[1])
    g.output("output", g.add(operator_model("sum")(), g.inputs[0], g.inputs[1]))
    fields = receptive_fields(g.finish())
    assert (fields[blind.name].size, fields["mask"].size, fields[":sum"].size) == ((0, 0), (0, 0), (1, 1))


def test_values_of_different_ranks_are_seen_side_by_side() -> None:
    g = GraphBuilder("ranks", TensorType((BATCH, *IMAGE)))
    thirds = operator_model("rearrange").model_validate({"pattern": "b (t c) h w -> t b c h w", "t": 3})
    pooled = operator_model("conv2d").model_validate({"out_channels": 2, "kernel_size": 3, "padding": 1})
    x = g.add(operator_model("sum")(), g.add(thirds, g.input), g.add(pooled, g.input))
    y = g.add(operator_model("select").model_validate({"dim": 0, "index": 0}), x)
    index = g.add(INDEX)
    z = g.add(operator_model("gather").model_validate({"dim": 2}), g.input, index)
    fields = receptive_fields(g.finish())
    assert (fields[x.name].size, fields[y.name].size, fields[z.name].size) == ((3, 3), (3, 3), None)


def test_every_operator_has_an_example_with_axes_of_space() -> None:
    spatial = {IMAGE, SIGNAL, VOLUME}
    others = {word for word in OPERATORS if operator_model(word).arity == 0} | {"fold", "attention", "gather"}
    assert {case.word for case in CASES if spatial & set(case.shapes)} == set(OPERATORS) - others

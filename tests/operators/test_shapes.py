"""Each operator's shape rule against PyTorch's: on the meta device, over grids of fields and sizes."""

from contextlib import suppress
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from archc.ir.graph import Node
from archc.ir.operator import IMAGE, SIGNAL, TOKENS, VECTOR, VOLUME, ShapeError
from archc.ir.types import BATCH, SymbolicDim, TensorType
from archc.nn.codegen import NAMESPACE
from archc.nn.prototypes import new_layer
from archc.operators import OPERATORS, operator_model
from archc.operators.transposed_convolution import TransposedConvolution
from tests.operators.cases import CASES, Case

Size = tuple[int, ...]


def grid(word: str, sizes: list[Size], **fields: list[Any]) -> list[Case]:
    """Every combination of these fields, on images of these sizes."""
    choices = [dict(zip(fields, values, strict=True)) for values in product(*fields.values())]
    return [Case(word, choice, ((4, *size),)) for size in sizes for choice in choices]


def pools(word: str, **fields: list[Any]) -> list[Case]:
    axes = AXES[word[-2:]]
    sizes = [(5, 7, 6), (6, 6, 5), (8, 13, 9), (9, 12, 7)]
    return grid(
        word,
        [size[:axes] for size in sizes],
        kernel_size=[1, 2, 3, (4, 3, 2)[:axes]],
        stride=[None, 1, 2, 3, (4, 1, 2)[:axes]],
        padding=[0, 1, (2, 1, 1)[:axes]],
        ceil_mode=[False, True],
        **fields,
    )


def convolutions(word: str, **fields: list[Any]) -> list[Case]:
    axes = AXES[word[-2:]]
    return grid(
        word,
        [size[:axes] for size in [(5, 8, 6), (13, 12, 4)]],
        out_channels=[4, 6],
        kernel_size=[1, 3, (2, 5, 3)[:axes]],
        stride=[1, 2, (3, 1, 2)[:axes]],
        padding=[0, 1, (0, 2, 1)[:axes]],
        dilation=[1, 2, (1, 3, 2)[:axes]],
        groups=[1, 2, 4],
        **fields,
    )


AXES = {"1d": 1, "2d": 2, "3d": 3}

TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")

# Sliding windows are tried on every combination of their fields, beside the operators' own examples.
GRIDS = {
    "conv1d": convolutions("conv1d"),
    "conv2d": convolutions("conv2d", bias=[True, False]),
    "conv3d": convolutions("conv3d"),
    **{word: convolutions(word, output_padding=[0, 1]) for word in TRANSPOSED},
    "max_pool1d": pools("max_pool1d", dilation=[1, 2]),
    "max_pool2d": pools("max_pool2d", dilation=[1, 2]),
    "max_pool3d": pools("max_pool3d", dilation=[1, 2]),
    "avg_pool1d": pools("avg_pool1d", count_include_pad=[False, True]),
    "avg_pool2d": pools("avg_pool2d", count_include_pad=[False, True], divisor_override=[None, 5]),
    "avg_pool3d": pools("avg_pool3d", count_include_pad=[False, True], divisor_override=[None, 5]),
}


def tried(word: str) -> list[Case]:
    """The operator's examples, on their own shapes and, with one input, on all others; and its grid."""
    examples = [case for case in CASES if case.word == word]
    shapes = {(shape,) for shape in (IMAGE, TOKENS, VECTOR, SIGNAL, VOLUME, (6, 1, 1), (6, 2))}
    elsewhere = [Case(word, case.fields, other) for case in examples for other in sorted(shapes - {case.shapes})]
    return [*examples, *(elsewhere if operator_model(word).arity == 1 else []), *GRIDS.get(word, [])]


def accepted(cases: list[Case]) -> list[tuple[Case, Node]]:
    """The cases that an operator takes, each with the operator as a node."""
    found = []
    for case in cases:
        with suppress(ShapeError):
            found.append((case, case.node()))
    return found


def run(node: Node, batch: int) -> torch.Tensor:
    """What PyTorch makes of a node on the meta device, by the very text that modules are built with."""
    inputs = [empty(value.type, batch) for value in node.inputs]
    if not node.operator.is_expression():
        return new_layer(node).eval()(*inputs)  # type: ignore[no-any-return]
    names = [f"x{index}" for index in range(len(inputs))]
    source = node.operator.torch_source(node.kind[1], names, "own")
    values = {"own": empty(node.output.type, batch), **dict(zip(names, inputs, strict=True))}
    return eval(source, {**NAMESPACE, **values})  # type: ignore[no-any-return]


def empty(type: TensorType, batch: int) -> torch.Tensor:
    """A tensor without values, for this many images."""
    return torch.zeros(sizes(type, batch), dtype=getattr(torch, type.dtype), device="meta")


def sizes(type: TensorType, batch: int) -> Size:
    """The shape for this many images."""
    return tuple(size if isinstance(size, int) else size.at(batch) for size in type.shape)


@pytest.mark.parametrize("word", OPERATORS)
def test_the_shape_is_pytorch_s(word: str) -> None:
    cases = accepted(tried(word))
    assert {str(case) for case, _ in cases} >= {str(case) for case in CASES if case.word == word}
    for case, node in cases:
        assert tuple(run(node, 2).shape) == sizes(node.output.type, 2), str(case)


@pytest.mark.parametrize("word", GRIDS)
def test_what_is_refused_pytorch_refuses_too(word: str) -> None:
    refused = [case for case in GRIDS[word] if not accepted([case])]
    assert refused
    for case in filter(not_onnx_runtime_alone, refused):
        with pytest.raises((RuntimeError, ValueError)):
            _torch(case)(torch.zeros(1, *case.shapes[0]))  # type: ignore[arg-type]


def not_onnx_runtime_alone(case: Case) -> bool:
    """False where only ONNX Runtime refuses: an output_padding that is less than the dilation, but not the stride."""
    operator = case.operator
    if not isinstance(operator, TransposedConvolution):
        return True
    sizes = zip(operator.output_padding, operator.stride, operator.dilation, strict=True)
    return not any(stride <= more < dilation for more, stride, dilation in sizes)


def _torch(case: Case) -> nn.Module:
    """PyTorch's own module, made without archc's text."""
    channels = () if "pool" in case.word else (4,)
    made: nn.Module = getattr(nn, "".join(part.capitalize() for part in case.word.split("_")))(*channels, **case.fields)
    return made


@pytest.mark.parametrize("word", OPERATORS)
def test_the_tensors_are_those_of_pytorch_s_module(word: str) -> None:
    for case, node in accepted(tried(word)):
        weights = node.operator.weights(*case.types)
        if node.operator.is_expression():  # it has no module: a source's only tensor is what it gives
            type = node.output.type
            assert [(w.name, w.shape, w.dtype) for w in weights] in ([], [("", type.shape, type.dtype)])
            assert node.operator.arity == 0 or not weights
            continue
        module = new_layer(node)
        expected = [(key, tuple(tensor.shape), str(tensor.dtype)) for key, tensor in module.state_dict().items()]
        assert [(w.name, w.shape, f"torch.{w.dtype}") for w in weights] == expected
        assert {w.name for w in weights if w.buffer} == dict(module.named_buffers()).keys() & module.state_dict().keys()
        assert {w.name for w in weights} - {"num_batches_tracked"} <= set(node.operator.tensors)


DYNAMIC = TensorType((BATCH, 4, SymbolicDim("height", 8, 12, 24), SymbolicDim("width", 9, 12, 30)))


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("conv2d", {"out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1}),
        ("conv2d", {"out_channels": 3, "kernel_size": (5, 2), "stride": (1, 3), "dilation": (1, 2)}),
        ("conv2d", {"out_channels": 3, "kernel_size": (5, 2), "padding": "same", "dilation": (1, 2)}),
        ("conv_transpose2d", {"out_channels": 3, "kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1}),
        ("instance_norm", {}),
        ("max_pool2d", {"kernel_size": 3, "stride": 2}),
        ("max_pool2d", {"kernel_size": 3, "stride": 1, "ceil_mode": True}),
        ("avg_pool2d", {"kernel_size": 2, "padding": 1, "ceil_mode": False}),
        ("adaptive_avg_pool2d", {"output_size": 1}),
        ("interpolate", {"scale_factor": [2, 0.5]}),
        ("interpolate", {"scale_factor": 3, "mode": "bicubic"}),
        ("interpolate", {"size": 16, "mode": "bilinear"}),
        ("mean", {"dim": (2, 3)}),
        ("pad", {"pad": (1, 2, 3, 4)}),
        ("relu", {}),
    ],
)
def test_the_shape_of_a_dynamic_input_is_right_at_every_size(word: str, fields: dict[str, Any]) -> None:
    operator = operator_model(word).model_validate(fields)
    inferred = operator.infer(DYNAMIC)
    for height, width in product(range(8, 25), range(9, 31)):
        static = operator.infer(TensorType((BATCH, 4, height, width)))
        sizes = {"batch": BATCH, "height": height, "width": width}
        at = [
            size if isinstance(size, int) or size == BATCH else size.at(int(str(sizes[size.symbol])))
            for size in inferred.shape
        ]
        assert tuple(at) == static.shape


def refusal(word: str, fields: dict[str, Any], *types: TensorType) -> tuple[str, str | None]:
    with pytest.raises(ShapeError) as caught:
        operator_model(word).model_validate(fields).infer(*types)
    return caught.value.message, caught.value.field


SQUARE = TensorType((BATCH, 6, 8, 8))
FLAT = TensorType((BATCH, 6))
HALVED = TensorType((BATCH, 6, SymbolicDim("height", 8, 12, 24) // 2, 8))


@pytest.mark.parametrize(
    ("word", "fields", "inputs", "message", "field"),
    [
        ("conv2d", {"out_channels": 8, "kernel_size": 3, "groups": 4}, [SQUARE],
         "in_channels (=6) must be divisible by groups (=4)", "groups"),
        ("conv2d", {"out_channels": 9, "kernel_size": 3, "groups": 2}, [SQUARE],
         "out_channels (=9) must be divisible by groups (=2)", "groups"),
        ("conv2d", {"out_channels": 8, "kernel_size": 9}, [SQUARE],
         "window of 9 pixels does not fit into 8 (size 8 with padding)", "kernel_size"),
        ("conv2d", {"out_channels": 8, "kernel_size": 3, "in_channels": 3}, [SQUARE],
         "declares in_channels=3, but receives 6", "in_channels"),
        ("conv2d", {"out_channels": 8, "kernel_size": 3, "stride": 2, "padding": "same"}, [SQUARE],
         "cannot keep the size ('same') with a stride", "padding"),
        ("conv2d", {"out_channels": 8, "kernel_size": (3, 2), "padding": "same"}, [SQUARE],
         "needs more padding on one side than on the other to keep the size", "padding"),
        ("prelu", {"num_parameters": 5}, [SQUARE],
         "num_parameters (=5) must be 1 or the number of channels (=6)", "num_parameters"),
        ("prelu", {"num_parameters": 2}, [TensorType((BATCH,))], "expects [N, C, ...], received float32[batch]", None),
        ("conv2d", {"out_channels": 8, "kernel_size": 3}, [FLAT],
         "expects [N, C, H, W], received float32[batch, 6]", None),
        ("conv2d", {"out_channels": 8, "kernel_size": 9}, [DYNAMIC],
         "window of 9 pixels does not fit into 8 (size height with padding)", "kernel_size"),
        ("max_pool2d", {"kernel_size": 3, "padding": 2}, [SQUARE],
         "padding (=2) must be at most half of kernel_size (=3)", "padding"),
        ("max_pool2d", {"kernel_size": 3, "stride": 2, "ceil_mode": True}, [DYNAMIC],
         "has ceil_mode, which depends on the size, but height is dynamic", "ceil_mode"),
        ("adaptive_avg_pool2d", {"output_size": 2}, [DYNAMIC],
         "has windows that depend on the size, but float32[batch, 4, height, width] is dynamic", "output_size"),
        ("adaptive_avg_pool2d", {"output_size": 2}, [TensorType((BATCH, 4, SymbolicDim("height", 8, 12, 24), 9))],
         "has windows that depend on the size, but float32[batch, 4, height, 9] is dynamic", "output_size"),
        ("flatten", {}, [DYNAMIC], "cannot flatten the dynamic size height and width", None),
        ("flatten", {"start_dim": 0}, [SQUARE],
         "cannot flatten axes 0 to -1 of float32[batch, 6, 8, 8]", "start_dim"),
        ("linear", {"out_features": 2}, [DYNAMIC],
         "needs a fixed number of input features, but receives width of them", None),
        ("linear", {"out_features": 2, "in_features": 5}, [FLAT],
         "declares in_features=5, but receives 6", "in_features"),
        ("sum", {}, [SQUARE, FLAT],
         "cannot add float32[batch, 6, 8, 8] and float32[batch, 6]: the images of one lie beside axis 2 of another",
         None),
        ("matmul", {}, [SQUARE, TensorType((BATCH, 6, 5, 8))],
         "cannot multiply the matrices float32[batch, 6, 8, 8] and float32[batch, 6, 5, 8]: the first has 8 columns, "
         "and the second 5 rows", None),
        ("matmul", {}, [SQUARE, TensorType((BATCH, 3, 8, 8))],
         "cannot multiply the matrices float32[batch, 6, 8, 8] and float32[batch, 3, 8, 8]: the sizes 6 and 3 meet",
         None),
        ("matmul", {}, [FLAT, TensorType((6, 2))],
         "cannot multiply the matrices float32[batch, 6] and float32[6, 2]: the batch is an axis of the matrix "
         "float32[batch, 6]", None),
        ("product", {}, [SQUARE, TensorType((BATCH, 3, 8, 8))],
         "cannot multiply float32[batch, 6, 8, 8] and float32[batch, 3, 8, 8]: the sizes 6 and 3 meet", None),
        ("concat", {}, [SQUARE, TensorType((BATCH, 6, 7, 8))],
         "cannot concatenate float32[batch, 6, 8, 8] and float32[batch, 6, 7, 8]: only axis 1 may differ",
         None),
        ("group_norm", {"num_groups": 4}, [SQUARE],
         "channels (=6) must be divisible by num_groups (=4)", "num_groups"),
        ("batch_norm", {"num_features": 4}, [SQUARE],
         "declares num_features=4, but receives 6", "num_features"),
        ("layer_norm", {}, [DYNAMIC],
         "needs a last axis of fixed size, received float32[batch, 4, height, width]", None),
        ("narrow", {"dim": 1, "start": 4, "length": 3}, [SQUARE],
         "elements 4 to 7 leave an axis of 6", "length"),
        ("narrow", {"dim": -3, "start": -1, "length": 2}, [SQUARE], "elements 5 to 7 leave an axis of 6", "length"),
        ("narrow", {"dim": 1, "start": -7, "length": 1}, [SQUARE], "start (=-7) is beyond an axis of 6", "start"),
        ("narrow", {"dim": -4, "start": 0, "length": 1}, [SQUARE], "dim (=-4) is the batch axis", "dim"),
        ("select", {"dim": 1, "index": 6}, [SQUARE], "index (=6) is beyond an axis of 6", "index"),
        ("select", {"dim": -3, "index": -7}, [SQUARE], "index (=-7) is beyond an axis of 6", "index"),
        ("select", {"dim": -5, "index": 0}, [SQUARE],
         "dim (=-5) is not an axis of float32[batch, 6, 8, 8]", "dim"),
        ("pad", {"pad": [1, 2, 3]}, [SQUARE], "pad must hold pairs, but has 3 entries", "pad"),
        ("mean", {"dim": 0}, [SQUARE], "dim 0 is the batch axis", "dim"),
        ("mean", {"dim": [1, -3]}, [SQUARE], "names an axis twice", "dim"),
        ("softmax", {"dim": 2}, [FLAT], "dim (=2) is not an axis of float32[batch, 6]", "dim"),
        ("channel_shuffle", {"groups": 4}, [SQUARE],
         "channels (=6) must be divisible by groups (=4)", "groups"),
        ("local_response_norm", {"size": 256}, [SQUARE],
         "size (=256) must be at most 255, which reaches every channel", "size"),
        ("local_response_norm", {"size": 3, "k": 1e30, "beta": 2.0}, [SQUARE],
         "k ** -beta (=1e+30 ** -2.0) must be a float32", "beta"),
        ("hardtanh", {"min_val": 1.0, "max_val": 1.0}, [SQUARE],
         "min_val (=1.0) must be less than max_val (=1.0)", "min_val"),
        ("softmax", {"dim": 0}, [SQUARE], "dim (=0) is the batch axis", "dim"),
        ("softmax", {"dim": -2}, [FLAT], "dim (=-2) is the batch axis", "dim"),
        ("softmax", {"dim": 1}, [TensorType((3, BATCH, 8))], "dim (=1) is the batch axis", "dim"),
        ("mean", {"dim": [0, 1]}, [TensorType((3, BATCH, 8))], "dim 1 is the batch axis", "dim"),
        ("roll", {"shifts": 1, "dims": 1}, [TensorType((3, BATCH, 8))], "dim 1 is the batch axis", "dims"),
        ("normalize", {"dim": 1}, [TensorType((3, BATCH, 8))], "dim (=1) is the batch axis", "dim"),
        ("softmax", {"dim": -3}, [FLAT], "dim (=-3) is not an axis of float32[batch, 6]", "dim"),
        ("flatten", {"end_dim": 4}, [SQUARE],
         "cannot flatten axes 1 to 4 of float32[batch, 6, 8, 8]", "start_dim"),
        ("permute", {"dims": [0, 1, 2, 2]}, [SQUARE],
         "dims must order the axes 0 to 3 of float32[batch, 6, 8, 8]", "dims"),
        ("narrow", {"dim": 2, "start": 0, "length": 1}, [FLAT],
         "dim (=2) is not an axis of float32[batch, 6]", "dim"),
        ("narrow", {"dim": 2, "start": 0, "length": 1}, [DYNAMIC], "cannot slice the dynamic size height", "dim"),
        ("select", {"dim": 2, "index": 0}, [FLAT], "dim (=2) is not an axis of float32[batch, 6]", "dim"),
        ("select", {"dim": 2, "index": 0}, [DYNAMIC], "index (=0) is beyond an axis of height", "index"),
        ("pad", {"pad": [1, 1, 1, 1]}, [FLAT],
         "pads 2 axes of float32[batch, 6], whose first is the batch", "pad"),
        ("gather", {}, [TensorType((5, 2)), FLAT], "needs an index of integers, received float32[batch, 6]", None),
        ("linear", {"out_features": 2}, [TensorType((BATCH,))],
         "expects [N, ..., in_features], received float32[batch]", None),
        ("batch_norm", {}, [TensorType((BATCH,))],
         "expects [N, C], [N, C, L], [N, C, H, W] or [N, C, D, H, W], received float32[batch]", None),
        ("instance_norm", {}, [FLAT],
         "expects [N, C, L], [N, C, H, W] or [N, C, D, H, W], received float32[batch, 6]", None),
        ("instance_norm", {}, [TensorType((BATCH, 6, 1, 1))],
         "normalises over all pixels, and float32[batch, 6, 1, 1] can have a single one", None),
        ("instance_norm", {"track_running_stats": True}, [SQUARE],
         "cannot track statistics of all images", "track_running_stats"),
        ("layer_norm2d", {}, [FLAT], "expects [N, C, H, W], received float32[batch, 6]", None),
        ("layer_norm2d", {"normalized_shape": 8}, [SQUARE],
         "declares normalized_shape=8, but receives 6", "normalized_shape"),
        ("conv_transpose2d", {"out_channels": 8, "kernel_size": 3, "groups": 4}, [SQUARE],
         "in_channels (=6) must be divisible by groups (=4)", "groups"),
        ("conv_transpose2d", {"out_channels": 8, "kernel_size": 3, "output_padding": 1}, [SQUARE],
         "output_padding (=1) must be less than stride (=1)", "output_padding"),
        ("conv_transpose2d", {"out_channels": 8, "kernel_size": 1, "padding": 4}, [SQUARE],
         "leaves 0 pixels of 8, as padding takes pixels away", "padding"),
        ("conv_transpose2d", {"out_channels": 8, "kernel_size": 2, "stride": 2}, [HALVED],
         "cannot make the dynamic size height//2, which was divided before, 2 times as large", "stride"),
        ("adaptive_max_pool2d", {"output_size": 5}, [SQUARE],
         "has windows of several sizes or distances, which no pool of ONNX has: [8, 8] to [5, 5]", "output_size"),
        ("conv1d", {"out_channels": 8, "kernel_size": 3}, [SQUARE],
         "expects [N, C, L], received float32[batch, 6, 8, 8]", None),
        ("conv3d", {"out_channels": 8, "kernel_size": 3}, [SQUARE],
         "expects [N, C, D, H, W], received float32[batch, 6, 8, 8]", None),
        ("group_norm", {"num_groups": 3, "num_channels": 9}, [SQUARE],
         "declares num_channels=9, but receives 6", "num_channels"),
        ("layer_norm", {"normalized_shape": 9}, [TensorType((BATCH, 9, 6))],
         "declares normalized_shape=9, but receives 6", "normalized_shape"),
        ("layer_norm", {}, [TensorType((BATCH,))], "needs a last axis of fixed size, received float32[batch]", None),
        ("mean", {"dim": [1, 2]}, [FLAT], "dim 2 is not an axis of float32[batch, 6]", "dim"),
        ("mean", {"dim": -3}, [FLAT], "dim -3 is not an axis of float32[batch, 6]", "dim"),
        ("mean", {"dim": -2}, [FLAT], "dim 0 is the batch axis", "dim"),
        *((word, fields, [FLAT], "expects [N, C, H, W], received float32[batch, 6]", None) for word, fields in (
            ("dropout2d", {}), ("channel_shuffle", {"groups": 2}),
            ("local_response_norm", {"size": 3}), ("max_pool2d", {"kernel_size": 2}),
            ("adaptive_avg_pool2d", {"output_size": 1}),
        )),
    ],
)  # fmt: skip
def test_a_refusal_says_what_arrived_and_which_field_is_to_blame(
    word: str, fields: dict[str, Any], inputs: list[TensorType], message: str, field: str | None
) -> None:
    assert refusal(word, fields, *inputs) == (message, field)


@pytest.mark.parametrize(
    ("word", "fields", "help"),
    [
        (
            "conv2d",
            {"out_channels": 2, "kernel_size": 3, "stride": 2, "padding": "same"},
            "write the padding as a number, or 'same_upper', which gives ceil(size / stride)",
        ),
        (
            "conv2d",
            {"out_channels": 2, "kernel_size": 2, "padding": "same"},
            "write a pad before it, such as pad: {pad: [left, right, top, bottom]}",
        ),
        ("instance_norm", {"track_running_stats": True}, "leave it out, or use batch_norm, which tracks statistics"),
        ("adaptive_max_pool2d", {"output_size": 2}, "a dynamic size can be pooled to 1"),
        ("flatten", {}, "pool to a fixed size before, for example with adaptive_avg_pool2d: 1"),
        ("linear", {"out_features": 2}, "pool to a fixed size before, for example with adaptive_avg_pool2d: 1"),
        ("adaptive_avg_pool2d", {"output_size": 2}, "a dynamic size can be pooled to 1"),
    ],
)
def test_a_refusal_says_what_to_do(word: str, fields: dict[str, Any], help: str) -> None:
    with pytest.raises(ShapeError) as caught:
        operator_model(word).model_validate(fields).infer(DYNAMIC)
    assert caught.value.help == help


@pytest.mark.parametrize(("kernel_size", "dilation"), [(1, 1), (3, 1), ((5, 2), (1, 2)), (3, (2, 3))])
def test_same_padding_computes_what_pytorch_s_does(kernel_size: int | Size, dilation: int | Size) -> None:
    fields: dict[str, Any] = {"kernel_size": kernel_size, "dilation": dilation, "padding": "same", "out_channels": 4}
    expected = nn.Conv2d(IMAGE[0], **fields)
    module = new_layer(Case("conv2d", fields).node()).to_empty(device="cpu")
    module.load_state_dict(expected.state_dict())
    x = torch.randn(2, *IMAGE)
    torch.testing.assert_close(module(x), expected(x), rtol=0, atol=0)

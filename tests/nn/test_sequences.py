"""Numbered scopes are nn.Sequential: their layers can be had, counted and replaced by index."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import archc
from tests.nn.modules import module_of

EXPRESSIONS_IN_A_SEQUENCE = """\
- b:
    - conv2d: {out_channels: 4, kernel_size: 1}
    - permute: {dims: [0, 2, 3, 1]}
    - linear: 5
    - permute: {dims: [0, 3, 1, 2]}
"""


def test_a_numbered_block_is_a_sequential_of_its_own_name_whose_layers_can_be_replaced() -> None:
    model = archc.build("mobilenet_v2").eval()
    stem = model.get_submodule("features.0")
    assert isinstance(stem, nn.Sequential)
    assert type(stem).__name__ == "Conv2dNormActivation"
    assert type(stem) is type(model.get_submodule("features.1.conv.0"))
    stem[0] = nn.Conv2d(1, 32, 3, 2, 1, bias=False)
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 1000)
    assert [type(layer).__name__ for layer in stem[1:].children()] == ["BatchNorm2d", "ReLU6"]
    for again in (copy.deepcopy(stem), pickle.loads(pickle.dumps(stem))):
        assert type(again) is type(stem)
        assert str(again) == str(stem)


def test_an_expression_in_a_sequence_is_a_layer_with_an_index() -> None:
    model = module_of(EXPRESSIONS_IN_A_SEQUENCE)
    sequence = model.get_submodule("b")
    assert type(sequence) is nn.Sequential
    assert [type(layer).__name__ for layer in sequence] == ["Conv2d", "Permute", "Linear", "Permute"]
    assert list(model.state_dict()) == ["b.0.weight", "b.0.bias", "b.2.weight", "b.2.bias"]
    x = torch.randn(2, 3, 32, 32)
    expected = sequence[2](sequence[0](x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(model(x), expected, rtol=0, atol=0)


BRANCHING_SEQUENCE = """\
- b:
    - conv2d: {out_channels: 4, kernel_size: 1}
    - mul: 2.0
    - sum: [tanh, identity]
"""


def test_the_layers_of_a_sequence_that_is_no_chain_have_indices_and_can_be_replaced() -> None:
    model = module_of(BRANCHING_SEQUENCE)
    sequence = model.get_submodule("b")
    assert isinstance(sequence, nn.Sequential)
    assert type(sequence).__name__ == "Sequential"
    assert [type(layer).__name__ for layer in sequence] == ["Conv2d", "Mul", "Tanh"]
    x = torch.randn(2, 3, 32, 32)
    y = 2 * sequence[0](x)
    torch.testing.assert_close(model(x), y.tanh() + y)
    sequence[1] = nn.Identity()
    sequence[2] = nn.Sigmoid()
    y = sequence[0](x)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(x), y.sigmoid() + y)


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b[:1],
        lambda b: b.append(nn.ReLU()),
        lambda b: b.insert(0, nn.ReLU()),
        lambda b: b.extend([nn.ReLU()]),
        lambda b: b.pop(0),
        lambda b: b.__delitem__(0),
        lambda b: b + nn.Sequential(),
        lambda b: b * 2,
    ],
)
def test_the_number_of_layers_of_a_sequence_that_is_no_chain_cannot_change(change: Callable[[Any], Any]) -> None:
    message = "the layers of this Sequential are no chain: they can be replaced, but not added, removed or cut"
    with pytest.raises(TypeError, match=f"^{message}$"):
        change(module_of(BRANCHING_SEQUENCE).get_submodule("b"))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("text", [EXPRESSIONS_IN_A_SEQUENCE, BRANCHING_SEQUENCE], ids=["chain", "branching"])
def test_pytorchs_compilers_take_sequences(text: str) -> None:
    model = module_of(text)
    x = torch.randn(2, 3, 32, 32)
    compiled: list[Any] = [
        torch.compile(model, fullgraph=True, backend="aot_eager"),
        torch.export.export(model, (x,)).module(),
        torch.jit.trace(model, x),
        torch.jit.script(model),
        torch.fx.symbolic_trace(model),
    ]
    for each in compiled:
        torch.testing.assert_close(each(x), model(x))


def test_a_sequence_with_dotted_names_is_a_plain_module() -> None:
    model = module_of("- b: [{relu: {name: a.first}}, {tanh: {name: a.second}}]")
    assert not isinstance(model.get_submodule("b"), nn.Sequential)
    x = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(model(x), x.relu().tanh())


TWO_VALUES = """\
- mark: early
- conv2d: {name: first, out_channels: 3, kernel_size: 1}
- b:
    - pair: {other: early, results: [late]}
    - mark: main
    - from: late
    - pair: {other: main, results: [last]}
- sum: [identity, from: last]
"""
PAIR = """\
blocks:
  pair:
    parameters: {other: value}
    results: [result]
    layers:
      - conv2d: {name: conv, out_channels: 3, kernel_size: 1}
      - mark: result
      - sum: [identity, from: other]
"""


def test_a_sequence_whose_layers_pass_two_values_calls_each_with_both() -> None:
    model = module_of(TWO_VALUES, PAIR)
    image = torch.randn(1, 3, 32, 32)
    value, other = model.get_submodule("first")(image), image
    for each in ("b.0.conv", "b.1.conv"):
        result = model.get_submodule(each)(value)
        value, other = result, result + other
    torch.testing.assert_close(model(image), value + other)

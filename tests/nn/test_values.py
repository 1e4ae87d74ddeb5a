"""Modules with own parameters, constants, attention, marks, keys and shared items work as hand-written ones do."""

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archc.nn import build_module
from archc.weights import InitializedWeights, read_all
from tests.elaborate.specs import compiled

SPEC = """
name: tiny
input: {channels: 3, height: 32, width: 32}
blocks:
  attention_with_bias:
    parameters: {heads: int, side: int}
    layers:
      - linear: {name: qkv, out_features: 3 * $features, keys: {weight: in_proj_weight, bias: in_proj_bias}}
      - rearrange: {pattern: "b n (t h d) -> t b h n d", t: 3, h: $heads}
      - attention:
          query: {select: {dim: 0, index: 0}}
          key: {select: {dim: 0, index: 1}}
          value: {select: {dim: 0, index: 2}}
          bias:
            - parameter: {name: table, shape: [(2 * $side - 1) * (2 * $side - 1), $heads], init: {normal: {std: 0.5}}}
            - gather:
                index:
                  constant: {value: relative_position_index, height: $side, width: $side, name: index, persistent: true}
            - rearrange: q k h -> 1 h q k
      - rearrange: b h n d -> b n (h d)
      - linear: {name: proj, out_features: $features}
  scaled:
    parameters: {shortcut: value}
    results: [inner]
    layers:
      - layer_norm: {name: norm}
      - mark: inner
      - product: [identity, parameter: {name: gamma, shape: [$features], init: {constant: 0.5}}]
      - sum: [from: shortcut, identity]
layers:
  - conv2d: {name: stem, out_channels: 16, kernel_size: 8, stride: 8}
  - rearrange: b c h w -> b (h w) c
  - mark: tokens
  - attention_with_bias: {name: attn, heads: 4, side: 4}
  - scaled: {name: scaled, shortcut: tokens, results: [normed]}
  - sum: [identity, constant: {value: full, shape: [16, 1], fill_value: 0.25, name: shift}]
  - linear: {name: mlp, out_features: 16}
  - gelu
  - share: mlp
  - concat: {dim: 1, branches: [parameter: {name: cls, shape: [1, 1, 16], init: {normal: {std: 1}}}, identity]}
  - sum: [identity, parameter: {name: position, shape: [1, 17, 16], init: {normal: {std: 1}}}]
  - mean: {dim: 1}
  - quotient: [[from: normed, mean: {dim: 1}], {sum: [sigmoid, constant: {value: full, shape: 16, fill_value: 1.0}]}]
  - linear: {name: head, out_features: 5}
"""
KEYS = [
    *("cls", "position", "stem.weight", "stem.bias"),
    *("attn.in_proj_weight", "attn.in_proj_bias", "attn.table", "attn.index", "attn.proj.weight", "attn.proj.bias"),
    *("scaled.gamma", "scaled.norm.weight", "scaled.norm.bias"),
    *("mlp.weight", "mlp.bias", "head.weight", "head.bias"),
]


@pytest.fixture
def model() -> nn.Module:
    graph = compiled(SPEC)
    parameters = list(graph.parameters())
    return build_module(graph, read_all(InitializedWeights(parameters, 0), [p.path for p in parameters])).eval()


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_keys_are_those_of_the_graph_and_constants_have_one_where_they_are_persistent(model: nn.Module) -> None:
    assert list(model.state_dict()) == [p.path for p in compiled(SPEC).parameters()] == KEYS
    assert [name for name, _ in model.named_parameters()] == [key for key in KEYS if key != "attn.index"]
    assert sorted(name for name, _ in model.named_buffers()) == ["attn.index", "full", "shift"]
    assert model.get_buffer("attn.index").dtype == torch.int64


def test_the_forward_reads_like_one_that_a_person_wrote(model: nn.Module) -> None:
    assert (
        inspect.getsource(type(model.get_submodule("attn")).forward)
        == """\
    def forward(self, x):
        x = torch.nn.functional.linear(x, self.in_proj_weight, self.in_proj_bias)
        x = x.reshape(-1, 16, 3, 4, 4).permute(2, 0, 3, 1, 4)
        y = x.select(0, 0)
        z = x.select(0, 1)
        x = x.select(0, 2)
        u = self.table
        v = self.index
        u = u[v]
        u = u.permute(2, 0, 1).reshape(1, 4, 16, 16)
        y = torch.nn.functional.scaled_dot_product_attention(y, z, x, u)
        y = y.permute(0, 2, 1, 3).reshape(-1, 16, 16)
        y = self.proj(y)
        return y
"""
    )


def by_hand(model: nn.Module, image: Tensor) -> Tensor:
    """What the spec says, in other words of PyTorch."""
    tensors = {key: value.detach() for key, value in model.state_dict().items()}
    x = nn.functional.conv2d(image, tensors["stem.weight"], tensors["stem.bias"], stride=8).flatten(2).mT
    tokens = x
    x = nn.functional.linear(x, tensors["attn.in_proj_weight"], tensors["attn.in_proj_bias"])
    query, key, value = (part.unflatten(-1, (4, 4)).transpose(1, 2) for part in x.chunk(3, -1))
    offsets = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    distance = offsets[:, None] - offsets[None] + 3
    bias = tensors["attn.table"][distance[..., 0] * 7 + distance[..., 1]].permute(2, 0, 1)
    x = ((query @ key.mT / 2 + bias).softmax(-1) @ value).transpose(1, 2).flatten(2)
    x = nn.functional.linear(x, tensors["attn.proj.weight"], tensors["attn.proj.bias"])
    normed = nn.functional.layer_norm(x, (16,), tensors["scaled.norm.weight"], tensors["scaled.norm.bias"])
    x = tokens + normed * tensors["scaled.gamma"] + 0.25
    mlp = tensors["mlp.weight"], tensors["mlp.bias"]
    x = nn.functional.linear(nn.functional.gelu(nn.functional.linear(x, *mlp)), *mlp)
    x = torch.cat([tensors["cls"].expand(len(x), -1, -1), x], 1) + tensors["position"]
    x = normed.mean(1) / (x.mean(1).sigmoid() + 1)
    return nn.functional.linear(x, tensors["head.weight"], tensors["head.bias"])


def test_it_computes_what_the_spec_says(model: nn.Module, image: Tensor) -> None:
    torch.testing.assert_close(model(image), by_hand(model, image), rtol=1e-5, atol=1e-6)
    model.double()
    assert model(image.double()).dtype == torch.float64
    torch.testing.assert_close(model(image.double()), by_hand(model, image.double()), rtol=1e-12, atol=1e-12)


def test_every_parameter_is_trained_and_no_constant(model: nn.Module, image: Tensor) -> None:
    before = {key: value.clone() for key, value in model.named_parameters()}
    buffers = {key: value.clone() for key, value in model.named_buffers()}
    model.train()
    model(image).square().sum().backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    assert [key for key, value in model.named_parameters() if torch.equal(value, before[key])] == []
    assert [key for key, value in model.named_buffers() if not torch.equal(value, buffers[key])] == []


def test_copies_compute_the_same_and_share_nothing(model: nn.Module, image: Tensor) -> None:
    expected = model(image)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(other(image), expected, rtol=0, atol=0)
        with torch.no_grad():
            for tensor in (*other.parameters(), *other.buffers()):
                tensor.zero_()
    torch.testing.assert_close(model(image), expected, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torch_compiles_exports_and_traces_it(model: nn.Module, image: Tensor) -> None:
    expected = model(image)
    torch.testing.assert_close(torch.compile(model, fullgraph=True, backend="aot_eager")(image), expected)
    batch = torch.export.Dim("batch", min=1, max=32)
    program: Any = torch.export.export(model, (image,), dynamic_shapes=({0: batch},))
    torch.testing.assert_close(program.module()(image), expected)
    torch.testing.assert_close(program.module()(image[:1]), model(image[:1]))
    traced: Any = torch.jit.trace(model, image)
    torch.testing.assert_close(traced(image[:1]), model(image[:1]))


def test_an_item_that_is_used_again_is_one_module(model: nn.Module, image: Tensor) -> None:
    calls: list[Tensor] = []
    model.get_submodule("mlp").register_forward_hook(lambda _module, _inputs, output: calls.append(output))
    model(image)
    assert [tuple(output.shape) for output in calls] == [(2, 16, 16)] * 2

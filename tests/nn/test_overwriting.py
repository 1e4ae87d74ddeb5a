"""A ReLU that overwrites its input never changes a value that is used elsewhere: modules against an interpreter."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archc.ir.builder import GraphBuilder
from archc.ir.graph import Graph, Value
from archc.ir.operator import Operator
from archc.ir.types import BATCH, TensorType
from archc.nn import build_module
from archc.nn.prototypes import new_layer
from archc.operators.activation import Relu, Tanh
from archc.operators.convolution import Conv2d
from archc.operators.join import Product, Sum
from archc.operators.normalization import BatchNorm
from archc.operators.pooling import MaxPool2d
from archc.operators.regularization import Dropout, Identity

UNARY: list[Operator] = [
    Conv2d(out_channels=2, kernel_size=(1, 1)), BatchNorm(), Relu(), Relu(), Relu(), Tanh(), Identity(),
    Dropout(p=0.0), MaxPool2d(kernel_size=(1, 1)),
]  # fmt: skip


def steps(draw: st.DrawFn, g: GraphBuilder, x: Value, depth: int) -> Value:
    """A few operators and scopes over `x`, whose unused values are added up at the end."""
    values, used = [x], set[str]()

    def add(operator: Operator, *inputs: Value) -> None:
        used.update(value.name for value in inputs)
        values.append(g.add(operator, *inputs))

    for _ in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["unary", "unary", "unary", "join", "scope"]))
        first = draw(st.sampled_from(values))
        if kind == "scope" and depth:
            used.add(first.name)
            with g.scope("scope", None, "Sequential", sequence=draw(st.booleans())):
                values.append(steps(draw, g, first, depth - 1))
        elif kind == "join":
            add(draw(st.sampled_from([Sum(), Product()])), first, draw(st.sampled_from(values)))
        else:
            add(draw(st.sampled_from(UNARY)), first)
    unused = [value for value in values if value.name not in used]
    while len(unused) > 1:
        add(Sum(), unused.pop(), unused.pop())
        unused.append(values[-1])
    return unused[0]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small random networks with scopes, shared values and several outputs."""
    g = GraphBuilder("Random", TensorType((BATCH, 2, 3, 3)))
    g.output("output", steps(draw, g, g.input, 2))
    root = [node.output for node in g.nodes if node.scope == ""] or [g.outputs[0].value]
    for index, value in enumerate(draw(st.lists(st.sampled_from(root), max_size=2))):
        g.output(f"extra{index}", value)
    return g.finish()


def interpreted(graph: Graph, state: dict[str, Tensor], image: Tensor) -> list[Tensor]:
    """What each output is when every node makes a new value."""
    values = {graph.input.name: image}
    for node in graph.nodes:
        inputs = [values[value.name] for value in node.inputs]
        if isinstance(node.operator, Sum):
            result = inputs[0] + inputs[1]
        elif isinstance(node.operator, Product):
            result = inputs[0] * inputs[1]
        else:
            layer = new_layer(node)
            own = {key.removeprefix(f"{node.path}."): tensor for key, tensor in state.items()}
            layer.load_state_dict({key: own[key] for key in layer.state_dict()}, assign=True)
            result = layer.eval()(inputs[0].clone())
        values[node.output.name] = result
    return [values[output.value.name] for output in graph.outputs]


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(0, 99))
def test_overwriting_changes_neither_outputs_nor_gradients(graph: Graph, seed: int) -> None:
    draws = np.random.default_rng(seed)
    weights = {p.path: np.asarray(draws.uniform(0.5, 1.5, p.shape), p.dtype) for p in graph.parameters()}
    module = build_module(graph, weights).eval()
    mine, theirs = (torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(seed)) for _ in range(2))
    results = module(mine.requires_grad_())
    results = results if isinstance(results, tuple) else (results,)
    expected = interpreted(graph, module.state_dict(), theirs.requires_grad_())
    for result, value in zip(results, expected, strict=True):
        torch.testing.assert_close(result, value, rtol=0, atol=0)
    torch.stack([result.sum() for result in results]).sum().backward()
    torch.stack([value.sum() for value in expected]).sum().backward()
    torch.testing.assert_close(mine.grad, theirs.grad)


def test_the_residual_blocks_do_overwrite() -> None:
    """Otherwise the test above proves nothing, and training takes more memory than by hand."""
    g = GraphBuilder("Chain", TensorType((BATCH, 2, 3, 3)))
    g.output("output", g.add(Relu(), g.add(BatchNorm(), g.input)))
    graph = g.finish()
    module = build_module(graph, {p.path: np.ones(p.shape, p.dtype) for p in graph.parameters()})
    relu = module.get_submodule("relu")
    assert isinstance(relu, nn.ReLU)
    assert relu.inplace

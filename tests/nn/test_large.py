"""Networks of thousands of nodes and branches: built in time that is linear in them, and run."""

from collections.abc import Callable

import pytest
import torch

from archc.ir.builder import GraphBuilder
from archc.ir.graph import Graph
from archc.ir.types import BATCH, TensorType
from archc.nn import build_module
from archc.nn.build import assemble_module
from archc.operators.activation import Tanh
from archc.operators.join import MOST_TERMS, Product, Sum
from tests.work import calls

X = TensorType((BATCH, 2, 3, 3))


def chain(length: int) -> Graph:
    """Scopes side by side, each of which holds one operator."""
    g = GraphBuilder("chain", X)
    x = g.input
    for _ in range(length):
        with g.scope("block", None, "Block"):
            x = g.add(Tanh(), x)
    g.output("output", x)
    return g.finish()


def fan(width: int, join: Sum | Product | None = None) -> Graph:
    """A join of many branches, all of which are alive at once."""
    g = GraphBuilder("fan", X)
    g.output("output", g.add(join or Sum(), *[g.add(Tanh(), g.input) for _ in range(width)]))
    return g.finish()


@pytest.mark.parametrize("graph", [chain, fan])
def test_the_work_is_linear_in_the_nodes(graph: Callable[[int], Graph]) -> None:
    small, large = (graph(size) for size in (300, 900))
    assemble_module(small)  # kinds of layers and names are remembered
    assert calls(lambda: assemble_module(large)) < 3.3 * calls(lambda: assemble_module(small))


@pytest.mark.parametrize("join", [Sum(), Product()])
def test_a_join_of_three_thousand_branches_is_built_and_run(join: Sum | Product) -> None:
    module = build_module(fan(3000, join), {})
    x = torch.full((1, *X.shape[1:]), 0.5 if isinstance(join, Sum) else 20.0)  # type: ignore[arg-type]
    expected = x.tanh() * 3000 if isinstance(join, Sum) else x.tanh() ** 3000
    torch.testing.assert_close(module(x), expected, rtol=3000 * 2.0**-24, atol=0)  # a rounding for each term


@pytest.mark.parametrize("join", [Sum(), Product()])
def test_a_long_join_rounds_as_a_short_one_does(join: Sum | Product) -> None:
    """A fold and a row of operators, from left to right, give the same bits."""
    terms = [torch.randn(5) for _ in range(MOST_TERMS + 1)]
    names = [f"t{index}" for index in range(len(terms))]
    namespace = {"torch": torch, "functools": __import__("functools"), **dict(zip(names, terms, strict=True))}
    long = eval(join.torch_source([], names), namespace)
    short = eval(join.torch_source([], names[:MOST_TERMS]), namespace)
    last = terms[-1]
    assert torch.equal(long, short + last if isinstance(join, Sum) else short * last)

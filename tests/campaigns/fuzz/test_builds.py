"""What `check` accepts, `build` builds: edited documents of the fuzzer, with Hypothesis."""

from __future__ import annotations

import tempfile
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from archc.builds.compilation import check_target, compile_target
from archc.diagnostics import SpecError
from archc.ir.budget import Budget, check_budget
from archc.ir.graph import Graph
from archc.nn import build_module
from archc.weights import InitializedWeights, read_all
from tests.campaigns.fuzz.documents import Document, draw_pool, varied

EXAMPLES = 400
SMALL = Budget(nodes=200, parameters=1 << 20, activation_bytes=1 << 24, multiply_adds=1 << 28)


def accepted(text: bytes) -> Graph | None:
    """The graph of a spec that `check` accepts; None if it is refused, or too large to build here."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        path.write_bytes(text)
        try:
            check_target(path, {})
        except SpecError:
            return None
        graph = compile_target(path, {})
    try:
        check_budget(graph, SMALL)
    except SpecError:
        return None
    return graph


@pytest.fixture(scope="module")
def pool() -> list[Document]:
    return draw_pool(60)


def test_what_check_accepts_build_builds(pool: list[Document]) -> None:
    built = 0

    @seed(11)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate, Phase.shrink],
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])  # fmt: skip
    @given(st.integers(0, 2**32), st.sampled_from(pool))
    def build(number: int, document: Document) -> None:
        nonlocal built
        graph = accepted(varied(Random(number), document))
        if graph is None:
            return
        weights = InitializedWeights(graph.parameters(), 0)
        module = build_module(graph, read_all(weights, list(weights))).eval()
        shape = [dim if isinstance(dim, int) else dim.optimum for dim in graph.input.type.shape[1:]]
        with torch.no_grad():
            module(torch.zeros(2, *shape))
        built += 1

    build()
    assert built > EXAMPLES / 10

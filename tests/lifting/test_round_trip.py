"""The text that is written of a graph compiles to the same graph, with the same tensors in the same order."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import archc
from archc.ir.graph import Graph
from archc.ir.printer import print_graph
from archc.lifting.decompile import spec_text
from archc.spec.bundled import bundled_specs
from tests.campaigns.random.networks import specs


def tensors(graph: Graph) -> list[tuple[object, ...]]:
    return [(each.path, each.shape, each.initializer, each.dtype, each.buffer) for each in graph.parameters()]


def assert_round_trip(graph: Graph, folder: Path, *, flat: bool = False) -> None:
    written = folder / "written.yaml"
    written.write_text(spec_text(graph, flat=flat), encoding="utf-8")
    found = archc.compile(written)
    assert print_graph(found) == print_graph(graph)
    assert tensors(found) == tensors(graph)


@pytest.mark.parametrize("flat", [False, True], ids=["blocks", "flat"])
@pytest.mark.parametrize("name", sorted(bundled_specs()))
def test_a_bundled_spec_that_is_written_anew_is_the_same_network(name: str, flat: bool, tmp_path: Path) -> None:
    assert_round_trip(archc.compile(name), tmp_path, flat=flat)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("random")


@seed(20_240_917)
@settings(
    max_examples=100,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)  # fmt: skip
@given(text=specs())
def test_a_random_network_that_is_written_anew_is_the_same(text: str, folder: Path) -> None:
    spec = folder / "random.yaml"
    spec.write_text(text, encoding="utf-8")
    assert_round_trip(archc.compile(spec), folder)


def test_a_network_is_written_the_same_a_second_time(tmp_path: Path) -> None:
    first = spec_text(archc.compile("resnet18"))
    (tmp_path / "resnet18.yaml").write_text(first, encoding="utf-8")
    assert spec_text(archc.compile(tmp_path / "resnet18.yaml")) == first

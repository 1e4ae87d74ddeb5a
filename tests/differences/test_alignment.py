"""Every operator is aligned, or told to stand alone; and nothing that differs is called equal."""

import random
import re
from itertools import islice

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import archc
from archc.diagnostics import SpecError
from archc.differences import Diff, compare
from archc.differences.plain import as_json
from archc.differences.sides import side_by_side
from archc.ir.graph import Graph
from archc.ir.printer import print_graph
from archc.ir.types import TensorType
from archc.spec.bundled import bundled_specs
from tests.campaigns.random.networks import specs
from tests.elaborate.specs import compiled

DECLARED = re.compile(r"(in_channels|in_features|num_features|num_channels|normalized_shape)=\d+(, )?")
PAIRS = list(islice((random.Random(1).sample(list(bundled_specs()), 2) for _ in iter(int, 1)), 12))


def check(one: Graph, other: Graph) -> Diff:
    """Compare both ways: every operator has its place in the summary, and in the rows."""
    found, back = compare(one, other), compare(other, one)
    for diff, first, second in ((found, one, other), (back, other, one)):
        assert diff.common + sum(lone.operators for lone in diff.removed) == len(first.nodes)
        assert diff.common + sum(lone.operators for lone in diff.inserted) == len(second.nodes)
        assert [row.one.path for row in diff.rows if row.one] == [node.path for node in first.nodes]
        assert [row.other.path for row in diff.rows if row.other] == [node.path for node in second.nodes]
        assert str(diff)
        assert as_json(diff)["equal"] == diff.is_equal
        assert list(side_by_side(diff))
    assert found.is_equal == back.is_equal
    return found


def structure(graph: Graph) -> tuple[str, list[TensorType]]:
    """The printed graph without the network's name and sizes that are only declared, and the ranges of the inputs."""
    printed = DECLARED.sub("", print_graph(graph).partition("\n")[2]).replace("[]", "")
    return printed, [value.type for value in graph.inputs]


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_any_two_networks_are_aligned(names: list[str]) -> None:
    assert check(*map(archc.compile, names)).verdict == "different"


@settings(max_examples=60, deadline=None)
@given(specs(), st.randoms(use_true_random=False))
def test_whatever_number_of_a_random_network_is_changed_it_is_equal_only_if_its_graph_is(
    text: str, draw: random.Random
) -> None:
    numbers = list(re.finditer(r"(?<![\w.$])\d+(?![\w.])", text))
    if not numbers:
        reject()
    place = draw.choice(numbers)
    edited = text[: place.start()] + str(int(place[0]) + draw.choice([1, 2, 8])) + text[place.end() :]
    one = compiled(text)
    assert check(one, compiled(text)).is_equal
    try:
        other = compiled(edited)
    except SpecError:
        reject()
    assert check(one, other).is_equal == (structure(one) == structure(other))


@settings(max_examples=15, deadline=None)
@given(specs(), specs())
def test_two_random_networks_are_aligned(one: str, other: str) -> None:
    check(compiled(one), compiled(other))

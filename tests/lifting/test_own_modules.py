"""The module that archc builds of a spec is lifted to the network of that spec."""

import pytest

import archc
from archc.spec.bundled import bundled_specs
from tests.lifting.same_nodes import lifted_again, lines

DIFFERENT = {"timm/hrnet_w18_small": "a sum of several is one of sums"}
"""Lifted to other, mostly equal, nodes, and at what the first differs."""


@pytest.mark.parametrize("name", sorted(set(bundled_specs()) - set(DIFFERENT)))
def test_the_module_of_a_spec_is_lifted_to_the_network_of_that_spec(name: str) -> None:
    graph = archc.compile(name)
    assert lines(lifted_again(archc.build(name), graph)) == lines(graph)

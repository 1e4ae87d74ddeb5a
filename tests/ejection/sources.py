"""Ejected sources that several tests read."""

import ast
from functools import cache
from typing import Any

import torch
from torch import nn

import archc
from archc.ejection.checking import has_shapes
from archc.ejection.network import Network, Style
from archc.ejection.source import Source, write
from archc.spec.bundled import bundled_specs
from archc.spec.loading import load_spec

LINTED = "E,W,F,I,UP,B,SIM,RUF,C4,PIE,PERF,N"
"""The rules of ruff that an ejected file keeps."""


@cache
def ejected(name: str) -> str:
    return archc.eject(name)


@cache
def planned(name: str) -> tuple[Network, Source]:
    """A bundled spec as source that has not been run: the first style with the right keys."""
    spec = load_spec(bundled_specs()[name])
    network = Network(spec, spec.resolve({}), max_nodes=10_000)
    plans = (network.plan(style, frozenset()) for style in Style)
    sources = (write(network, plan) for plan in plans if plan)
    return network, next(source for source in sources if has_shapes(source, {}, network.graph))


def run(source: str) -> nn.Module:
    """The network of a file: its last class."""
    names: dict[str, Any] = {"__name__": "ejected"}
    exec(source, names)
    last = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)][-1]
    network: nn.Module = names[last]()
    return network


def outputs(network: nn.Module, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    torch.manual_seed(1)
    with torch.no_grad():
        given = network(*[each.clone() for each in inputs])
    return [given] if isinstance(given, torch.Tensor) else list(given)


def assert_same(source: str, expected: nn.Module, shapes: list[list[int]]) -> None:
    written = run(source)
    assert list(written.state_dict()) == list(expected.state_dict())
    written.load_state_dict(expected.state_dict())
    inputs = [torch.randn(shape) for shape in shapes]
    for mode in (False, True):
        pairs = zip(outputs(written.train(mode), inputs), outputs(expected.train(mode), inputs), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)

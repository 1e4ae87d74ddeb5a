"""Specs written in a test."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from archc.builds.compilation import compile_spec
from archc.diagnostics import Source, SpecError
from archc.ir.graph import Graph
from archc.spec.loading import parse_text

HEAD = "name: net\ninput: {channels: 3, height: 32, width: 32}\n"


def compiled(text: str, folder: str | Path = ".", /, **settings: str) -> Graph:
    """The graph of a spec, whose file is called net.yaml. Raises SpecError."""
    return compile_spec(parse_text(Source("net.yaml", dedent(text)), Path(folder)), settings)


def layers(text: str, head: str = "", **settings: str) -> Graph:
    """The graph of these items over a 3x32x32 image; `head` holds further top-level keys. Raises SpecError."""
    more = f"{dedent(head).rstrip()}\n" if head else ""
    return compiled(f"{HEAD}{more}layers:\n{indent(dedent(text), '  ')}", ".", **settings)


def paths(graph: Graph) -> list[str]:
    """The nodes' paths."""
    return [node.path for node in graph.nodes]


def keys(graph: Graph) -> list[str]:
    """The `state_dict` keys."""
    return [parameter.path for parameter in graph.parameters()]


def refusal(text: str, head: str = "", **settings: str) -> str:
    """What is shown for a list of items that is wrong; the first item stands on line 4."""
    with pytest.raises(SpecError) as caught:
        layers(text, head, **settings)
    return f"{caught.value}\n"

"""Writes the most readable file of a network that does what the network does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from archc.diagnostics import ExportError
from archc.ejection.checking import agrees, has_shapes
from archc.ejection.network import Network, Style
from archc.ejection.source import Source, write
from archc.ir.budget import Budget, check_budget
from archc.spec.language.document import Spec


class Ejected(NamedTuple):
    """The text of a file, and the name of its network's class.

    A `plain` one has a class for each distinct module, because a more readable one did not do what the network does.
    """

    text: str
    class_name: str
    plain: bool


def eject_spec(
    spec: Spec, settings: Mapping[str, str], budget: Budget | None = None, *, small: bool = False
) -> Ejected:
    """A network as source, run beside the compiled network before it is returned; with `small` on small images alone.

    Raises: SpecError: with everything that is wrong with the spec; ExportError: no file does what the network does.
    """
    budget = budget or Budget.from_environment()
    network = Network(spec, spec.resolve(settings), budget.nodes)
    check_budget(network.graph, budget)
    for style in Style:
        if source := _proved(network, style, small=small):
            return Ejected(source.text, source.class_name, style is Style.PLAIN)
    message = f"no source was found that computes what {spec.name} does"
    raise ExportError(message, code="cannot-write", help="please report it with the spec")


def _proved(network: Network, style: Style, *, small: bool) -> Source | None:
    """The file in a style; None if it does not do what the network does.

    A parameter is an argument only if the file has the right tensors with a value of it that nothing was learnt from.
    """
    fixed: frozenset[str] = frozenset()
    while (planner := network.plan(style, fixed)) and agrees(source := write(network, planner), network.graph, small):
        wrong = {name for name in source.arguments if not _follows(source, network, name)}
        if not wrong:
            return source
        fixed |= wrong
    return None


def _follows(source: Source, network: Network, name: str) -> bool:
    held_out = network.held_out(name)
    return held_out is not None and has_shapes(source, {name: held_out[0]}, held_out[1])

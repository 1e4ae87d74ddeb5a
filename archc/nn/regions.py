"""Cuts a graph into its scopes: which steps each module's `forward` takes, from which values to which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from archc.ir.graph import Graph, Node, Scope


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a `forward`: a node or a whole child region, by its name below the scope ("" for a composite).

    An `inline` node is an expression in the line; anything else is a module, which is `used` again if an earlier line
    had it.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    node: Node | None = None
    inline: bool = False
    used: bool = False


@dataclass
class Region:
    """A scope with what it computes: `inputs` and `outputs` are values that cross its border.

    `parts` are its own nodes and its child regions, each of these where its first node stands.
    """

    scope: Scope
    parts: list[Node | Region] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def children(self) -> Iterator[Region]:
        """The regions inside."""
        return (part for part in self.parts if isinstance(part, Region))

    @cached_property
    def steps(self) -> list[Step]:
        """What `forward` does, in order."""
        return [_step(part, in_sequence=self.scope.sequence) for part in self.parts]

    def is_sequence(self) -> bool:
        """True if its modules lie directly below it, by position: what nn.Sequential holds."""
        return self.scope.sequence and all("." not in step.name for step in self.steps)

    def is_chain(self) -> bool:
        """True if each step is a module and takes just the one value that the one before gave."""
        previous = self.inputs
        for step in self.steps:
            if step.inputs != previous or len(previous) != 1 or step.inline:
                return False
            previous = step.outputs
        return previous == self.outputs


def cut(graph: Graph) -> Region:
    """The root region of a graph, its children inside. Scopes without nodes are left out."""
    scopes = {scope.path: scope for scope in graph.scopes}
    regions: dict[str, Region] = {"": Region(scopes[""])}
    for node in graph.nodes:
        for path in _lineage(scopes, node.scope):
            if path not in regions:
                regions[path] = Region(scopes[path])
                regions[scopes[path].parent].parts.append(regions[path])
            regions[path].nodes.append(node)
        regions[node.scope].parts.append(node)
    users = _users(graph)
    for region in regions.values():
        _find_borders(region, users)
    regions[""].inputs = tuple([value.name for value in graph.inputs])  # used or not
    return regions[""]


def _lineage(scopes: dict[str, Scope], path: str) -> list[str]:
    """The scope's path and its ancestors', outermost first."""
    lineage = [path]
    while lineage[-1]:
        lineage.append(scopes[lineage[-1]].parent)
    return lineage[::-1]


def _users(graph: Graph) -> dict[str, list[int]]:
    """For every value the identities of the nodes that use it; -1 stands for the caller of the network."""
    users: dict[str, list[int]] = {}
    for node in graph.nodes:
        for value in node.inputs:
            users.setdefault(value.name, []).append(id(node))
    for output in graph.outputs:
        users.setdefault(output.value.name, []).append(-1)
    return users


def _find_borders(region: Region, users: dict[str, list[int]]) -> None:
    inside = {id(node) for node in region.nodes}
    produced = [value.name for node in region.nodes for value in node.outputs]
    made_here = set(produced)
    used = (value.name for node in region.nodes for value in node.inputs)
    region.inputs = tuple(dict.fromkeys(name for name in used if name not in made_here))
    region.outputs = tuple(name for name in produced if any(user not in inside for user in users.get(name, ())))


def _step(part: Node | Region, *, in_sequence: bool) -> Step:
    if isinstance(part, Region):
        return Step(part.scope.name, part.inputs, part.outputs, used=bool(part.scope.shares))
    inputs, outputs = (tuple([value.name for value in values]) for values in (part.inputs, part.outputs))
    # In a numbered scope an expression is a module as well, so that the indices have no gaps.
    expression, composite = part.operator.is_expression() or bool(part.keys), part.operator.is_composite()
    is_module = not expression or (in_sequence and not composite and not part.keys and part.operator.arity != 0)
    return Step(part.name, inputs, outputs, part, inline=not is_module, used=bool(part.shares))

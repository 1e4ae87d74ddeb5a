"""Cuts a graph into its scopes: which steps each module's `forward` takes, from which values to which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from archc.ir.graph import Graph, Node, Scope
from archc.nn.lowering import EXPRESSIONS


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a `forward`: a node or a whole child region, by its name below the scope ("" for a composite).

    An `inline` node is an expression in the line; anything else is a module.
    """

    name: str
    inputs: tuple[str, ...]
    output: str
    node: Node | None = None
    inline: bool = False


@dataclass
class Region:
    """A scope with what it computes: `inputs` and `outputs` are values that cross its border."""

    scope: Scope
    children: dict[str, Region] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def is_sequence(self) -> bool:
        """Whether its modules lie directly below it, by position: what nn.Sequential holds."""
        return self.scope.sequence and all("." not in step.name for step in self.steps)

    def is_chain(self) -> bool:
        """Whether each step is a module and takes just what the one before gave."""
        previous = self.inputs
        for step in self.steps:
            if step.inputs != previous or step.inline:
                return False
            previous = (step.output,)
        return previous == self.outputs


def cut(graph: Graph) -> Region:
    """The root region of a graph, its children inside. Scopes without nodes are left out."""
    scopes = {scope.path: scope for scope in graph.scopes}
    regions: dict[str, Region] = {"": Region(scopes[""])}
    for node in graph.nodes:
        for path in _lineage(scopes, node.scope):
            if path not in regions:
                regions[path] = regions[scopes[path].parent].children[path] = Region(scopes[path])
            regions[path].nodes.append(node)
    users = _users(graph)
    for region in regions.values():
        _find_borders(region, users)
    for region in regions.values():
        region.steps = list(_steps(region))
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
    produced = [node.output.name for node in region.nodes]
    made_here = set(produced)
    used = (value.name for node in region.nodes for value in node.inputs)
    region.inputs = tuple(dict.fromkeys(name for name in used if name not in made_here))
    region.outputs = tuple(name for name in produced if any(user not in inside for user in users.get(name, ())))


def _steps(region: Region) -> Iterable[Step]:
    entered: set[str] = set()
    for node in region.nodes:
        if node.scope == region.scope.path:
            inputs = tuple(value.name for value in node.inputs)
            # In a numbered scope an expression is a module as well, so that the indices have no gaps.
            module = node.operator.word not in EXPRESSIONS or (node.name and region.scope.sequence)
            yield Step(node.name, inputs, node.output.name, node, inline=not module)
            continue
        path = next(path for path, child in region.children.items() if _contains(path, node.scope))
        if path not in entered:
            entered.add(path)
            child = region.children[path]
            (output,) = child.outputs
            yield Step(child.scope.name, child.inputs, output)


def _contains(path: str, scope: str) -> bool:
    return scope == path or scope.startswith(f"{path}.")

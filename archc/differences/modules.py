"""A graph as a tree of modules, in the order in which they run, with what tells how alike two of them are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from archc.ir.graph import Graph, Node
from archc.ir.operator import Operator


@dataclass(eq=False)
class Module:
    """An operator, which has a node, or a scope, which has children. `name` is the last part of its path."""

    path: str
    name: str
    class_name: str = ""
    node: Node | None = None
    children: list[Module] = field(default_factory=list)

    @cached_property
    def nodes(self) -> list[Node]:
        """The nodes in it."""
        return [self.node] if self.node else [node for child in self.children for node in child.nodes]

    @cached_property
    def words(self) -> Counter[str]:
        """How many operators of each word are in it."""
        return Counter(node.operator.word for node in self.nodes)

    @cached_property
    def operators(self) -> Counter[Operator]:
        """How many operators with the same fields are in it."""
        return Counter(node.operator for node in self.nodes)

    @cached_property
    def digest(self) -> int:
        """Equal for modules that are built alike, whatever their names."""
        return hash(self.node.operator if self.node else tuple(child.digest for child in self.children))

    @property
    def has_own_name(self) -> bool:
        """True if a person named it: it is neither a number nor the word of its operator."""
        word = self.node.operator.word if self.node else ""
        return not self.name.isdecimal() and not (word and self.name.startswith(word))

    def operators_below(self) -> Iterator[Module]:
        """The modules of its operators, itself included."""
        if self.node:
            yield self
        for child in self.children:
            yield from child.operators_below()


def tree(graph: Graph) -> Module:
    """The whole network, whose path is empty."""
    scopes = {scope.path: scope for scope in graph.scopes}
    modules = {"": Module("", "")}

    def module(path: str) -> Module:
        """The module of a scope. Side effect: it is put into its parent when it is first asked for."""
        if path not in modules:
            scope = scopes[path]
            modules[path] = Module(path, _name(path, scope.parent), scope.class_name)
            module(scope.parent).children.append(modules[path])
        return modules[path]

    for node in graph.nodes:
        module(node.scope).children.append(Module(node.path, _name(node.path, node.scope), node=node))
    return modules[""]


def _name(path: str, parent: str) -> str:
    return path.removeprefix(parent).lstrip(".:")

"""Where something stands on both sides, and in which attributes two modules of one path differ."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from torch import nn

from archc.compare.factory import is_own, shown
from archc.ir.graph import Graph, Node

_UNSEEN = {"training", "inplace"}  # attributes that decide nothing about a network


def node_place(node: Node) -> str:
    """`conv2d layer1.0.conv1 (resnet18.yaml:12)`."""
    return f"{node_name(node)} ({node.position})" if node.position else node_name(node)


def node_name(node: Node) -> str:
    """`conv2d layer1.0.conv1`, or `sum in layer1.0` for a composite, which has no name of its own."""
    where = node.path if node.name else f"in {node.scope or 'the network'}"
    return f"{node.operator.word} {where}"


def spec_place(graph: Graph, path: str) -> str | None:
    """The place of the first node that is this module or lies in it, or the node that has this key."""
    inside = (node for node in graph.nodes if f"{node.module}.".startswith(f"{path}."))
    owners = (node for node in graph.nodes if any(parameter.path == path for parameter in node.parameters))
    node = next(owners, None) or next(inside, None)
    return node_place(node) if node else None


def module_place(root: nn.Module, path: str) -> str:
    """`bn1, a BatchNorm2d of ResNet (net.py:12)`: the class, and the place of it or of the class around it."""
    owner = submodule(root, path) or root
    around = submodule(root, path.rpartition(".")[0]) or root
    place = class_place(type(owner)) or class_place(type(around))
    kind = type(owner).__name__
    told = f"{path}, a {kind}" if path else kind
    return f"{told} ({place})" if place else told


def class_place(kind: type) -> str | None:
    """`file:line` of a person's own class; None for one of PyTorch."""
    try:
        file, (_, line) = inspect.getsourcefile(kind), inspect.getsourcelines(kind)
    except (OSError, TypeError):
        return None
    return f"{shown(file)}:{line}" if file and is_own(file) else None


def submodule(root: nn.Module, path: str) -> nn.Module | None:
    """The module at a path, if there is one."""
    return dict(root.named_modules(remove_duplicate=False)).get(path)


def attributes(ours: nn.Module | None, theirs: nn.Module | None) -> Iterator[str]:
    """`eps is 1e-05 in the spec, and 0.001 in the module`, for each attribute in which two modules differ."""
    if ours is None or theirs is None:
        return
    one, other = type(ours).__name__, type(theirs).__name__
    if one != other and type(ours).__module__.startswith("torch.nn") and not any(theirs.children()):
        yield f"it is {_article(one)} in the spec, and {_article(other)} in the module"
    for name in sorted(vars(ours).keys() & vars(theirs).keys() - _UNSEEN):
        own, their = (_plain(vars(module)[name]) for module in (ours, theirs))
        if own and their and own != their and not name.startswith("_"):
            yield f"{name} is {vars(ours)[name]} in the spec, and {vars(theirs)[name]} in the module"


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def _plain(value: Any) -> tuple[Any, ...]:
    """A number, text or tuple of these as a tuple, in which equal numbers are one: PyTorch takes either. Else empty."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    plain = all(each is None or isinstance(each, int | float | str) for each in values)
    return (values[:1] if len(set(values)) == 1 else values) if plain else ()

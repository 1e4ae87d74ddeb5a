"""`$height` and `$width` of values whose axes were moved: they are the last two axes of any image, whatever lies there.

Each axis of a value has the axes of the image along which it runs: `b c (h p) (w q) -> b (h w) (p q) c` gives the
batch, height and width, height and width, channels. None is what nobody knows, such as a part of an axis that runs
along both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from archc.diagnostics import Diagnostic, Note, Span
from archc.elaborate.environment import SIZES
from archc.ir.graph import Graph, Node
from archc.spec.language.document import Spec
from archc.spec.language.items import Call, Item
from archc.spec.language.unused import all_items, words_in

Axes = tuple[frozenset[str] | None, ...]

IMAGE: Axes = tuple([frozenset([name]) for name in ("batch", "channels", "height", "width")])
OTHER = {"height": "width", "width": "height"}


def moved_sizes(spec: Spec, graph: Graph) -> Iterator[Diagnostic]:
    """A warning for each `rearrange` that asks for a height or width where the value has none of it there."""
    asked = dict(_asked(spec))
    if not asked:
        return
    runs, producers = _axes(graph), {value.name: node for node in graph.nodes for value in node.outputs}
    found: dict[Span | None, Diagnostic] = {}  # copies of a block are at one place
    for node in graph.nodes:
        for name in asked.get(node.span, ()):
            x = node.inputs[0]
            axis = x.type.ndim + SIZES[name][0]
            along = runs[x.name][axis] if x.name in runs else None
            if along and (name not in along or OTHER[name] in along):
                found.setdefault(node.span, _warning(node, name, axis, along, producers.get(x.name)))
    yield from found.values()


def _asked(spec: Spec) -> Iterator[tuple[Span | None, list[str]]]:
    """Where a `rearrange` is called, and the names of sizes that its fields read."""
    bodies: list[tuple[tuple[Item, ...], set[str]]] = [(spec.items, {*spec.parameters})]
    bodies += [(block.items, {*block.parameters, *block.let}) for block in spec.blocks.values()]
    for items, declared in bodies:
        for item in all_items(items):
            if isinstance(item, Call) and item.word == "rearrange":
                words = words_in(item.fields)
                yield item.span, [name for name in OTHER if f"${name}" in words and name not in declared]


def _axes(graph: Graph) -> dict[str, Axes]:
    """The values whose axes are known, by name."""
    found = {value.name: IMAGE for value in graph.inputs if value.type.ndim == len(IMAGE)}
    for node in graph.nodes:
        operator, x = node.operator, node.inputs[0] if node.inputs else None
        if operator.word.endswith("2d") and node.output.type.ndim == len(IMAGE):
            found[node.output.name] = IMAGE
        elif x and x.name in found:
            follows = operator.follows(x.type)
            if len(follows) == node.output.type.ndim:
                found[node.output.name] = _moved(found[x.name], follows, operator.linear_axis == -1)
    return found


def _moved(axes: Axes, follows: tuple[tuple[int, ...], ...], linear: bool) -> Axes:
    """The axes that an operator gives; the last one of a linear layer holds channels."""
    parts = Counter(axis for group in follows for axis in group)
    moved = [_joined([_part(axes[axis], parts[axis]) for axis in group]) for group in follows]
    return (*moved[:-1], frozenset(["channels"])) if linear else tuple(moved)


def _part(along: frozenset[str] | None, parts: int) -> frozenset[str] | None:
    """What a part of an axis runs along, if it has several."""
    return along if along and (parts == 1 or len(along) == 1) else None


def _joined(parts: list[frozenset[str] | None]) -> frozenset[str] | None:
    known = [part for part in parts if part is not None]
    return frozenset().union(*known) if len(known) == len(parts) else None


def _warning(node: Node, name: str, axis: int, along: frozenset[str], producer: Node | None) -> Diagnostic:
    type = node.inputs[0].type
    notes = (Note(f"{producer.operator.word} produces {type} here", producer.span),) if producer else ()
    shown = " and ".join(sorted(along)) or "nothing"
    message = f"${name} is axis {axis} of {type} here, which runs along the {shown} of the image"
    help = f"read ${name} before the axes are moved: under 'let', or hand it to a block as a parameter"
    return Diagnostic("likely-mistake", message, node.span, notes, help, warning=True)

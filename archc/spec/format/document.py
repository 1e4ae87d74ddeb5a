"""A whole document: the order of its keys, and the blank lines between them."""

from __future__ import annotations

from collections.abc import Sequence

from archc.spec.format.flow import flow, leaf
from archc.spec.format.layout import lines_of
from archc.spec.format.nodes import Group, Leaf, Node
from archc.spec.format.short_forms import shorten
from archc.spec.language.parsing import BODIES, PIECES

ORDER = (
    *("name", "source", "input", "inputs", "parameters", "use", "init", "defaults", "ramps", "blocks", "outputs"),
    *("layers", *PIECES),
)
"""The keys of a spec."""

ORDER_OF_BLOCK = ("parameters", "let", "results", *BODIES)
BROKEN = ("inputs", "parameters", "init", "defaults", "ramps", "blocks", "layers", *PIECES)
"""Keys of a spec whose values have a line for each of their parts."""

AFTER_A_BLANK_LINE = ("blocks", "layers", *PIECES)


def text_of(root: Node) -> str:
    """The text of a document. Side effect: arranges it."""
    if isinstance(root, Leaf):
        return f"{leaf(root)}\n"
    if root.is_mapping and root.parts:
        _arrange(root)
    _tidy(root)
    head = [] if root.parts and not root.anchor else [flow(Group(root.is_mapping, anchor=root.anchor))]
    head = [f"&{root.anchor}"] if root.parts and root.anchor else head
    return "\n".join([*head, *lines_of(root, broken=BROKEN if root.is_mapping else ())]) + "\n"


def _arrange(root: Group) -> None:
    """Side effect: brings keys in order, shortens calls, and separates the blocks and the network by blank lines."""
    header, root.parts[0].above = root.parts[0].above, []
    _sort(root, root, ORDER)
    blocks = root.values().get("blocks")
    for definition in blocks.values().values() if isinstance(blocks, Group) else ():
        if isinstance(definition, Group) and definition.is_mapping:
            _sort(definition, root, ORDER_OF_BLOCK)
    shorten(root)
    for part in root.parts[1:]:
        if part.key and part.key.text in AFTER_A_BLANK_LINE:
            part.above.insert(0, "")
    root.parts[0].above[:0] = header


def _sort(group: Group, root: Group, order: Sequence[str]) -> None:
    """Bring the keys in order, unless an alias changes its place among the anchors.

    A key that is not in the order stays behind the one that it stands behind.
    """
    places, last = {}, -1
    for key in group.values():
        last = places[key] = order.index(key) if key in order else last
    before, written = list(root.anchors()), group.parts
    group.parts = sorted(written, key=lambda part: places[part.key.text] if part.key else last)
    if list(root.anchors()) != before:
        group.parts = written


def _tidy(group: Group) -> None:
    """Side effect: leaves one blank line of several, and none where a group begins or ends."""
    for part in group.parts:
        part.above = [line for line, before in zip(part.above, ["-", *part.above], strict=False) if line or before]
        if isinstance(part.value, Group):
            _tidy(part.value)
    if group.parts and group.parts[0].above[:1] == [""]:
        del group.parts[0].above[0]
    group.end = [line for line, before in zip(group.end, ["-", *group.end], strict=False) if line or before]

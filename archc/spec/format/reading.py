"""Text -> nodes with comments.

The parser's events become nodes, and what a comment can belong to is noted with its place (`comments.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from archc.diagnostics import Source, SpecError
from archc.diagnostics.spans import Place
from archc.spec.format import scalars
from archc.spec.format.comments import Places, Region, Stretch
from archc.spec.format.document import text_of
from archc.spec.format.layout import STEP
from archc.spec.format.nodes import Group, Leaf, Node, Part
from archc.spec.tree import Mapping
from archc.spec.yaml.loader import load
from archc.spec.yaml.scalars import resolve

_GAP = re.compile(r"[:,] {2,}\S")
AS_WRITTEN = ("name", "source", "use", "outputs", "mark", "from", "share", "output", "results", "keys")
"""Keys below which a number is a name, which stays as it is written: 1.10 is not 1.1."""


def read(source: Source) -> Node:
    """The document of a source that the loader accepts."""
    reader = _Reader(source)
    root = reader.node(reader.event(), None)
    if isinstance(root, Group):
        reader.places.attach(root, source.lines)
    return root


class _Reader:
    """Makes nodes of events, which nest as deep as the loader allows."""

    def __init__(self, source: Source) -> None:
        self.places = Places()
        self._events = _events(source)
        self._lines = source.lines

    def event(self) -> Any:
        """The next event."""
        return next(self._events)

    def node(self, event: Any, stretch: Stretch | None, *, as_written: bool = False) -> Node:
        """The node that begins with this event; `stretch` is what holds it."""
        if isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            return self._group(event, stretch, as_written=as_written)
        self.places.add_token(event)
        if stretch is not None:
            stretch.end = _end(event)
        if isinstance(event, yaml.AliasEvent):
            return Leaf(f"*{event.anchor}", is_text=False)
        return _leaf(event, as_written=as_written)

    def _group(self, event: Any, stretch: Stretch | None, *, as_written: bool) -> Group:
        group = Group(isinstance(event, yaml.MappingStartEvent), is_flow=event.flow_style, anchor=event.anchor or "")
        region = Region(group, event.start_mark.column, stretch)
        while not isinstance(following := self.event(), yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._part(following, region, as_written=as_written)
        region.end = _end(following)
        group.is_aligned = group.is_flow and self._has_columns(event.start_mark, following.end_mark)
        return group

    def _has_columns(self, start: Any, end: Any) -> bool:
        """True if there are more spaces between values than one."""
        return start.line == end.line and bool(_GAP.search(self._lines[start.line], start.column, end.column))

    def _part(self, event: Any, region: Region, *, as_written: bool) -> None:
        part = Part(Leaf(""))
        begin = event.start_mark.line, event.start_mark.column
        stretch = self.places.add_stretch(part, region, begin)
        if region.group.anchor and not region.group.parts:  # its event begins at the anchor
            region.column = begin[1] - (0 if region.group.is_mapping else STEP)
        if region.group.is_mapping:
            key = self.node(event, stretch, as_written=True)
            assert isinstance(key, Leaf), "the loader refuses other keys"
            part.key, event = key, self.event()
            as_written = as_written or key.text in AS_WRITTEN
        region.group.parts.append(part)
        part.value = self.node(event, stretch, as_written=as_written)


def _events(source: Source) -> Iterator[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(source.text)
    while loader.check_event():
        event = loader.get_event()
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            yield event


def _leaf(event: Any, *, as_written: bool) -> Leaf:
    anchor = event.anchor or ""
    value = resolve(event.value) if event.tag is None and event.implicit[0] else event.value
    if isinstance(value, str):
        return Leaf(event.value, anchor=anchor)
    is_short = as_written or (isinstance(value, int) and not isinstance(value, bool))
    return Leaf(event.value if is_short and event.value else scalars.number(value), is_text=False, anchor=anchor)


def _end(event: Any) -> Place:
    return event.end_mark.line, event.end_mark.column


def format_text(text: str, name: str = "<string>") -> str:
    """The same document in the canonical style, with its comments and the blank lines between its parts.

    `name` is that of the file, for messages. Raises: SpecError: it is no YAML that archc reads, or no mapping.
    """
    source = Source(name, text)
    tree = load(source)
    if not isinstance(tree, Mapping):
        raise SpecError("a spec is a mapping", code="wrong-kind", span=tree.span)
    return text_of(read(source))

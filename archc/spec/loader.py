"""YAML text -> data with positions.

The parser's events are read one by one and composed on an explicit stack, with every limit applied while reading: PyYAML's
own loaders recurse, keep the last of two equal keys and follow YAML 1.1, and its C parser takes time quadratic in depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from archc.diagnostics import Diagnostic, Note, Source, Span, SpecError
from archc.spec.scalars import resolve
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree

_STRING_TAGS = ("!", "tag:yaml.org,2002:str")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may hold at most. An alias counts as all that it stands for."""

    bytes: int = 1 << 20
    depth: int = 64
    nodes: int = 100_000
    scalar_characters: int = 4096
    integer_digits: int = 18


def read_source(path: str | Path, limits: Limits = Limits()) -> Source:  # noqa: B008  (immutable)
    """The text of a file. Raises SpecError: it cannot be read, is too large, or is not UTF-8 without a byte-order mark."""
    try:
        with Path(path).open("rb") as file:
            data = file.read(limits.bytes + 1)
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}", code="unreadable") from None
    if len(data) > limits.bytes:
        raise SpecError(f"{path} has more than {limits.bytes:,} bytes", code="too-large")
    if data.startswith(b"\xef\xbb\xbf"):
        raise SpecError(
            f"{path} begins with a byte-order mark", code="bad-encoding", help="save it as UTF-8 without one"
        )
    try:
        return Source(str(path), data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(f"{path} is not UTF-8: see line {line}", code="bad-encoding") from None


def load(source: Source, limits: Limits = Limits()) -> Tree:  # noqa: B008  (immutable)
    """The one document of a source. Raises SpecError with every problem up to the first that stops the parser."""
    if len(source.text.encode("utf-8", "surrogatepass")) > limits.bytes:
        raise SpecError(f"{source.name} has more than {limits.bytes:,} bytes", code="too-large")
    return _Composer(source, limits).compose()


@dataclass
class _Open:
    """A list or mapping that is still being read; `key` is the key whose value comes next."""

    event: Any
    anchor: str | None
    items: list[Tree] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    awaits_value: bool = False
    is_mapping: bool = False


class _Composer:
    """Builds one tree from events."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self._source, self._limits = source, limits
        self._problems: list[Diagnostic] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Tree, int]] = {}
        self._nodes = 0
        self._root: Tree | None = None

    def compose(self) -> Tree:
        documents = 0
        for event in self._events():
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        self._stop("several-documents", "a spec is one document", self._span(event))
                case yaml.ScalarEvent():
                    self._count(1, event)
                    self._place(self._scalar(event), event.anchor)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._open(event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._close(event)
        if self._problems:
            raise SpecError(self._problems)
        if self._root is None:
            raise SpecError("the document is empty", code="empty", span=Span(self._source, 0, 0, 0, 0))
        return self._root

    def _events(self) -> Iterator[Any]:
        loader = getattr(yaml, "CLoader", yaml.Loader)
        try:
            parser = loader(self._source.text)
            while parser.check_event():
                yield parser.get_event()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            span = Span(self._source, mark.line, mark.column, mark.line, mark.column + 1) if mark else None
            self._stop("syntax", f"not YAML: {error.problem or error.context}", span)
        except yaml.YAMLError as error:
            self._stop("syntax", f"not YAML: {getattr(error, 'reason', error)}", None)

    def _scalar(self, event: Any) -> Scalar:
        span, text = self._span(event), event.value
        if len(text) > self._limits.scalar_characters:
            self._stop(
                "too-large", f"a scalar of more than {self._limits.scalar_characters} characters", span
            )
        self._check_tag(event, span)
        if not event.implicit[0] or event.tag in _STRING_TAGS:
            return Scalar(text, text, span)
        if len(text) > self._limits.integer_digits and text.lstrip("+-").isdigit():
            self._report("too-large", f"an integer of more than {self._limits.integer_digits} digits", span)
            return Scalar(0, text, span)
        try:
            return Scalar(resolve(text), text, span)
        except OverflowError:
            self._report("too-large", "a number beyond the range of float64", span)
            return Scalar(0.0, text, span)

    def _check_tag(self, event: Any, span: Span) -> None:
        if event.tag is not None and event.tag not in _STRING_TAGS:
            self._report("unknown-tag", f"specs have no tags such as {event.tag}", span)

    def _open(self, event: Any) -> None:
        span = self._span(event)
        self._count(1, event)
        if len(self._stack) >= self._limits.depth:
            self._stop("too-deep", f"more than {self._limits.depth} levels of nesting", span)
        if event.tag is not None:
            self._report("unknown-tag", f"specs have no tags such as {event.tag}", span)
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(event, event.anchor, is_mapping=mapping))

    def _close(self, event: Any) -> None:
        opened = self._stack.pop()
        start, end = opened.event.start_mark, event.end_mark
        span = Span(self._source, start.line, start.column, end.line, end.column)
        tree: Tree = (
            Mapping(opened.entries, span) if opened.is_mapping else Sequence(tuple(opened.items), span)
        )
        self._place(tree, opened.anchor)

    def _alias(self, event: Any) -> None:
        span = self._span(event)
        if event.anchor not in self._anchors:
            self._stop("bad-alias", f"there is no complete anchor '{event.anchor}' before this alias", span)
        tree, nodes = self._anchors[event.anchor]
        self._count(nodes, event)
        self._place(tree, None)

    def _place(self, tree: Tree, anchor: str | None) -> None:
        """Put a finished value where it belongs: the root, a list, a key, or a key's value."""
        if anchor:
            self._anchors[anchor] = (tree, _size(tree))
        if not self._stack:
            self._root = tree
            return
        parent = self._stack[-1]
        if not parent.is_mapping:
            parent.items.append(tree)
        elif parent.awaits_value:
            parent.awaits_value = False
            if parent.key is not None:
                parent.entries[str(parent.key.value)] = Entry(parent.key, tree)
        else:
            parent.awaits_value = True
            parent.key = self._key(tree, parent)

    def _key(self, tree: Tree, parent: _Open) -> Scalar | None:
        """The key, or None (and a problem) for one that cannot be."""
        if not isinstance(tree, Scalar) or not isinstance(tree.value, str):
            shown = f" '{tree.text}'" if isinstance(tree, Scalar) else ""
            self._report("bad-key", f"a key must be a word, and{shown or ' this'} is not", tree.span)
            return None
        if tree.value == "<<":
            self._report("merge-key", "merge keys are not part of YAML 1.2", tree.span)
            return None
        if tree.value in parent.entries:
            first = parent.entries[tree.value].key.span
            self._report(
                "duplicate-key",
                f"the key '{tree.value}' is here twice",
                tree.span,
                Note("the first one", first),
            )
            return None
        return tree

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > self._limits.nodes:
            self._stop(
                "too-large", f"more than {self._limits.nodes:,} values, aliases expanded", self._span(event)
            )

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self._source, start.line, start.column, end.line, end.column)

    def _report(self, code: str, message: str, span: Span | None, *notes: Note) -> None:
        self._problems.append(Diagnostic(code, message, span, notes))

    def _stop(self, code: str, message: str, span: Span | None) -> None:
        self._report(code, message, span)
        raise SpecError(self._problems)


def _size(tree: Tree) -> int:
    """Number of values in a tree, itself included."""
    count, waiting = 0, [tree]
    while waiting:
        current = waiting.pop()
        count += 1
        if isinstance(current, Sequence):
            waiting.extend(current.items)
        elif isinstance(current, Mapping):
            waiting.extend(entry.value for entry in current.entries.values())
    return count

"""YAML text -> data with positions.

    read_source(path) -> Source         the text of a file
    load(source) -> Tree                its one document; raises SpecError with every problem
    compose(source) -> Tree, problems   the same, with what could be read despite the problems

The parser's events are read one by one and composed on an explicit stack, with every limit applied while
reading: PyYAML's own loaders recurse, keep the last of two equal keys and follow YAML 1.1, and its C parser
takes time quadratic in depth. Scalars follow YAML 1.2 (`scalars.py`). Duplicate keys, tags, merge keys,
several documents and keys that are not words are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import yaml

from archc.diagnostics import MAX_EXCERPT, MAX_PROBLEMS, Diagnostic, Note, Source, Span, SpecError, did_you_mean
from archc.diagnostics.codes import Code
from archc.files import open_regular
from archc.spec.repair.commas import goes_on, join_cut_entries, join_cut_items
from archc.spec.repair.hints import bracket_meant, fields_meant
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable
from archc.spec.yaml.scalars import resolve

_STRING_TAGS = ("!", "tag:yaml.org,2002:str")

# What YAML 1.2 does not allow as it stands, and what its parsers count as a line break but editors do not.
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may hold at most. An alias counts as all that it stands for."""

    bytes: int = 1 << 20
    depth: int = 64
    nodes: int = 100_000
    scalar_characters: int = 4096
    expression_characters: int = 100_000
    problems: int = MAX_PROBLEMS


DEFAULT_LIMITS = Limits()


def read_source(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Source:
    """The text of a file.

    Raises: SpecError: it cannot be read, is too large, or is not UTF-8 without a byte-order mark.
    """
    try:
        with open_regular(path) as file:
            data = file.read(limits.bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"cannot read {path}: {reason}", code="unreadable") from None
    if len(data) > limits.bytes:
        raise _too_large(Source(str(path), data[:MAX_EXCERPT].decode("utf-8", "replace")), limits)
    try:
        return Source(str(path), data.decode("utf-8"))
    except UnicodeDecodeError as error:
        before = Source(str(path), data[: error.start].decode("utf-8"))
        line, column = len(before.lines) - 1, len(before.lines[-1])
        text = Source(str(path), data.decode("utf-8", "replace"))
        span = Span(text, line, column, line, column + 1)
        raise SpecError("this is not UTF-8", code="bad-encoding", span=span, help="save the file as UTF-8") from None


def _too_large(source: Source, limits: Limits) -> SpecError:
    message = f"{source.name} has more than {limits.bytes:,} bytes"
    return SpecError(message, code="too-large", span=Span(source, 0, 0, 0, 0))


def load(source: Source, limits: Limits = DEFAULT_LIMITS) -> Tree:
    """The one document of a source. Raises SpecError with every problem up to one that stops the parser."""
    tree, problems = compose(source, limits)
    if problems:
        raise SpecError(problems)
    return tree


def compose(source: Source, limits: Limits = DEFAULT_LIMITS) -> tuple[Tree, list[Diagnostic]]:
    """The one document of a source as far as it can be understood, and what is wrong with it.

    Raises: SpecError: a problem after which nothing can be read.
    """
    if len(source.text) > limits.bytes or len(source.text.encode("utf-8", "replace")) > limits.bytes:
        raise _too_large(source, limits)
    _refuse_forbidden_character(source)
    _refuse_many_directives(source, limits)
    composer = _Composer(source, limits)
    return composer.compose(), composer.problems


def _refuse_forbidden_character(source: Source) -> None:
    match = _FORBIDDEN.search(source.text)
    if match is None:
        return
    before = Source(source.name, source.text[: match.start()])
    line, column = len(before.lines) - 1, len(before.lines[-1])
    span = Span(source, line, column, line, column + 1)
    if match[0] == "\ufeff":
        help = "save the file as UTF-8 without one"
        raise SpecError("there is a byte-order mark here", code="bad-encoding", span=span, help=help)
    shown = f"U+{ord(match[0]):04X}"
    raise SpecError(f"the character {shown} is not allowed in a spec", code="bad-character", span=span)


def _refuse_many_directives(source: Source, limits: Limits) -> None:
    """libyaml compares each `%TAG` with all before it: 40,000 of them take seconds."""
    directives = islice(_TAG_DIRECTIVE.finditer(source.text), limits.problems, None)
    if (match := next(directives, None)) is not None:
        before = Source(source.name, source.text[: match.start()])
        line = len(before.lines) - 1
        span = Span(source, line, 0, line, len(match[0]))
        raise SpecError("a spec has no tags, and here are too many directives", code="too-large", span=span)


@dataclass(slots=True)
class _Open:
    """A list or mapping that is still being read; the value of `key` comes next, and is lost if the key is refused."""

    event: Any
    first_node: int
    is_mapping: bool
    height: int = 1
    items: list[Tree] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    lost: list[Entry] = field(default_factory=list)
    key: Scalar | None = None
    is_refused: bool = False


class _Anchored(NamedTuple):
    """What an alias stands for: a value, the number of values in it, and how deep they are nested."""

    tree: Tree
    nodes: int
    height: int


class _Composer:
    """Builds one tree from events."""

    def __init__(self, source: Source, limits: Limits) -> None:
        self.problems: list[Diagnostic] = []
        self._source, self._limits = source, limits
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = self._expressions = 0
        self._root: Tree | None = None

    def compose(self) -> Tree:
        """The tree. Raises SpecError if the parser or a limit stops the reading, or nothing was there."""
        documents = 0
        for event in self._events():
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        self._stop("several-documents", "a spec is one document", self._span(event))
                case yaml.ScalarEvent():
                    self._count(1, event)
                    self._place(self._scalar(event), event.anchor, 1, 0)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                    self._open(event)
                case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                    self._close(event)
        if self._root is None:
            self._stop("empty", "there is no document here", Span(self._source, 0, 0, 0, 0))
        return self._root

    def _events(self) -> Iterator[Any]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # PyYAML may be installed without libyaml
        try:
            parser = loader(self._source.text)
            while parser.check_event():
                yield parser.get_event()
        except yaml.MarkedYAMLError as error:
            self._syntax_error(error)

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> NoReturn:
        problem, context = error.problem_mark, error.context_mark
        mark = problem or context
        span = self._point(mark) if mark else Span(self._source, 0, 0, 0, 0)
        start = self._point(context) if context else span
        begin = Note(f"{error.context}, which begins here", start)
        notes = (begin,) if error.context and start != span else ()
        self.problems.append(Diagnostic("syntax", f"not YAML: {error.problem}", span, notes, self._advice(span, start)))
        raise SpecError(self.problems) from None

    def _advice(self, span: Span, start: Span) -> str | None:
        """What is mostly meant where YAML cannot be read in something that begins at `start`."""
        line = self._source.lines[span.line] if span.line < len(self._source.lines) else ""
        if line[: span.column + 1].strip(" ").startswith("\t"):
            return "indent with spaces, not with tabs"
        earlier = self._source.lines[start.line] if start.line < span.line else ""
        if (opened := earlier[start.column : start.column + 1]) in ("{", "["):
            return f"is the '{opened}' that begins there closed?"
        if meant := bracket_meant(
            line[start.column if start.line == span.line else 0 : span.column], line[span.column :]
        ):
            return meant
        if line[span.column : span.column + 1] == ":":
            above = self._source.lines[span.line - 1] if span.line else ""
            return fields_meant(above, line, span.column, is_flow=line[start.column : start.column + 1] == "{")
        return None

    def _scalar(self, event: Any) -> Scalar | Unreadable:
        span, text = self._span(event), event.value
        if len(text) > self._limits.scalar_characters:
            message = f"this value has more than {self._limits.scalar_characters:,} characters"
            self._stop("too-large", message, span)
        self._count_expression(text, span)
        if event.tag not in (None, *_STRING_TAGS):
            self._refuse_tag(event.tag, span)
            return Unreadable(text, span, meant=Scalar(text, text, span))
        if not event.implicit[0] or event.tag in _STRING_TAGS:
            return Scalar(text, text, span)
        try:
            return Scalar(resolve(text), text, span)
        except OverflowError as error:
            shown = text if len(text) <= 24 else f"{text[:20]}…"
            self._report("invalid-value", f"the number {shown} {error}", span)
            return Unreadable(text, span)

    def _count_expression(self, text: str, span: Span) -> None:
        """To parse expressions takes most of the time that a file of them takes."""
        key = self._stack[-1].key if self._stack else None
        if "$" in text or "(" in text or " if " in text or (key is not None and key.value == "when"):
            self._expressions += len(text)
            if self._expressions > self._limits.expression_characters:
                most = f"{self._limits.expression_characters:,}"
                self._stop("too-large", f"the expressions of this file have more than {most} characters", span)

    def _refuse_tag(self, tag: str, span: Span) -> None:
        shown = tag.replace("tag:yaml.org,2002:", "!!")
        self._report("unknown-tag", f"a spec has no tags, and here is {shown}", span)

    def _open(self, event: Any) -> None:
        span = self._span(event)
        self._count(1, event)
        self._refuse_depth(1, span)
        if event.tag is not None:  # what stands in it can be read all the same
            self._refuse_tag(event.tag, span)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(event, self._nodes, is_mapping))

    def _close(self, event: Any) -> None:
        opened = self._stack.pop()
        start, end = opened.event.start_mark, event.end_mark
        span = Span(self._source, start.line, start.column, end.line, end.column)
        if opened.event.flow_style:
            cut = join_cut_entries(opened.entries) if opened.is_mapping else join_cut_items(opened.items)
            for problem in cut:
                self._add(problem)
        mapping, sequence = Mapping(opened.entries, span, tuple(opened.lost)), Sequence(tuple(opened.items), span)
        tree = mapping if opened.is_mapping else sequence
        self._place(tree, opened.event.anchor, self._nodes - opened.first_node + 1, opened.height)

    def _alias(self, event: Any) -> None:
        span = self._span(event)
        anchored = self._anchors.get(event.anchor)
        if anchored is None:
            self._no_such_anchor(event.anchor, span)
        self._count(anchored.nodes, event)
        self._refuse_depth(anchored.height, span)
        if len(self._source.repeated) < self._limits.problems:
            self._source.repeated.setdefault(anchored.tree.span, span)
        self._place(anchored.tree, None, anchored.nodes, anchored.height)

    def _no_such_anchor(self, name: str, span: Span) -> NoReturn:
        if any(opened.event.anchor == name for opened in self._stack):
            message = f"'{name}' is not complete here: a value cannot contain itself"
            self._stop("recursive-alias", message, span)
        help = did_you_mean(name, self._anchors) or f"write '&{name}' before the value that is meant"
        self._stop("unknown-name", f"there is no anchor '{name}' before this alias", span, help)

    def _place(self, tree: Tree, anchor: str | None, nodes: int, height: int) -> None:
        """Put a finished value where it belongs: the root, a list, a key, or a key's value."""
        if anchor:
            self._anchors[anchor] = _Anchored(tree, nodes, height)
        if not self._stack:
            self._root = tree
            return
        parent = self._stack[-1]
        parent.height = max(parent.height, height + 1)
        if not parent.is_mapping:
            parent.items.append(tree)
        elif parent.key is None:
            parent.key = self._key(tree, parent)
        else:
            entry, parent.key = Entry(parent.key, tree), None
            if parent.is_refused:
                parent.lost.append(entry)
            else:
                parent.entries[entry.key.text] = entry

    def _key(self, tree: Tree, parent: _Open) -> Scalar:
        """A key. Side effect: reports one that cannot be, and says so in `parent`."""
        if isinstance(tree, Sequence | Mapping):
            # Nothing can be said about a value without its key, so that this ends the reading.
            help = "texts such as {{ x }} are not filled in: use a parameter, $x"
            self._report("bad-key", "a key must be a word, and this is a list or mapping", tree.span, help=help)
            raise SpecError(self.problems)
        meant = tree.meant if isinstance(tree, Unreadable) else tree
        is_word = meant is not None and isinstance(meant.value, str)
        key, known = Scalar(tree.text, tree.text, tree.span), len(self.problems)
        if not is_word and not goes_on(parent.entries):
            help = f'quote it if you mean the text: "{key.text}"'
            self._report("bad-key", f"a key must be a word, and '{key.text}' is not", key.span, help=help)
        elif key.text == "<<":
            help = "write the fields out, or define a block"
            self._report("merge-key", "YAML 1.2 has no merge keys", key.span, help=help)
        elif is_word and key.text in parent.entries:
            first = Note("the first one", parent.entries[key.text].key.span)
            self._report("duplicate-key", f"the key '{key.text}' is here twice", key.span, first)
        parent.is_refused = len(self.problems) > known
        return key

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > self._limits.nodes:
            message = f"more than {self._limits.nodes:,} values, counting what aliases stand for"
            self._stop("too-large", message, self._span(event))

    def _refuse_depth(self, height: int, span: Span) -> None:
        if len(self._stack) + height > self._limits.depth:
            self._stop("too-deep", f"more than {self._limits.depth} levels of nesting", span)

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self._source, start.line, start.column, end.line, end.column)

    def _point(self, mark: Any) -> Span:
        return Span(self._source, mark.line, mark.column, mark.line, mark.column + 1)

    def _report(self, code: Code, message: str, span: Span, *notes: Note, help: str | None = None) -> None:
        self._add(Diagnostic(code, message, span, notes, help))

    def _add(self, problem: Diagnostic) -> None:
        self.problems.append(problem)
        if len(self.problems) >= self._limits.problems:
            raise SpecError(self.problems)

    def _stop(self, code: Code, message: str, span: Span, help: str | None = None) -> NoReturn:
        raise SpecError([*self.problems, Diagnostic(code, message, span, help=help)])

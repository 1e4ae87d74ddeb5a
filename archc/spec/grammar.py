"""Trees -> items: which of the forms of an item each entry of a list has (LANGUAGE: "Items")."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from archc.diagnostics import Diagnostic, Note, Span, SpecError
from archc.spec.expressions import parse
from archc.spec.items import (
    Auxiliary, Branch, Call, Composite, Group, Item, OutputMark, Reference, When,
)  # fmt: skip
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree

COMPOSITES = ("sum", "product", "concat")
RESERVED = frozenset(
    (*COMPOSITES, "sequence", "when", "then", "else", "output", "aux", "identity", "none", "mark", "from")
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ITEM_NAME = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_$-]*(\.[A-Za-z0-9_$][A-Za-z0-9_$-]*)*")
_CALL_KEYS = ("name", "count", "init")


class Grammar:
    """Parses lists of items; collects what is wrong with them in `problems`."""

    def __init__(self) -> None:
        self.problems: list[Diagnostic] = []

    def items(self, tree: Tree, *, root: bool = False) -> tuple[Item, ...]:
        """A list of items. `root` allows `output` and `aux`."""
        if not isinstance(tree, Sequence):
            self._report("wrong-kind", "expected a list of items", tree.span, help="each begins with '- '")
            return ()
        return tuple(item for entry in tree.items if (item := self._try_item(entry, root)) is not None)

    def _try_item(self, tree: Tree, root: bool) -> Item | None:
        with suppress(_Refused):
            return self._item(tree, root)
        return None

    def _item(self, tree: Tree, root: bool) -> Item:
        if isinstance(tree, Scalar):
            return self._word(tree)
        if isinstance(tree, Sequence):
            self._refuse(
                "wrong-kind",
                "an item is a word or a mapping; a list in a list is a branch of sum or concat",
                tree.span,
            )
        if "when" in tree.entries:
            return self._when(tree, as_branch=False)
        entry = self._single(tree)
        word, value = str(entry.key.value), entry.value
        if word in COMPOSITES:
            return self._composite(word, entry)
        if word in ("output", "aux"):
            return self._root_item(word, entry, root)
        if isinstance(value, Sequence):
            return self._group(entry)
        if word in RESERVED:
            self._refuse("reserved-word", f"'{word}' cannot be used here", entry.key.span)
        return self._call(entry)

    def _word(self, scalar: Scalar) -> Item:
        if not isinstance(scalar.value, str):
            self._refuse("wrong-kind", f"an item is an operator or block, not '{scalar.text}'", scalar.span)
        text = scalar.value
        if text.startswith("$") and NAME.fullmatch(text[1:]):
            return Reference(text[1:], scalar.span)
        if text in RESERVED - {"identity"} or not NAME.fullmatch(text):
            self._refuse("reserved-word", f"'{text}' is not an operator or block", scalar.span)
        return Call(text, scalar.span)

    def _single(self, tree: Mapping) -> Entry:
        """The one key of an item. Several keys are mostly fields that are not indented below their call."""
        first, *others = tree.entries.values() or (None,)
        if first is None:
            self._refuse("empty", "an item must name an operator or block", tree.span)
        if others:
            keys = ", ".join(f"'{entry.key.value}'" for entry in others)
            help = f"if {keys} belongs to {first.key.value}, indent it further"
            self._refuse(
                "several-keys",
                f"an item has one key, but here are '{first.key.value}' and {keys}",
                others[0].key.span,
                help,
            )
        return first

    def _call(self, entry: Entry) -> Call:
        word, value = str(entry.key.value), entry.value
        self._check_name(entry.key, NAME)
        if isinstance(value, Scalar):
            if value.value is None and value.text == "":
                help = f"write '- {word}' for a call without fields, or indent its fields below it"
                self._refuse("empty", f"'{word}:' has no value", entry.key.span, help)
            return Call(word, entry.key.span, short=value)
        assert isinstance(value, Mapping), "lists were taken before"
        fields = {key: field for key, field in value.entries.items() if key not in _CALL_KEYS}
        return Call(
            word,
            entry.key.span,
            Mapping(fields, value.span),
            name=self._scalar(value, "name", _ITEM_NAME),
            count=self._scalar(value, "count"),
            init=self._mapping(value, "init"),
        )

    def _scalar(self, fields: Mapping, key: str, pattern: re.Pattern[str] | None = None) -> Scalar | None:
        value = fields.get(key)
        if value is None:
            return None
        if not isinstance(value, Scalar):
            self._refuse("wrong-kind", f"'{key}' takes one value", value.span)
        if pattern:
            self._check_name(value, pattern)
        return value

    def _mapping(self, fields: Mapping, key: str) -> Mapping | None:
        value = fields.get(key)
        if value is not None and not isinstance(value, Mapping):
            self._refuse(
                "wrong-kind", f"'{key}' takes a mapping from tensor names to initializers", value.span
            )
        return value

    def _check_name(self, name: Scalar, pattern: re.Pattern[str]) -> None:
        if not pattern.fullmatch(name.text) or len(name.text) > 200:
            self._refuse(
                "bad-name",
                f"'{name.text}' is not a name: letters, digits, '_' and '-', not beginning with a digit",
                name.span,
            )

    def _group(self, entry: Entry) -> Group:
        word = str(entry.key.value)
        name = None if word == "sequence" else entry.key
        if name is not None:
            if word in RESERVED:
                self._refuse("reserved-word", f"'{word}' cannot name a sequence", entry.key.span)
            self._check_name(name, _ITEM_NAME)
        return Group(name, self._non_empty(entry.value, f"the sequence '{word}'"), entry.key.span)

    def _non_empty(self, tree: Tree, what: str) -> tuple[Item, ...]:
        if isinstance(tree, Sequence) and not tree.items:
            self._refuse("empty", f"{what} has no items", tree.span)
        return self.items(tree)

    def _composite(self, word: str, entry: Entry) -> Composite:
        if not isinstance(entry.value, Sequence):
            self._refuse("wrong-kind", f"{word} takes a list of branches", entry.value.span)
        if len(entry.value.items) < 2:
            self._refuse("empty", f"{word} needs two branches or more", entry.key.span)
        branches = [self._branch(tree) for tree in entry.value.items]
        kept = tuple(branch for branch in branches if branch is not None)
        return Composite(word, kept, entry.key.span)  # type: ignore[arg-type]

    def _branch(self, tree: Tree) -> Branch | When | None:
        """A branch of a composite; None for the word `none`."""
        if isinstance(tree, Scalar) and tree.value == "none":
            return None
        if isinstance(tree, Mapping) and "when" in tree.entries:
            return self._when(tree, as_branch=True)
        return self._arm(tree)

    def _arm(self, tree: Tree) -> Branch | None:
        if isinstance(tree, Scalar) and tree.value == "none":
            return None
        if isinstance(tree, Scalar) and tree.value == "identity":
            return Branch((), tree.span)
        if isinstance(tree, Sequence):
            return Branch(self._non_empty(tree, "this branch"), tree.span)
        return Branch((self._item(tree, root=False),), tree.span)

    def _when(self, tree: Mapping, *, as_branch: bool) -> When:
        for key, entry in tree.entries.items():
            if key not in ("when", "then", "else"):
                self._refuse(
                    "unknown-field", f"'when' goes with 'then' and 'else', not with '{key}'", entry.key.span
                )
        condition, then, otherwise = (tree.get(key) for key in ("when", "then", "else"))
        span = tree.entries["when"].key.span
        if then is None:
            self._refuse("missing-field", "'when' needs a 'then'", span)
        if as_branch and otherwise is None:
            help = "write 'else: identity' for a shortcut, or 'else: none' for no branch at all"
            self._refuse("missing-field", "a 'when' that is a branch needs an 'else'", span, help)
        if not isinstance(condition, Scalar):
            self._refuse("wrong-kind", "the condition is an expression", span)
        try:
            expression = parse(condition)
        except SpecError as error:
            self.problems.extend(error.diagnostics)
            raise _Refused from None
        return When(expression, self._arm(then), self._arm(otherwise) if otherwise else None, span)

    def _root_item(self, word: str, entry: Entry, root: bool) -> OutputMark | Auxiliary:
        if not root:
            self._refuse("misplaced", f"'{word}' is allowed at the top level only", entry.key.span)
        if word == "aux":
            return Auxiliary(self._item(entry.value, root=False), entry.key.span)
        if not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, str):
            self._refuse("wrong-kind", "'output' takes a name", entry.value.span)
        self._check_name(entry.value, NAME)
        return OutputMark(entry.value, entry.key.span)

    def _report(
        self, code: str, message: str, span: Span, help: str | None = None, notes: Iterable[Note] = ()
    ) -> None:
        self.problems.append(Diagnostic(code, message, span, tuple(notes), help))

    def _refuse(self, code: str, message: str, span: Span, help: str | None = None) -> NoReturn:
        self._report(code, message, span, help)
        raise _Refused


class _Refused(Exception):
    """An item is wrong, which has been reported."""


def parse_layer(tree: Tree) -> Call | None:
    """The value of a field of type `layer`: a word, a call, or `none`. Raises SpecError."""
    if isinstance(tree, Scalar) and tree.value == "none":
        return None
    grammar = Grammar()
    with suppress(_Refused):
        item = grammar._item(tree, root=False)
        if isinstance(item, Call):
            return item
        grammar._report("wrong-kind", "expected an operator or block, or none", tree.span)
    raise SpecError(grammar.problems)

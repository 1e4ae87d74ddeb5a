"""Trees -> composites and conditions: items that hold branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from archc.diagnostics import SpecError, did_you_mean
from archc.spec.language.arithmetic import Constant
from archc.spec.language.calls import CALL_KEYS
from archc.spec.language.expressions import UNKNOWN, Expression, parse
from archc.spec.language.items import Branch, Composite, Item, Unread, When
from archc.spec.language.reports import Refused, Reports
from archc.spec.language.shapes import is_word, without
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable


class Items(Protocol):
    """What reads the items that a branch holds."""

    def item(self, tree: Tree, root: bool) -> Item:
        """One item. Raises Refused."""
        ...

    def some_items(self, tree: Sequence, what: str, *, root: bool = False) -> tuple[Item, ...]:
        """A list with at least one item. Raises Refused."""
        ...


class Branches:
    """Reads items that hold branches; what is wrong goes to `reports`."""

    def __init__(self, reports: Reports, items: Items) -> None:
        self._to, self._items = reports, items

    def composite(self, entry: Entry) -> Composite:
        """A list of branches, or fields with one. Raises Refused."""
        word, branches = entry.key.text, entry.value
        fields: Mapping | None = None
        if isinstance(branches, Mapping) and "branches" in branches.entries:
            fields = branches._replace(entries=without(branches, ("branches",)))
            branches = branches.entries["branches"].value
        if not isinstance(branches, Sequence):
            help = f"write '- {word}:' and below it one '- ' for each branch"
            if isinstance(branches, Mapping):
                help = f"write '{word}: {{branches: […], …}}' with fields, or '{word}: […]'"
            self._to.refuse("wrong-kind", f"{word} takes a list of branches", branches, help)
        if len(branches.items) < 2:
            self._to.refuse("empty", f"{word} needs two branches or more", entry.key.span)
        parsed = map(self._read_branch, branches.items)
        return Composite(word, tuple(branch for branch in parsed if branch is not None), entry.key.span, fields)

    def with_branches(self, entry: Entry, value: Mapping, names: tuple[str, ...]) -> Composite:
        """An operator some of whose fields hold branches. Raises Refused."""
        for key in CALL_KEYS:
            if key in value.entries:
                message = f"{entry.key.text} joins branches, and so has no '{key}'"
                self._to.refuse("misplaced", message, value.entries[key].key.span)
        parsed = {name: self._read_branch(value.entries[name].value) for name in names if name in value.entries}
        held = {name: branch for name, branch in parsed.items() if branch is not None}
        fields = value._replace(entries=without(value, names))
        return Composite(entry.key.text, tuple(held.values()), entry.key.span, fields, tuple(held))

    def _read_branch(self, tree: Tree) -> Branch | When | None:
        try:
            return self._branch(tree)
        except Refused:
            return Branch((Unread(tree.span),), tree.span)

    def _branch(self, tree: Tree) -> Branch | When | None:
        """A branch of a composite; None for the word `none`."""
        if isinstance(tree, Mapping) and "when" in tree.entries:
            self._require_else(tree)
            return self.when(tree, self._branch_arm)
        return self.arm(tree)

    def _branch_arm(self, tree: Tree) -> Branch | None:
        """An arm of a `when` that is a branch: another `when` could not say whether the branch is absent."""
        if isinstance(tree, Mapping) and "when" in tree.entries:
            help = "combine the conditions with 'and' and 'or'"
            self._to.refuse("misplaced", "a 'when' that is a branch has no 'when' as its arm", tree.span, help)
        return self.arm(tree)

    def arm(self, tree: Tree, *, root: bool = False) -> Branch | None:
        """An arm of a `when`, or a branch; None for the word `none`. Raises Refused."""
        if is_word(tree, "none"):
            return None
        if is_word(tree, "identity"):
            return Branch((), tree.span)
        if isinstance(tree, Sequence):
            return Branch(self._items.some_items(tree, "this list", root=root), tree.span)
        return Branch((self._items.item(tree, root=root),), tree.span)

    def _require_else(self, tree: Mapping) -> None:
        self._check_when_keys(tree)
        if "else" not in tree.entries:
            help = "write 'else: identity' for a shortcut, or 'else: none' for no branch at all"
            span = tree.entries["when"].key.span
            self._to.refuse("missing-key", "a 'when' that is a branch needs an 'else'", span, help)

    def _check_when_keys(self, tree: Mapping) -> None:
        for key, entry in tree.entries.items():
            if key not in ("when", "then", "else"):
                help = did_you_mean(key, ("then", "else"))
                self._to.refuse("unknown-key", f"'when' goes with 'then' and 'else', not '{key}'", entry.key.span, help)

    def when(self, tree: Mapping, arm: Callable[[Tree], Branch | None]) -> When:
        """A condition and what it chooses between, which `arm` reads. Raises Refused."""
        self._check_when_keys(tree)
        span = tree.entries["when"].key.span
        then, otherwise = tree.get("then"), tree.get("else")
        if then is None:
            self._to.refuse("missing-key", "'when' needs a 'then'", span)
        condition = self._condition(tree.entries["when"].value)
        if tree.lost:
            condition = Expression(Constant(UNKNOWN), span)
        return When(condition, arm(then), arm(otherwise) if otherwise else None, span)

    def _condition(self, tree: Tree) -> Expression:
        if isinstance(tree, Unreadable):
            return Expression(Constant(UNKNOWN), tree.span)
        if not isinstance(tree, Scalar):
            self._to.refuse("wrong-kind", "a condition is an expression, not a list or mapping", tree.span)
        try:
            return parse(tree)
        except SpecError as error:
            self._to.add(*error.diagnostics)
            raise Refused from None

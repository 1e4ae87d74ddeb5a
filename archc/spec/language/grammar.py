"""Trees -> items: which of the forms of an item each entry of a list has (LANGUAGE: "Items")."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from archc.diagnostics import Diagnostic, SpecError
from archc.operators import JOINS, branch_fields, is_join, join_words, known_elsewhere
from archc.spec.language.branches import Branches
from archc.spec.language.calls import LETTERS, NAMED, Calls
from archc.spec.language.items import Auxiliary, Call, Group, Item, OutputMark, Reference, Unread
from archc.spec.language.names import RESERVED, is_output_name, is_path_template, is_variable
from archc.spec.language.reports import Refused, Reports
from archc.spec.language.shapes import are_values, is_word, layers_of
from archc.spec.repair.foreign import OPERATOR_KEYS, composite_meant
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable

_OUTPUT_NAME = "it has letters, digits and '_', begins with a letter, and is no word of Python, where it is a field"


class Grammar(Reports):
    """Parses lists of items; adds what is wrong with them to `problems`."""

    def __init__(self, problems: Iterable[Diagnostic] = ()) -> None:
        super().__init__(problems)
        self.calls = Calls(self)
        self.branches = Branches(self, self)

    def items(self, tree: Tree, *, root: bool = False) -> tuple[Item, ...]:
        """A list of items, without the identities among them. `root` allows `output` and `aux`."""
        if not isinstance(tree, Sequence):
            self.report("wrong-kind", "expected a list of items", tree, help="each begins with '- '")
            return (Unread(tree.span),)
        items: list[Item] = []
        for entry in tree.items:
            if not is_word(entry, "identity"):
                try:
                    items.append(self.item(entry, root))
                except Refused:
                    items.append(Unread(entry.span))
        return tuple(items)

    def layer(self, tree: Tree) -> Call | None:
        """The value of a field of type `layer`: a word, a call, or `none`; None too if it is wrong."""
        if is_word(tree, "none"):
            return None
        if is_word(tree, "identity"):
            return Call("identity", tree.span)
        with suppress(Refused):
            if isinstance(tree, Scalar) and tree.value is None:
                self.refuse("empty", "there is no layer here", tree.span, "write 'none' to leave it out")
            item = None if isinstance(tree, Sequence) else self.item(tree, root=False)
            if not isinstance(item, Call):
                self.refuse("wrong-kind", "expected an operator or block, or none", tree.span)
            self._refuse_place(tree)
            return item
        return None

    def _refuse_place(self, layer: Tree) -> None:
        """Refuse a field's layer that says where it stands, which is not for it to say."""
        call = next(iter(layer.entries.values())).value if isinstance(layer, Mapping) else None
        for key in ("name", "count"):
            if isinstance(call, Mapping) and key in call.entries:
                message = (
                    f"the layer of a field has no '{key}': the block decides where it stands and what it is called"
                )
                help = "a block of the spec's own can hold several items" if key == "count" else None
                self.refuse("misplaced", message, call.entries[key].key.span, help)

    def item(self, tree: Tree, root: bool) -> Item:
        """One item. Raises Refused."""
        if isinstance(tree, Unreadable):
            raise Refused
        if isinstance(tree, Scalar):
            return self.calls.word(tree)
        if isinstance(tree, Sequence):
            help = "a list in a list is a branch of sum, product or concat; a sequence is '- sequence: […]'"
            self.refuse("wrong-kind", "an item is a word or a mapping, not a list", tree.span, help)
        if "when" in tree.entries:
            return self.branches.when(tree, partial(self.branches.arm, root=root))
        entry = self._single(tree)
        word = entry.key.text
        if word.startswith("$") and is_variable(word[1:]):
            return self.calls.reference(entry)
        if word in JOINS or (isinstance(entry.value, Sequence) and is_join(word)):
            return self.branches.composite(entry)
        if word in NAMED:
            return NAMED[word](self.calls.value_name(entry), entry.key.span)
        if isinstance(entry.value, Mapping) and (fields := branch_fields(word)):
            return self.branches.with_branches(entry, entry.value, fields)
        if word == "constant":
            return self.calls.constant(entry)
        if word in ("output", "aux"):
            return self._root_item(entry, root)
        if isinstance(entry.value, Sequence):
            if word != "sequence" and are_values(entry.value, word):
                self.calls.check_callable(entry.key)
                return Call(word, entry.key.span, short=entry.value)
            return self._group(entry, entry.value)
        if word != "sequence" and isinstance(entry.value, Mapping) and (layers := layers_of(entry.value)):
            return self._group(entry, layers, numbered=False)
        return self.calls.call(entry, entry.value)

    def _single(self, tree: Mapping) -> Entry:
        """The one key of an item. Several keys are mostly fields that are not indented below their call."""
        if tree.lost:
            raise Refused
        first, *others = tree.entries.values() or (None,)
        if first is None:
            self.refuse("empty", "an item names an operator or block, and here is nothing", tree.span)
        if others:
            other, word = others[0].key, first.key.text
            message = f"an item has one key, but '{other.text}' follows '{word}'"
            help = f"is '{other.text}' meant to be a field of {word}? indent it; or begin a new item with '- '"
            if word in OPERATOR_KEYS and isinstance(first.value, Scalar):
                help = f"the operator is the key: '- {first.value.text}: {{{other.text}: …}}'"
            self.refuse("several-keys", message, other.span, help)
        return first

    def _group(self, entry: Entry, items: Sequence, *, numbered: bool = True) -> Group:
        key = entry.key
        if key.text != "sequence":
            if key.text in RESERVED:
                self.refuse("reserved-word", f"'{key.text}' cannot name a sequence", key.span)
            if not is_path_template(key.text) or "$" in key.text:
                self.refuse("bad-name", f"'{key.text}' is not a name", key.span, f"a name has {LETTERS}")
            if numbered:
                self._refuse_branches(key)
        name = None if key.text == "sequence" else key
        what = "this sequence" if numbered else f"the scope {key.text}"
        return Group(name, self.some_items(items, what), key.span, numbered=numbered)

    def _refuse_branches(self, name: Scalar) -> None:
        """Refuse a list that is likely to be one of branches: as a sequence it would lose its shortcut unnoticed."""
        if meant := composite_meant(name.text, join_words(), known_elsewhere()):
            message = f"no operator '{name.text}' joins branches, and a sequence cannot be called so"
            help = f"did you mean '{meant}'? a sequence takes another name"
            self.refuse("unknown-block", message, name.span, help)

    def some_items(self, tree: Sequence, what: str, *, root: bool = False) -> tuple[Item, ...]:
        """A list with at least one item; `what` names it. Raises Refused."""
        if not tree.items:
            self.refuse("empty", f"{what} has no items", tree.span)
        return self.items(tree, root=root)

    def _root_item(self, entry: Entry, root: bool) -> OutputMark | Auxiliary:
        word, value = entry.key.text, entry.value
        if not root:
            self.refuse("misplaced", f"'{word}' stands at the top level of a network only", entry.key.span)
        if word == "aux":
            known = len(self.problems)
            item = self.item(value, root=False)
            if len(self.problems) > known or (isinstance(item, Call) and not item.is_whole):  # it may be the name
                raise Refused
            if isinstance(item, Call | Group | Reference) and item.name is not None:
                self._check_output_name(item.name)
            return Auxiliary(item, entry.key.span)
        if not isinstance(value, Scalar) or not isinstance(value.value, str):
            self.refuse("bad-name", "'output' takes a name", value, _OUTPUT_NAME)
        self._check_output_name(value)
        return OutputMark(value, entry.key.span)

    def _check_output_name(self, name: Scalar) -> None:
        if not is_output_name(name.text):
            self.refuse("bad-name", f"'{name.text}' cannot be the name of an output", name.span, _OUTPUT_NAME)


def parse_layer(tree: Tree) -> Call | None:
    """The value of a field of type `layer`: a word, a call, or `none`. Raises SpecError."""
    grammar = Grammar()
    layer = grammar.layer(tree)
    if grammar.problems:
        raise SpecError(grammar.problems)
    return layer

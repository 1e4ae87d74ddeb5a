"""Trees -> items: which of the forms of an item each entry of a list has (LANGUAGE: "Items")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import NoReturn

from archc.diagnostics import MAX_PROBLEMS, Diagnostic, Span, SpecError, did_you_mean
from archc.diagnostics.codes import Code
from archc.operators import JOINS, branch_fields, constant_words, is_join, is_operator, join_words, known_elsewhere
from archc.spec.language.arithmetic import Constant
from archc.spec.language.expressions import UNKNOWN, Expression, is_expression, parse
from archc.spec.language.items import (
    Auxiliary,
    Branch,
    Call,
    Composite,
    From,
    Group,
    Item,
    Mark,
    OutputMark,
    Reference,
    Share,
    Unread,
    When,
)
from archc.spec.language.names import RESERVED, is_name, is_output_name, is_path, is_path_template, is_variable
from archc.spec.repair.foreign import OPERATOR_KEYS, composite_meant
from archc.spec.repair.hints import colon_meant
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable

CALL_KEYS = ("name", "count", "init", "keys", "results")
"""Fields that belong to every call, whatever is called."""

_DOTTED = re.compile(r"[A-Za-z]\w{,40}(\.[A-Za-z]\w{,40}){1,3}")
_BEGIN = re.compile(r"[A-Za-z]\w*(?=[ ({])")
_LETTERS = "letters, digits, '_' and '-', not beginning with a digit or '-'"
_OUTPUT_NAME = "it has letters, digits and '_', begins with a letter, and is no word of Python, where it is a field"


class Grammar:
    """Parses lists of items; adds what is wrong with them to `problems`."""

    def __init__(self, problems: Iterable[Diagnostic] = ()) -> None:
        self.problems = [*problems]

    def add(self, *problems: Diagnostic) -> None:
        """Collect problems. Raises SpecError: there are too many to go on."""
        self.problems.extend(problems)
        if len(self.problems) >= MAX_PROBLEMS:
            raise SpecError(self.problems)

    def items(self, tree: Tree, *, root: bool = False) -> tuple[Item, ...]:
        """A list of items, without the identities among them. `root` allows `output` and `aux`."""
        if not isinstance(tree, Sequence):
            self.report("wrong-kind", "expected a list of items", tree, help="each begins with '- '")
            return (Unread(tree.span),)
        items: list[Item] = []
        for entry in tree.items:
            if not _is_word(entry, "identity"):
                try:
                    items.append(self._item(entry, root))
                except _Refused:
                    items.append(Unread(entry.span))
        return tuple(items)

    def layer(self, tree: Tree) -> Call | None:
        """The value of a field of type `layer`: a word, a call, or `none`; None too if it is wrong."""
        if _is_word(tree, "none"):
            return None
        if _is_word(tree, "identity"):
            return Call("identity", tree.span)
        with suppress(_Refused):
            item = None if isinstance(tree, Sequence) else self._item(tree, root=False)
            if not isinstance(item, Call):
                self._refuse("wrong-kind", "expected an operator or block, or none", tree.span)
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
                self._refuse("misplaced", message, call.entries[key].key.span, help)

    def _item(self, tree: Tree, root: bool) -> Item:
        if isinstance(tree, Unreadable):
            raise _Refused
        if isinstance(tree, Scalar):
            return self._word(tree)
        if isinstance(tree, Sequence):
            help = "a list in a list is a branch of sum, product or concat; a sequence is '- sequence: […]'"
            self._refuse("wrong-kind", "an item is a word or a mapping, not a list", tree.span, help)
        if "when" in tree.entries:
            return self._when(tree, partial(self._arm, root=root))
        entry = self._single(tree)
        word = entry.key.text
        if word.startswith("$") and is_variable(word[1:]):
            return self._reference(entry)
        if word in JOINS or (isinstance(entry.value, Sequence) and is_join(word)):
            return self._composite(entry)
        if word in _NAMED:
            return _NAMED[word](self._value_name(entry), entry.key.span)
        if isinstance(entry.value, Mapping) and (fields := branch_fields(word)):
            return self._with_branches(entry, entry.value, fields)
        if word == "constant":
            return self._constant(entry)
        if word in ("output", "aux"):
            return self._root_item(entry, root)
        if isinstance(entry.value, Sequence):
            if word != "sequence" and _are_values(entry.value, word):
                self._check_callable(entry.key)
                return Call(word, entry.key.span, short=entry.value)
            return self._group(entry, entry.value)
        if word != "sequence" and isinstance(entry.value, Mapping) and (layers := _layers(entry.value)):
            return self._group(entry, layers, numbered=False)
        return self._call(entry, entry.value)

    def _word(self, scalar: Scalar) -> Item:
        text = scalar.text
        if text.startswith("$") and is_variable(text[1:]):
            return Reference(text[1:], scalar.span)
        if scalar.value is None:
            self._refuse("empty", "there is no item here", scalar.span)
        if not isinstance(scalar.value, str):
            self._refuse("wrong-kind", f"an item is an operator or block, not '{text}'", scalar.span)
        self._check_callable(scalar)
        return Call(text, scalar.span)

    def _check_callable(self, word: Scalar) -> None:
        if word.text in RESERVED:
            help = f"it takes a name, such as '- {word.text}: skip'" if word.text in _NAMED else None
            if word.text in ("sequence", *JOINS):
                help = f"write '- {word.text}:' and below it one '- ' for each of its items"
            message = f"'{word.text}' is a word of the language; it cannot stand here"
            self._refuse("reserved-word", message, word.span, help)
        if not is_name(word.text) and not _DOTTED.fullmatch(word.text):  # such as nn.Linear, which is looked up
            begin = _BEGIN.match(word.text)
            help = f"write '- {begin[0]}', or '- {begin[0]}: {{…}}' with fields" if begin else colon_meant(word.text)
            self._refuse("bad-name", f"'{word.text}' is not the name of an operator or block", word.span, help)

    def _single(self, tree: Mapping) -> Entry:
        """The one key of an item. Several keys are mostly fields that are not indented below their call."""
        if tree.lost:
            raise _Refused
        first, *others = tree.entries.values() or (None,)
        if first is None:
            self._refuse("empty", "an item names an operator or block, and here is nothing", tree.span)
        if others:
            other, word = others[0].key, first.key.text
            message = f"an item has one key, but '{other.text}' follows '{word}'"
            help = f"is '{other.text}' meant to be a field of {word}? indent it; or begin a new item with '- '"
            if word in OPERATOR_KEYS and isinstance(first.value, Scalar):
                help = f"the operator is the key: '- {first.value.text}: {{{other.text}: …}}'"
            self._refuse("several-keys", message, other.span, help)
        return first

    def _call(self, entry: Entry, value: Scalar | Unreadable | Mapping) -> Call:
        word, span = entry.key.text, entry.key.span
        if word != "identity":  # with fields it is a module that does nothing
            self._check_callable(entry.key)
        if not isinstance(value, Mapping):
            if isinstance(value, Scalar) and value.value is None and value.text == "":
                help = f"write '- {word}' for a call without fields, or indent its fields below it"
                self._refuse("empty", f"'{word}:' has no value", span, help)
            return Call(word, span, short=value)
        fields = {key: field for key, field in value.entries.items() if key not in CALL_KEYS}
        lost = tuple(entry for entry in value.lost if entry.key.text not in CALL_KEYS)
        return Call(
            word,
            span,
            Mapping(fields, value.span, lost),
            name=self._item_name(value),
            count=self._scalar(value, "count"),
            init=value.get("init"),
            keys=self._mapping(value, "keys"),
            results=self.results(value.get("results")),
            is_whole=not (value.lost or any(isinstance(value.get(key), Unreadable) for key in CALL_KEYS)),
        )

    def _constant(self, entry: Entry) -> Call:
        """`constant: {value: full, …}`, whose function is the operator."""
        fields, word = entry.value, entry.key
        if isinstance(fields, Unreadable) or (isinstance(fields, Mapping) and fields.lost):
            raise _Refused
        function = fields.get("value") if isinstance(fields, Mapping) else None
        if not isinstance(fields, Mapping) or function is None:
            help = f"it says how the numbers are computed: {', '.join(constant_words())}"
            self._refuse("missing-field", "constant needs the field 'value'", word.span, help)
        if not isinstance(function, Scalar) or function.text not in constant_words():
            help = f"the functions are {', '.join(constant_words())}"
            if isinstance(function, Scalar):
                help = did_you_mean(function.text, constant_words()) or help
            self._refuse("invalid-value", "constant.value is the name of a function", function, help)
        return self._call(Entry(function, fields), fields._replace(entries=_without(fields, ("value",))))

    def _item_name(self, fields: Mapping) -> Scalar | None:
        name = self._scalar(fields, "name")
        if name is not None and not is_path_template(name.text):
            help = f"a name has {_LETTERS}, and may have dots"
            self.report("bad-name", f"'{name.text}' is not a name", name.span, help)
            return None
        return name

    def _scalar(self, fields: Mapping, key: str) -> Scalar | None:
        value = fields.get(key)
        if isinstance(value, Sequence | Mapping):
            self.report("wrong-kind", f"'{key}' takes one value, not a list or mapping", value)
        return value if isinstance(value, Scalar) else None

    def _mapping(self, fields: Mapping, key: str) -> Mapping | None:
        value = fields.get(key)
        if isinstance(value, Scalar | Sequence):
            self.report("wrong-kind", f"'{key}' takes a mapping from tensors to keys", value)
        return value if isinstance(value, Mapping) else None

    def results(self, value: Tree | None) -> tuple[Scalar, ...] | None:
        """The names of further results: of a block, and what a call calls them."""
        names = value.items if isinstance(value, Sequence) else ()
        found = tuple(name for name in names if isinstance(name, Scalar) and is_variable(name.text))
        if value is not None and (len(found) < len(names) or not names):
            self.report("bad-name", "'results' is a list of names", value, "such as results: [high, low]")
        return found if value is not None else None

    def _value_name(self, entry: Entry) -> Scalar:
        """The name that `mark`, `from` or `share` takes."""
        value, word = entry.value, entry.key.text
        fits = is_path if word == "share" else is_variable
        if isinstance(value, Unreadable):
            raise _Refused
        if not isinstance(value, Scalar) or not fits(value.text.removeprefix("$")):
            self._refuse("bad-name", f"'{word}' takes a name", value, "it has letters, digits and '_'")
        return value

    def _reference(self, entry: Entry) -> Reference:
        """`$norm: {name: bn1}`."""
        key, fields = entry.key, entry.value
        if isinstance(fields, Unreadable) or (isinstance(fields, Mapping) and fields.lost):
            raise _Refused
        if not isinstance(fields, Mapping) or not fields.entries:
            self._refuse("wrong-kind", f"'{key.text}' takes a name", key.span, f"write '{key.text}: {{name: …}}'")
        for other, field in fields.entries.items():
            if other != "name":
                help = (
                    f"the fields of {key.text} are written where the layer is given, as {{batch_norm: {{eps: 1e-3}}}}"
                )
                self._refuse("misplaced", f"'{key.text}' takes a name only, not '{other}'", field.key.span, help)
        return Reference(key.text[1:], key.span, self._item_name(fields))

    def _group(self, entry: Entry, items: Sequence, *, numbered: bool = True) -> Group:
        key = entry.key
        if key.text != "sequence":
            if key.text in RESERVED:
                self._refuse("reserved-word", f"'{key.text}' cannot name a sequence", key.span)
            if not is_path_template(key.text) or "$" in key.text:
                self._refuse("bad-name", f"'{key.text}' is not a name", key.span, f"a name has {_LETTERS}")
            if numbered:
                self._refuse_branches(key)
        name = None if key.text == "sequence" else key
        what = "this sequence" if numbered else f"the scope {key.text}"
        return Group(name, self._some_items(items, what), key.span, numbered=numbered)

    def _refuse_branches(self, name: Scalar) -> None:
        """Refuse a list that is likely to be one of branches: as a sequence it would lose its shortcut unnoticed."""
        if meant := composite_meant(name.text, join_words(), known_elsewhere()):
            message = f"there is no composite '{name.text}', and a sequence cannot be called so"
            help = f"did you mean '{meant}'? a sequence takes another name"
            self._refuse("unknown-block", message, name.span, help)

    def _some_items(self, tree: Sequence, what: str, *, root: bool = False) -> tuple[Item, ...]:
        if not tree.items:
            self._refuse("empty", f"{what} has no items", tree.span)
        return self.items(tree, root=root)

    def _composite(self, entry: Entry) -> Composite:
        word, branches = entry.key.text, entry.value
        fields: Mapping | None = None
        if isinstance(branches, Mapping) and "branches" in branches.entries:
            fields = branches._replace(entries=_without(branches, ("branches",)))
            branches = branches.entries["branches"].value
        if not isinstance(branches, Sequence):
            help = f"write '- {word}:' and below it one '- ' for each branch"
            self._refuse("wrong-kind", f"{word} takes a list of branches", branches, help)
        if len(branches.items) < 2:
            self._refuse("empty", f"{word} needs two branches or more", entry.key.span)
        parsed = map(self._read_branch, branches.items)
        return Composite(word, tuple(branch for branch in parsed if branch is not None), entry.key.span, fields)

    def _with_branches(self, entry: Entry, value: Mapping, names: tuple[str, ...]) -> Composite:
        """An operator some of whose fields hold branches."""
        for key in CALL_KEYS:
            if key in value.entries:
                message = f"{entry.key.text} joins branches, and so has no '{key}'"
                self._refuse("misplaced", message, value.entries[key].key.span)
        parsed = {name: self._read_branch(value.entries[name].value) for name in names if name in value.entries}
        held = {name: branch for name, branch in parsed.items() if branch is not None}
        fields = value._replace(entries=_without(value, names))
        return Composite(entry.key.text, tuple(held.values()), entry.key.span, fields, tuple(held))

    def _read_branch(self, tree: Tree) -> Branch | When | None:
        try:
            return self._branch(tree)
        except _Refused:
            return Branch((Unread(tree.span),), tree.span)

    def _branch(self, tree: Tree) -> Branch | When | None:
        """A branch of a composite; None for the word `none`."""
        if isinstance(tree, Mapping) and "when" in tree.entries:
            self._require_else(tree)
            return self._when(tree, self._branch_arm)
        return self._arm(tree)

    def _branch_arm(self, tree: Tree) -> Branch | None:
        """An arm of a `when` that is a branch: another `when` could not say whether the branch is absent."""
        if isinstance(tree, Mapping) and "when" in tree.entries:
            help = "combine the conditions with 'and' and 'or'"
            self._refuse("misplaced", "a 'when' that is a branch has no 'when' as its arm", tree.span, help)
        return self._arm(tree)

    def _arm(self, tree: Tree, *, root: bool = False) -> Branch | None:
        if _is_word(tree, "none"):
            return None
        if _is_word(tree, "identity"):
            return Branch((), tree.span)
        if isinstance(tree, Sequence):
            return Branch(self._some_items(tree, "this list", root=root), tree.span)
        return Branch((self._item(tree, root=root),), tree.span)

    def _require_else(self, tree: Mapping) -> None:
        self._check_when_keys(tree)
        if "else" not in tree.entries:
            help = "write 'else: identity' for a shortcut, or 'else: none' for no branch at all"
            span = tree.entries["when"].key.span
            self._refuse("missing-key", "a 'when' that is a branch needs an 'else'", span, help)

    def _check_when_keys(self, tree: Mapping) -> None:
        for key, entry in tree.entries.items():
            if key not in ("when", "then", "else"):
                help = did_you_mean(key, ("then", "else"))
                self._refuse("unknown-key", f"'when' goes with 'then' and 'else', not '{key}'", entry.key.span, help)

    def _when(self, tree: Mapping, arm: Callable[[Tree], Branch | None]) -> When:
        self._check_when_keys(tree)
        span = tree.entries["when"].key.span
        then, otherwise = tree.get("then"), tree.get("else")
        if then is None:
            self._refuse("missing-key", "'when' needs a 'then'", span)
        condition = self._condition(tree.entries["when"].value)
        if tree.lost:
            condition = Expression(Constant(UNKNOWN), span)
        return When(condition, arm(then), arm(otherwise) if otherwise else None, span)

    def _condition(self, tree: Tree) -> Expression:
        if isinstance(tree, Unreadable):
            return Expression(Constant(UNKNOWN), tree.span)
        if not isinstance(tree, Scalar):
            self._refuse("wrong-kind", "a condition is an expression, not a list or mapping", tree.span)
        try:
            return parse(tree)
        except SpecError as error:
            self.add(*error.diagnostics)
            raise _Refused from None

    def _root_item(self, entry: Entry, root: bool) -> OutputMark | Auxiliary:
        word, value = entry.key.text, entry.value
        if not root:
            self._refuse("misplaced", f"'{word}' stands at the top level of a network only", entry.key.span)
        if word == "aux":
            known = len(self.problems)
            item = self._item(value, root=False)
            if len(self.problems) > known or (isinstance(item, Call) and not item.is_whole):  # it may be the name
                raise _Refused
            if isinstance(item, Call | Group | Reference) and item.name is not None:
                self._check_output_name(item.name)
            return Auxiliary(item, entry.key.span)
        if not isinstance(value, Scalar) or not isinstance(value.value, str):
            self._refuse("bad-name", "'output' takes a name", value, _OUTPUT_NAME)
        self._check_output_name(value)
        return OutputMark(value, entry.key.span)

    def _check_output_name(self, name: Scalar) -> None:
        if not is_output_name(name.text):
            self._refuse("bad-name", f"'{name.text}' cannot be the name of an output", name.span, _OUTPUT_NAME)

    def report(self, code: Code, message: str, at: Span | Tree, help: str | None = None) -> None:
        """Add a problem at a place or value, unless the value could not be read, which the loader has reported."""
        if not isinstance(at, Unreadable):
            self.add(Diagnostic(code, message, at if isinstance(at, Span) else at.span, help=help))

    def _refuse(self, code: Code, message: str, at: Span | Tree, help: str | None = None) -> NoReturn:
        self.report(code, message, at, help)
        raise _Refused


class _Refused(Exception):
    """An item is wrong, which has been reported."""


def _without(tree: Mapping, keys: Iterable[str]) -> dict[str, Entry]:
    return {key: entry for key, entry in tree.entries.items() if key not in keys}


_NAMED: dict[str, type[Mark] | type[From] | type[Share]] = {"mark": Mark, "from": From, "share": Share}


def parse_layer(tree: Tree) -> Call | None:
    """The value of a field of type `layer`: a word, a call, or `none`. Raises SpecError."""
    grammar = Grammar()
    layer = grammar.layer(tree)
    if grammar.problems:
        raise SpecError(grammar.problems)
    return layer


def _may_be_item(tree: Tree) -> bool:
    if isinstance(tree, Scalar):
        return tree.value is None or isinstance(tree.value, str)
    return not isinstance(tree, Unreadable)


def _are_values(tree: Sequence, word: str) -> bool:
    """True if nothing in a list is an item: `permute: [0, 2, 3, 1]`. Below an operator's word `$x` is a value, too."""
    is_known = is_operator(word)
    return bool(tree.items) and not any(
        _may_be_item(item) and not (is_known and is_expression(item)) for item in tree.items
    )


def _layers(fields: Mapping) -> Sequence | None:
    """The items of a scope, `{layers: […]}`; None for the fields of a call."""
    layers = fields.get("layers") if len(fields.entries) == 1 and not fields.lost else None
    if isinstance(layers, Sequence) and (not layers.items or any(map(_may_be_item, layers.items))):
        return layers
    return None


def _is_word(tree: Tree, word: str) -> bool:
    return isinstance(tree, Scalar) and tree.value == word

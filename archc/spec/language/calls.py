"""Trees -> calls: the word of an operator or block, its fields, and the keys that every call may have."""

from __future__ import annotations

import re

from archc.diagnostics import did_you_mean
from archc.operators import JOINS, constant_words
from archc.spec.language.items import Call, From, Mark, Reference, Share
from archc.spec.language.names import RESERVED, is_name, is_path, is_path_template, is_variable
from archc.spec.language.reports import Refused, Reports
from archc.spec.language.shapes import without
from archc.spec.repair.hints import colon_meant
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable

CALL_KEYS = ("name", "count", "init", "keys", "results")
"""Fields that belong to every call, whatever is called."""

NAMED: dict[str, type[Mark] | type[From] | type[Share]] = {"mark": Mark, "from": From, "share": Share}
"""Words that take a name."""

LETTERS = "letters, digits, '_' and '-', not beginning with a digit or '-'"
_DOTTED = re.compile(r"[A-Za-z]\w{,40}(\.[A-Za-z]\w{,40}){1,3}")
_BEGIN = re.compile(r"[A-Za-z]\w*(?=[ ({])")


class Calls:
    """Reads calls and names; what is wrong goes to `reports`."""

    def __init__(self, reports: Reports) -> None:
        self._to = reports

    def word(self, scalar: Scalar) -> Call | Reference:
        """An item that is one word. Raises Refused."""
        text = scalar.text
        if text.startswith("$") and is_variable(text[1:]):
            return Reference(text[1:], scalar.span)
        if scalar.value is None:
            self._to.refuse("empty", "there is no item here", scalar.span)
        if not isinstance(scalar.value, str):
            self._to.refuse("wrong-kind", f"an item is an operator or block, not '{text}'", scalar.span)
        self.check_callable(scalar)
        return Call(text, scalar.span)

    def check_callable(self, word: Scalar) -> None:
        """Raise Refused if no operator or block can be called so."""
        if word.text in RESERVED:
            help = f"it takes a name, such as '- {word.text}: skip'" if word.text in NAMED else None
            if word.text in ("sequence", *JOINS):
                help = f"write '- {word.text}:' and below it one '- ' for each of its items"
            message = f"'{word.text}' is a word of the language; it cannot stand here"
            self._to.refuse("reserved-word", message, word.span, help)
        if not is_name(word.text) and not _DOTTED.fullmatch(word.text):  # such as nn.Linear, which is looked up
            begin = _BEGIN.match(word.text)
            help = f"write '- {begin[0]}', or '- {begin[0]}: {{…}}' with fields" if begin else colon_meant(word.text)
            self._to.refuse("bad-name", f"'{word.text}' is not the name of an operator or block", word.span, help)

    def call(self, entry: Entry, value: Scalar | Unreadable | Mapping) -> Call:
        """An operator or block with fields. Raises Refused."""
        word, span = entry.key.text, entry.key.span
        if word != "identity":  # with fields it is a module that does nothing
            self.check_callable(entry.key)
        if not isinstance(value, Mapping):
            if isinstance(value, Scalar) and value.value is None and value.text == "":
                help = f"write '- {word}' for a call without fields, or indent its fields below it"
                self._to.refuse("empty", f"'{word}:' has no value", span, help)
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

    def constant(self, entry: Entry) -> Call:
        """`constant: {value: full, …}`, whose function is the operator. Raises Refused."""
        fields, word = entry.value, entry.key
        if isinstance(fields, Unreadable) or (isinstance(fields, Mapping) and fields.lost):
            raise Refused
        function = fields.get("value") if isinstance(fields, Mapping) else None
        if not isinstance(fields, Mapping) or function is None:
            help = f"the functions are {', '.join(constant_words())}"
            if isinstance(fields, Scalar) and fields.text in constant_words():
                help = f"write 'constant: {{value: {fields.text}, …}}'"
            self._to.refuse("missing-field", "constant needs the field 'value'", word.span, help)
        if not isinstance(function, Scalar):
            self._to.refuse("wrong-kind", "constant.value is the name of a function", function)
        if function.text not in constant_words():
            meant = did_you_mean(function.text, constant_words())
            help = meant or f"the functions are {', '.join(constant_words())}"
            self._to.refuse("invalid-value", f"constant has no function '{function.text}'", function, help)
        return self.call(Entry(function, fields), fields._replace(entries=without(fields, ("value",))))

    def _item_name(self, fields: Mapping) -> Scalar | None:
        name = self._scalar(fields, "name")
        if name is not None and not is_path_template(name.text):
            help = f"a name has {LETTERS}, and may have dots"
            self._to.report("bad-name", f"'{name.text}' is not a name", name.span, help)
            return None
        return name

    def _scalar(self, fields: Mapping, key: str) -> Scalar | None:
        value = fields.get(key)
        if isinstance(value, Sequence | Mapping):
            self._to.report("wrong-kind", f"'{key}' takes one value, not a list or mapping", value)
        return value if isinstance(value, Scalar) else None

    def _mapping(self, fields: Mapping, key: str) -> Mapping | None:
        value = fields.get(key)
        if isinstance(value, Scalar | Sequence):
            self._to.report("wrong-kind", f"'{key}' takes a mapping from tensors to keys", value)
        return value if isinstance(value, Mapping) else None

    def results(self, value: Tree | None) -> tuple[Scalar, ...] | None:
        """The names of further results: of a block, and what a call calls them."""
        names = value.items if isinstance(value, Sequence) else ()
        found = tuple(name for name in names if isinstance(name, Scalar) and is_variable(name.text))
        if value is not None and (len(found) < len(names) or not names):
            self._to.report("bad-name", "'results' is a list of names", value, "such as results: [high, low]")
        return found if value is not None else None

    def value_name(self, entry: Entry) -> Scalar:
        """The name that `mark`, `from` or `share` takes."""
        value, word = entry.value, entry.key.text
        fits = is_path if word == "share" else is_variable
        if isinstance(value, Unreadable):
            raise Refused
        if not isinstance(value, Scalar) or not fits(value.text.removeprefix("$")):
            self._to.refuse("bad-name", f"'{word}' takes a name", value, "it has letters, digits and '_'")
        return value

    def reference(self, entry: Entry) -> Reference:
        """`$norm: {name: bn1}`."""
        key, fields = entry.key, entry.value
        if isinstance(fields, Unreadable) or (isinstance(fields, Mapping) and fields.lost):
            raise Refused
        if not isinstance(fields, Mapping) or not fields.entries:
            self._to.refuse("wrong-kind", f"'{key.text}' takes a name", key.span, f"write '{key.text}: {{name: …}}'")
        for other, field in fields.entries.items():
            if other != "name":
                help = (
                    f"the fields of {key.text} are written where the layer is given, as {{batch_norm: {{eps: 1e-3}}}}"
                )
                self._to.refuse("misplaced", f"'{key.text}' takes a name only, not '{other}'", field.key.span, help)
        return Reference(key.text[1:], key.span, self._item_name(fields))

"""What the words of calls stand for, and what is said of words that stand for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import get_args, get_origin

from pydantic import BaseModel

from archc.blocks import BLOCKS, Block, Layer, block_model, block_words, blocks_elsewhere
from archc.diagnostics import SpecError
from archc.elaborate.arguments import Argument, Site, evaluate, layer_fields
from archc.elaborate.environment import Here
from archc.elaborate.hints import list_meant
from archc.elaborate.marks import Marks
from archc.elaborate.problems import Problems
from archc.ir.operator import Operator
from archc.operators import OPERATORS, known_elsewhere, operator_model, operator_words
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import Unknown
from archc.spec.language.items import Call, Group
from archc.spec.repair.foreign import OPERATOR_KEYS, Meaning, meaning
from archc.spec.tree import Scalar, Sequence

Callee = type[Operator] | type[Block] | BlockDefinition


class Callees:
    """Looks words up: a block of the spec first, then an operator, then a block in Python."""

    def __init__(self, blocks: Mapping[str, BlockDefinition], problems: Problems, marks: Marks) -> None:
        self._blocks = blocks
        self._problems = problems
        self._marks = marks

    def find(self, word: str) -> Callee | None:
        """The callee of a word, or None."""
        if word in self._blocks:
            return self._blocks[word]
        if word in OPERATORS:
            return operator_model(word)
        if word in BLOCKS:  # before other packages are looked through, which takes milliseconds
            return block_model(word)
        for model in (operator_model, block_model):
            with suppress(KeyError):
                return model(word)
        return None

    def of(self, call: Call, here: Here | None = None) -> Callee | None:
        """The callee of a call; None, and a problem, if there is none, or if it takes no list and the call is one.

        `here` are the names where an item stands; a field's layer has none.
        """
        callee = self.find(call.word)
        if callee is None:
            self._report_unknown(call, here)
        elif isinstance(call.short, Sequence) and not takes_list(callee):
            message = f"{call.word} is an operator or block, so it takes fields, not a list"
            help = list_meant(call.word, fields_of(callee), call.short)
            self._problems.add("wrong-kind", message, call.short.span, help=help)
            return None
        return callee

    def _report_unknown(self, call: Call, here: Here | None) -> None:
        if call.fields and "layers" in call.fields.entries:
            message = "a scope has 'layers' as its only key, with a list of items"
            help = f"write '{call.word}: {{layers: […]}}'"
            self._problems.add("wrong-kind", message, call.fields.entries["layers"].key.span, help=help)
            return
        meant, is_absent = self._meaning(call, here)
        if isinstance(call.short, Sequence) and not (meant or is_absent):
            message, help = f"'{call.word}' has a list in which nothing is an item", "each item begins with '- '"
            self._problems.add("wrong-kind", message, call.short.span, help=help)
            return
        message = f"there is no operator or block '{call.word}'"
        if is_absent:
            message = f"'{call.word}' is not supported by archc"
        help = meant or "`archc explain` lists every operator and block"
        self._problems.add("unknown-block", message, call.span, help=help)

    def _meaning(self, call: Call, here: Here | None) -> Meaning:
        """What a call that has no callee is likely to mean."""
        word = call.word
        if here is not None and call.fields is None and call.short is None:
            if word in self._marks:
                return Meaning(f"'{word}' names a value: write 'from: {word}'")
            if isinstance(here.names.get(word), Layer | Unknown):
                return Meaning(f"'{word}' is a parameter: write '${word}'")
        if word in OPERATOR_KEYS and isinstance(call.short, Scalar):
            return Meaning(f"the operator is the key: '- {call.short.text}'")
        words = (*self._blocks, *operator_words(), *block_words())
        return meaning(word, words, known_elsewhere() | blocks_elsewhere())

    def check_layers(self, model: type[BaseModel], arguments: Mapping[str, Argument]) -> None:
        """Report unknown words in layer-typed fields, also where another mistake keeps them from being applied."""
        for name, argument in arguments.items():
            if name not in layer_fields(model):
                continue
            with suppress(SpecError):  # `validate` reports it
                layer = evaluate(argument.tree, argument.environment, as_layer=True)
                if isinstance(layer, Layer) and isinstance(layer.site, Site):
                    self.of(layer.site.call)

    def refuse_items(self, word: str, group: Group) -> bool:
        """True if a sequence or scope is called as an operator or block. Side effect: records it."""
        callee = self.find(word)
        if callee is None:
            return False
        message = f"{word} is an operator or block, so it takes fields, not a list"
        help = f"write '{word}: {{…}}', or choose another name for a sequence"
        if not group.numbered:
            message, help = f"{word} is an operator or block, so no scope is called so", "choose another name"
        elif takes_list(callee):
            message = f"{word} is an operator or block, but its list has what may be items"
            help = f"write '{word}: {{{fields_of(callee)[0]}: […]}}' for values, or choose another name for a sequence"
        self._problems.add("wrong-kind", message, group.span, help=help)
        return True


def fields_of(callee: Callee) -> list[str]:
    """The names of a callee's fields, in order."""
    return list(callee.parameters if isinstance(callee, BlockDefinition) else callee.model_fields)


def first_field(callee: Callee) -> str | None:
    """The field that a call's short form gives; None if it has none."""
    has_none = not isinstance(callee, BlockDefinition) and issubclass(callee, Operator) and callee.not_short_for
    return None if has_none else next(iter(fields_of(callee)), None)


def strides_once(callee: Callee) -> bool:
    """True if only the first copy of a counted call strides: a block that declares a stride."""
    if isinstance(callee, BlockDefinition):
        return "stride" in callee.parameters and callee.parameters["stride"].type in ("int", "float", "size")
    return "stride" in callee.model_fields and issubclass(callee, Block)


def arity_of(callee: Callee) -> int | None:
    """How many values a callee takes; None: two or more, as a sum does."""
    return callee.arity if not isinstance(callee, BlockDefinition) and issubclass(callee, Operator) else 1


def takes_list(callee: Callee) -> bool:
    """True if the first field can be a list, which a call may then have in place of its fields."""
    if isinstance(callee, BlockDefinition):
        return next((signature.type for signature in callee.parameters.values()), "") in ("size", "list")
    return next((_may_be_list(field.annotation) for field in callee.model_fields.values()), False)


def _may_be_list(annotation: object) -> bool:
    return get_origin(annotation) in (tuple, list) or any(map(_may_be_list, get_args(annotation)))

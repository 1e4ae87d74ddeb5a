"""What the words of calls stand for, and what is said of words that stand for nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from pydantic import BaseModel

from archc.blocks import BLOCKS, Block, Layer, block_model, block_words
from archc.diagnostics import SpecError, did_you_mean
from archc.elaborate.arguments import Argument, Site, evaluate, layer_fields
from archc.elaborate.hints import list_meant
from archc.elaborate.problems import Problems
from archc.ir.operator import Operator
from archc.operators import OPERATORS, known_elsewhere, operator_model, operator_words
from archc.spec.language.document import BlockDefinition
from archc.spec.language.items import Call, Group
from archc.spec.repair.foreign import OPERATOR_KEYS

Callee = type[Operator] | type[Block] | BlockDefinition


class Callees:
    """Looks words up: a block of the spec first, then an operator, then a block in Python."""

    def __init__(self, blocks: Mapping[str, BlockDefinition], problems: Problems) -> None:
        self._blocks = blocks
        self._problems = problems

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

    def of(self, call: Call) -> Callee | None:
        """The callee of a call; None, and a problem, if there is none."""
        callee = self.find(call.word)
        if callee is None:
            self._report_unknown(call)
        return callee

    def _report_unknown(self, call: Call) -> None:
        words = (*self._blocks, *operator_words(), *block_words())
        word = call.word.rpartition(".")[2]  # of nn.Linear
        meant = did_you_mean(known_elsewhere().get(word.lower(), word), words)
        if call.word in OPERATOR_KEYS and call.short is not None:
            meant = f"the operator is the key: '- {call.short.text}'"
        help = meant or "`archc explain` lists every operator and block"
        self._problems.add("unknown-block", f"there is no operator or block '{call.word}'", call.span, help=help)

    def check_layers(self, model: type[BaseModel], arguments: Mapping[str, Argument]) -> None:
        """Report unknown words in layer-typed fields, also where another mistake keeps them from being applied."""
        for name, argument in arguments.items():
            if name not in layer_fields(model):
                continue
            with suppress(SpecError):  # `validate` reports it
                layer = evaluate(argument.tree, argument.environment, as_layer=True)
                if isinstance(layer, Layer) and isinstance(layer.site, Site):
                    self.of(layer.site.call)

    def refuse_list(self, word: str, group: Group) -> bool:
        """True if a list stands where only fields can. Side effect: records it."""
        callee = self.find(word)
        if callee:
            message = f"{word} is an operator or block, so it takes fields, not a list"
            help = f"write '{word}: {{…}}', or choose another name for a sequence"
        else:
            message, help = f"'{word}' has a list in which nothing is an item", f"fields have names: {word}: {{…}}"
        if callee and group.values:
            help = list_meant(word, fields_of(callee), group.values, of_numbers=not _begins_with_integer(callee))
        if callee or group.values:
            self._problems.add("wrong-kind", message, group.values.span if group.values else group.span, help=help)
        return bool(callee or group.values)


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


def _begins_with_integer(callee: Callee) -> bool:
    """True if the first field is one number, and not a size or list."""
    if isinstance(callee, BlockDefinition):
        return next((signature.type for signature in callee.parameters.values()), "") == "int"
    return next((field.annotation is int for field in callee.model_fields.values()), False)

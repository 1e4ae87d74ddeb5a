"""A spec's `defaults`: fields that every call of a word has."""

from __future__ import annotations

from archc.elaborate.arguments import Argument, validate
from archc.elaborate.callees import Callees
from archc.elaborate.context import Context
from archc.elaborate.definitions import bind
from archc.elaborate.environment import Here
from archc.ir.types import TensorType
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import UNKNOWN, Unknown
from archc.spec.language.items import Call
from archc.spec.tree import Mapping


class Defaults:
    """The defaults of each word, in one elaboration."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def of(self, word: str, x: TensorType | Unknown) -> dict[str, Argument]:
        """The fields that a word gets where it is applied to a value of this type."""
        entry = self._context.spec.defaults.get(word)
        if entry is None:
            return {}
        assert isinstance(entry.value, Mapping), "it was parsed before"
        environment = Here(self._context.parameters, x)
        return {key: Argument(field.key.span, field.value, environment) for key, field in entry.value.entries.items()}

    def check(self, callees: Callees) -> None:
        """Record what is wrong with the defaults, also with those that are never used."""
        problems = self._context.problems
        for word, entry in self._context.spec.defaults.items():
            call, arguments = Call(word, entry.key.span), self.of(word, UNKNOWN)
            callee = callees.of(call)
            if isinstance(callee, BlockDefinition):
                bind(callee, call, arguments, problems, self._context.marks, partial=True)
            elif callee is not None:
                callees.check_layers(callee, arguments)
                validate(callee, word, call.span, arguments, problems, partial=True)

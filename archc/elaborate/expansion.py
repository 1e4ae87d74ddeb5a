"""What a block written in Python is expanded with."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archc.blocks import Block, Layer, block_word
from archc.diagnostics import Span
from archc.elaborate.arguments import validate
from archc.ir.graph import Scope, Value
from archc.ir.operator import Operator
from archc.ir.types import TensorType
from archc.spec.language.expressions import UNKNOWN, Unknown

if TYPE_CHECKING:
    from archc.elaborate.calls import Caller


class Abandoned(Exception):
    """A block's expansion cannot go on, because a layer inside it was refused (and that has been recorded)."""


@dataclass(frozen=True)
class PythonExpansion:
    """What a Python block's `expand` builds with; everything that it adds stands where the block is used."""

    caller: Caller
    span: Span

    def __call__(self, layer: Operator | Block | Layer | None, *inputs: Value, name: str | None = None) -> Value:
        """Apply a layer. Raises Abandoned if it was refused."""
        result = self._apply(layer, inputs, name)
        if result is UNKNOWN:
            raise Abandoned
        return result

    def sequence(self, name: str | None = None) -> AbstractContextManager[Scope]:
        """A scope that numbers its items. Raises NameTaken."""
        return self.caller.context.scope("sequence", name, "Sequential", self.span, sequence=True)

    def _apply(
        self, layer: Operator | Block | Layer | None, inputs: tuple[Value, ...], name: str | None
    ) -> Value | Unknown:
        if isinstance(layer, Layer):
            return self.caller.layer(layer, inputs, name, self.span)
        word = "none" if layer is None else layer.word if isinstance(layer, Operator) else block_word(type(layer))
        arity = layer.arity if isinstance(layer, Operator) else 1
        if not self.caller.takes(word, arity, inputs, self.span):
            return UNKNOWN
        if layer is None:
            return inputs[0]
        if isinstance(layer, Block):
            return self.caller.expand(layer, word, inputs[0], name, self.span)
        operator = self._with_defaults(layer, inputs[0].type)
        context = self.caller.context
        initializers = context.initializers.of(type(operator), None)
        return context.add(operator, *inputs, name=name, span=self.span, initializers=initializers)

    def _with_defaults(self, operator: Operator, x: TensorType) -> Operator:
        """The operator with the spec's defaults for the fields that the block did not write."""
        defaults = self.caller.defaults(operator.word, x)
        missing = {field: argument for field, argument in defaults.items() if field not in operator.model_fields_set}
        if not missing:
            return operator
        written = {field: getattr(operator, field) for field in operator.model_fields_set}
        merged = validate(type(operator), operator.word, self.span, missing, self.caller.problems, written)
        if merged is UNKNOWN:
            raise Abandoned
        return merged

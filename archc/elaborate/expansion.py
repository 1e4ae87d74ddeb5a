"""Blocks in Python: what their `expand` builds with."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from archc.blocks import Block, Layer, block_word
from archc.diagnostics import Span
from archc.elaborate.arguments import validate
from archc.elaborate.context import Context
from archc.elaborate.defaults import Defaults
from archc.ir.builder import NameTaken
from archc.ir.graph import Scope, Value
from archc.ir.operator import Operator, ShapeError
from archc.ir.types import TensorType
from archc.spec.language.expressions import UNKNOWN, Unknown


class Abandoned(Exception):
    """A block's expansion cannot go on, because a layer inside it was refused (and that has been recorded)."""


ApplyLayer = Callable[[Layer, tuple[Value, ...], str | None, Span], Value | Unknown]
"""Applies a field's layer, under a name, where it is used."""


@dataclass(frozen=True)
class Expander:
    """Expands blocks, for one elaboration."""

    context: Context
    defaults: Defaults
    layer: ApplyLayer

    def expand(
        self, block: Block, word: str, x: Value, name: str | None, span: Span, named: Span | None = None
    ) -> Value | Unknown:
        """Apply a block; `named` is where its name stands."""
        try:
            with self.context.scope(word, name, type(block).__name__, span, sequence=block.numbered) as scope:
                try:
                    names = {"in_channels": x.type.shape[1], **dict(block)} if x.type.ndim > 1 else dict(block)
                    with self.context.body(names, scope):
                        return self.context.gave(scope, block.expand(_Expansion(self, span), x))
                except ShapeError as error:
                    self.context.refuse(error, word, scope.path, span, (x,))
        except NameTaken as error:
            self.context.name_taken(error, named or span)
        except Abandoned:
            pass
        return UNKNOWN


@dataclass(frozen=True)
class _Expansion:
    """What a block's `expand` is given; everything that it adds stands where the block is used."""

    expander: Expander
    span: Span

    def __call__(self, layer: Operator | Block | Layer | None, *inputs: Value, name: str | None = None) -> Value:
        """Apply a layer. Raises Abandoned if it was refused."""
        result = self._apply(layer, inputs, name)
        if result is UNKNOWN:
            raise Abandoned
        return result

    def sequence(self, name: str | None = None) -> AbstractContextManager[Scope]:
        """A scope that numbers its items. Raises NameTaken."""
        return self.expander.context.scope("sequence", name, "Sequential", self.span, sequence=True)

    def _apply(
        self, layer: Operator | Block | Layer | None, inputs: tuple[Value, ...], name: str | None
    ) -> Value | Unknown:
        if isinstance(layer, Layer):
            return self.expander.layer(layer, inputs, name, self.span)
        word = "none" if layer is None else layer.word if isinstance(layer, Operator) else block_word(type(layer))
        arity = layer.arity if isinstance(layer, Operator) else 1
        context = self.expander.context
        if not context.takes(word, arity, inputs, self.span):
            return UNKNOWN
        if layer is None:
            return inputs[0]
        if isinstance(layer, Block):
            return self.expander.expand(layer, word, inputs[0], name, self.span)
        operator = self._with_defaults(layer, inputs[0].type)
        initializers = context.initializers.of(type(operator))
        return context.add(operator, *inputs, name=name, span=self.span, initializers=initializers)

    def _with_defaults(self, operator: Operator, x: TensorType) -> Operator:
        """The operator with the spec's defaults for the fields that the block did not write."""
        defaults = self.expander.defaults.of(operator.word, x)
        missing = {field: argument for field, argument in defaults.items() if field not in operator.model_fields_set}
        if not missing:
            return operator
        written = {field: getattr(operator, field) for field in operator.model_fields_set}
        problems = self.expander.context.problems
        merged = validate(type(operator), operator.word, self.span, missing, problems, written)
        if merged is UNKNOWN:
            raise Abandoned
        return merged

"""Blocks defined in YAML: applies the items of their bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import cast

from archc.elaborate.arguments import Argument, evaluate
from archc.elaborate.context import Context
from archc.elaborate.definitions import bind
from archc.elaborate.environment import at, size
from archc.elaborate.naming import camel_case
from archc.ir.builder import NameTaken
from archc.ir.graph import Scope, Value
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import Call, Item

Walk = Callable[[Iterable[Item], Value | Unknown, Environment], Value | Unknown]
"""Applies items one after the other to a value, in a scope of names."""


class Bodies:
    """Applies blocks, for one elaboration; `walk` applies the items of a body."""

    def __init__(self, context: Context, walk: Walk) -> None:
        self._context, self._walk = context, walk
        self._expanding: list[str] = []

    def apply(
        self,
        definition: BlockDefinition,
        call: Call,
        inputs: tuple[Value, ...] | Unknown,
        arguments: dict[str, Argument],
        copy: int,
        name: str | None,
    ) -> Value | Unknown:
        """The value that a block gives for a call; what is wrong is recorded."""
        context = self._context
        if call.word in self._expanding:
            context.problems.add("recursive-block", f"the definition of {call.word} uses itself", call.span)
            return UNKNOWN
        partial = call.fields is not None and call.fields.lacks_keys
        values = bind(definition, call, arguments, context.problems, context.marks, partial=partial)
        if inputs is UNKNOWN or values is UNKNOWN:
            return UNKNOWN
        ramps = context.ramps.next_values(call.word, call.span)
        context.budget.count_values(len(ramps), call.span)
        (x,) = inputs
        own: dict[str, object] = {**context.elsewhere, **ramps, "i": copy, "n": copy + 1}
        if x.type.ndim > 1:
            own["in_channels"] = size("in_channels", 1, x.type)
            own["in_features"] = size("in_features", -1, x.type)
        return self._body(definition, call, x, {**own, **values}, name)

    def _body(
        self,
        definition: BlockDefinition,
        call: Call,
        x: Value,
        environment: dict[str, object],
        name: str | None,
    ) -> Value | Unknown:
        problems, marks = self._context.problems, self._context.marks
        self._expanding.append(call.word)
        given = {key: (cast(Value, environment.pop(key)), definition.parameters[key].span) for key in definition.given}
        try:
            with problems.inside(call.word, call.span), marks.body(given):
                for derived, tree in definition.let.items():
                    environment[derived] = evaluate(tree, at(environment, x))
                with self._scope_of(definition, call, name) as scope, self._context.body(environment, scope):
                    value = self._walk(definition.items, x, environment)
                if scope:
                    self._context.gave(scope, value)
                results = [marks.get(name) for name in definition.results]
            self._name_results(call, results)
            return value
        except NameTaken as error:
            self._context.name_taken(error, call.name.span if call.name else call.span)
            return UNKNOWN
        finally:
            self._expanding.pop()

    def _name_results(self, call: Call, results: list[Value | Unknown]) -> None:
        """Give the further results of a block the names that its call has for them."""
        names = call.results if call.results and results else ()
        if len(names) > len(results):
            message = f"{call.word} has {len(names)} names for its results, but gives {len(results)} beside its value"
            self._context.problems.add("wrong-kind", message, names[len(results)].span)
        for name, value in zip(names, results, strict=False):
            self._context.marks.set(name, value)

    def _scope_of(
        self, definition: BlockDefinition, call: Call, name: str | None
    ) -> AbstractContextManager[Scope | None]:
        if definition.kind == "inline":
            return nullcontext()
        is_sequence = definition.kind == "sequence"
        return self._context.scope(call.word, name, camel_case(call.word), call.span, sequence=is_sequence)

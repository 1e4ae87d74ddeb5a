"""Applies composites: each of their branches to the current value, then the operator that joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from archc.diagnostics import Span
from archc.elaborate.arguments import Argument, validate
from archc.elaborate.context import Context
from archc.ir.graph import Value
from archc.ir.operator import Operator
from archc.operators import operator_model
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import Branch, Composite, From, Item, When

Walk = Callable[[Iterable[Item], Value | Unknown, Environment], Value | Unknown]
"""Applies items one after the other to a value, in a scope of names."""

Choose = Callable[[When, Environment], Branch | Unknown | None]
"""The arm of a `when` that holds."""


class Composites:
    """Applies composites, for one elaboration."""

    def __init__(self, context: Context, walk: Walk, choose: Choose) -> None:
        self._context, self._walk, self._choose = context, walk, choose
        self._problems = context.problems

    def apply(self, composite: Composite, x: Value | Unknown, env: Environment) -> Value | Unknown:
        """The branches' values joined; what is wrong is recorded."""
        branches = [self._branch(branch, x, env) for branch in composite.branches]
        values = [value for value in branches if isinstance(value, Value)]
        operator = self._operator(composite, env)
        if x is UNKNOWN or operator is UNKNOWN or UNKNOWN in branches:
            return UNKNOWN
        if composite.names:
            held = [name for name, value in zip(composite.names, branches, strict=True) if value is not None]
            return self._joined(operator, composite, held, (x, *values))
        if not values:
            self._problems.add("empty", f"every branch of this {composite.kind} is absent", composite.span)
            return UNKNOWN
        if len(values) == 1:
            return values[0]
        help = _steps_meant(composite)
        return self._context.add(operator, *values, name=None, span=composite.span, fields=_spans(composite), help=help)

    def _branch(self, branch: Branch | When, x: Value | Unknown, env: Environment) -> Value | Unknown | None:
        """The branch's value; None for an absent branch: a `when` whose arm is `none`."""
        if isinstance(branch, When):
            chosen = self._choose(branch, env)
            return self._walk(chosen.items, x, env) if isinstance(chosen, Branch) else chosen
        value = self._walk(branch.items, x, env)
        named = any(isinstance(item, From) for item in branch.items)  # it may be the value that it has already
        if value is x is not UNKNOWN and branch.items and not named:
            help = "write 'identity' for a shortcut, or 'none' in a 'when' for no branch at all"
            self._problems.add("empty", "nothing is left of this branch", branch.span, help=help)
        return value

    def _operator(self, composite: Composite, env: Environment) -> Operator | Unknown:
        """The operator that joins the branches of a composite, with its fields; what is wrong is recorded."""
        model = operator_model(composite.kind)
        for name in model.needed():
            if name not in composite.names:
                self._problems.add("missing-field", f"{model.word} needs the field '{name}'", composite.span)
                return UNKNOWN
        entries = composite.fields.entries if composite.fields else {}
        arguments = {key: Argument(entry.key.span, entry.value, env) for key, entry in entries.items()}
        partial = composite.fields is not None and composite.fields.lacks_keys
        return validate(model, composite.kind, composite.span, arguments, self._problems, partial=partial)

    def _joined(
        self, operator: Operator, composite: Composite, held: list[str], values: tuple[Value, ...]
    ) -> Value | Unknown:
        """Apply an operator to the branches that its fields hold; the current value, the first one, if it takes it."""
        for name in operator.needed():
            if name not in held:
                message = f"the branch '{name}' of this {operator.word} is absent"
                self._problems.add("empty", message, composite.span)
                return UNKNOWN
        assert operator.arity is not None, "the branches of a join have no names"
        first = 0 if operator.arity > len(operator.branches) else 1
        ordered = sorted(zip(held, values[1:], strict=True), key=lambda pair: operator.branches.index(pair[0]))
        inputs = (*values[first:1], *(value for _, value in ordered))
        return self._context.add(operator, *inputs, name=None, span=composite.span, fields=_spans(composite))


def _steps_meant(composite: Composite) -> str | None:
    """Help for branches that do not fit, where each is one step: they are likely to be meant as steps of one branch."""
    lengths = [len(branch.items) if isinstance(branch, Branch) else 0 for branch in composite.branches]
    if len(lengths) < 3 or 0 not in lengths or max(lengths) > 1:
        return None
    entry = f"each entry of {composite.kind} is a branch"
    return f"{entry}; the steps of one branch are a list: '- - a', and below it '  - b'"


def _spans(composite: Composite) -> dict[str, Span]:
    """Where the values of the fields stand."""
    entries = composite.fields.entries if composite.fields else {}
    return {key: entry.value.span for key, entry in entries.items()}

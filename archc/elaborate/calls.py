"""Applies calls: operators, blocks in Python, and blocks defined in a spec."""

from __future__ import annotations

from dataclasses import replace

from archc.blocks import Block, Layer
from archc.diagnostics import Span, did_you_mean
from archc.elaborate.arguments import (
    Argument,
    Site,
    default_call,
    evaluate,
    fraction_help,
    origins,
    show,
    validate,
    written_arguments,
)
from archc.elaborate.bodies import Bodies, Walk
from archc.elaborate.callees import Callee, Callees, arity_of, first_field, strides_once
from archc.elaborate.context import Context
from archc.elaborate.defaults import Defaults
from archc.elaborate.environment import Here, at
from archc.elaborate.expansion import Expander
from archc.elaborate.keys import keys_of
from archc.elaborate.likeness import likened
from archc.elaborate.naming import is_template, item_name
from archc.ir.builder import NameTaken
from archc.ir.graph import Value
from archc.ir.operator import Operator
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import Call, Reference
from archc.spec.tree import Scalar


class Caller:
    """Applies calls, for one elaboration; `walk` applies the items of a block's body."""

    def __init__(self, context: Context, walk: Walk) -> None:
        self.context = context
        self.problems = context.problems
        self.callees = Callees(context.spec.blocks, context.problems, context.marks)
        self.defaults = Defaults(context)
        self._bodies = Bodies(context, walk)
        self._blocks = Expander(context, self.defaults, self.layer)

    def call(self, call: Call, x: Value | Unknown, env: Environment) -> Value | Unknown:
        """Apply a call `count` times. If it fails, its results are unknown."""
        value = self._counted(call, x, env)
        if value is UNKNOWN:
            self.context.marks.lose(call.results or ())
        return value

    def _counted(self, call: Call, x: Value | Unknown, env: Environment) -> Value | Unknown:
        callee = self.callees.of(call, at(env, x))
        if callee is None:
            return UNKNOWN
        count = self._count(call, env)
        if count is UNKNOWN:  # the fields are checked all the same
            count, x = 1, UNKNOWN
        if call.count is None or call.name is None or is_template(call.name):
            return self._copies(callee, call, x, env, count, call.name is not None)
        try:
            name = item_name(call.name, at(env, x), None)
            with self.context.scope(call.word, name, "Sequential", call.span, sequence=True) as scope:
                return self.context.gave(scope, self._copies(callee, call, x, env, count, named=False))
        except NameTaken as error:
            self.context.name_taken(error, call.name.span)
            return UNKNOWN

    def reference(self, reference: Reference, x: Value | Unknown, env: Environment) -> Value | Unknown:
        """Apply the layer that the caller gave for a parameter; `none` is the identity."""
        layer = env.get(reference.parameter, UNKNOWN)
        name = item_name(reference.name, at(env, x), None)
        if isinstance(layer, Layer):
            return self.layer(layer, _inputs(x), name, reference.span, reference.name)
        if layer is None:
            return x
        if layer is not UNKNOWN:
            self.problems.add("wrong-kind", f"${reference.parameter} is not a layer", reference.span)
        elif reference.parameter not in env:
            help = did_you_mean(reference.parameter, env)
            message = f"there is no parameter '{reference.parameter}' here"
            self.problems.add("unknown-name", message, reference.span, help=help)
        return UNKNOWN

    def layer(
        self,
        layer: Layer,
        inputs: tuple[Value, ...] | Unknown,
        name: str | None,
        span: Span,
        written: Scalar | None = None,
    ) -> Value | Unknown:
        """Apply a field's layer, which is used at `span`; `written` is where the name stands, if a spec chose it."""
        site = layer.site if isinstance(layer.site, Site) else Site(default_call(layer, span), {})
        callee = self.callees.of(site.call)
        if callee is None:
            return UNKNOWN
        here = at(site.environment, inputs if inputs is UNKNOWN else inputs[0])
        with self.context.nested(span):
            call = replace(site.call, name=written) if written else site.call
            return self._apply(callee, call, inputs, here, 0, name)

    def _copies(
        self, callee: Callee, call: Call, x: Value | Unknown, env: Environment, count: int, named: bool
    ) -> Value | Unknown:
        for copy in range(count):
            if copy == 1:  # the first copy was right, and so may all others be
                self.context.budget.count_steps(count - 1, call.span)
            here = at(env, x)
            name = item_name(call.name, here, copy if call.count else None) if named else None
            x = self._apply(callee, call, _inputs(x), here, copy, name)
            if x is UNKNOWN:  # more copies would be wrong in the same way
                break
        return x

    def _apply(
        self,
        callee: Callee,
        call: Call,
        inputs: tuple[Value, ...] | Unknown,
        here: Here,
        copy: int,
        name: str | None,
    ) -> Value | Unknown:
        arguments = self._arguments(callee, call, here, copy)
        partial = call.fields is not None and call.fields.lacks_keys
        inputs = inputs if call.is_whole else UNKNOWN
        self._count_values(callee, call, arguments)
        if arity_of(callee) == 0 and inputs is not UNKNOWN:
            self.context.instead(inputs[0], UNKNOWN, call.span)
            inputs = tuple[Value, ...]()
        if not isinstance(callee, BlockDefinition) and issubclass(callee, Operator) and callee.branches:
            message = f"{call.word} needs the fields {', '.join(callee.needed())}, which hold branches"
            self.problems.add("missing-field", message, call.span)
            return UNKNOWN
        if inputs is not UNKNOWN and not self.context.takes(call.word, arity_of(callee), inputs, call.span):
            inputs = UNKNOWN
        if call.results is not None and not (isinstance(callee, BlockDefinition) and callee.results):
            message = f"{call.word} gives one value, and so has no 'results'"
            self.problems.add("misplaced", message, call.results[0].span if call.results else call.span)
        if call.keys and (isinstance(callee, BlockDefinition) or issubclass(callee, Block)):
            self.problems.add("wrong-kind", f"keys go with an operator, and {call.word} is a block", call.keys.span)
        if isinstance(callee, BlockDefinition):
            return self._bodies.apply(callee, call, inputs, arguments, copy, name)
        if call.init and issubclass(callee, Block):
            self.problems.add("wrong-kind", f"init goes with an operator, and {call.word} is a block", call.init.span)
        self.callees.check_layers(callee, arguments)
        model = validate(callee, call.word, call.span, arguments, self.problems, partial=partial)
        initializers = self.context.initializers.of(callee, call.init, here) if issubclass(callee, Operator) else {}
        if inputs is UNKNOWN or model is UNKNOWN:
            return UNKNOWN
        named = call.name.span if call.name else call.span
        if isinstance(model, Operator):
            fields = {field: argument.tree.span for field, argument in arguments.items()}
            keys = keys_of(call, model, here, self.problems)
            model = likened(model, call, arguments, inputs, self.context)
            if model is UNKNOWN:
                return UNKNOWN
            return self.context.add(
                model,
                *inputs,
                name=name,
                span=call.span,
                named=named,
                fields=fields,
                initializers=initializers,
                keys=keys,
            )
        return self._blocks.expand(model, call.word, inputs[0], name, call.span, named)

    def _count_values(self, callee: Callee, call: Call, arguments: dict[str, Argument]) -> None:
        trees = [*(argument.tree for argument in arguments.values()), *([call.init] if call.init else [])]
        if isinstance(callee, BlockDefinition):
            defaults = [signature.default for signature in callee.parameters.values()]
            trees += [*callee.let.values(), *(default for default in defaults if default)]
        self.context.budget.count_trees(trees, call.span)

    def _arguments(self, callee: Callee, call: Call, here: Here, copy: int) -> dict[str, Argument]:
        """What the call writes, and the spec's defaults for the rest; the stride goes to the first copy only."""
        written = written_arguments(call, first_field(callee), here)
        if copy and strides_once(callee):
            written["stride"] = Argument(call.span, Scalar(1, "1", call.span), here)
        return {**self.defaults.of(call.word, here.type), **written}

    def _count(self, call: Call, env: Environment) -> int | Unknown:
        if call.count is None:
            return 1
        count = evaluate(call.count, env)
        if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
            return count
        if count is not UNKNOWN:
            self.problems.add(
                "invalid-value",
                f"count must be an integer of at least 1, not {show(count)}",
                call.count.span,
                notes=origins(Argument(call.count.span, call.count, env)),
                help=fraction_help(call.count, count),
            )
        return UNKNOWN


def _inputs(x: Value | Unknown) -> tuple[Value, ...] | Unknown:
    return UNKNOWN if x is UNKNOWN else (x,)

"""Applies calls: operators, blocks in Python, and blocks defined in a spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import cast

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
from archc.elaborate.callees import Callee, Callees, arity_of, first_field, strides_once
from archc.elaborate.context import Context
from archc.elaborate.definitions import bind
from archc.elaborate.environment import Here, at, size
from archc.elaborate.expansion import Abandoned, PythonExpansion
from archc.elaborate.likeness import likened
from archc.elaborate.naming import camel_case, is_template, item_name
from archc.ir.builder import NameTaken
from archc.ir.graph import Scope, Value
from archc.ir.operator import Operator, ShapeError
from archc.ir.types import TensorType
from archc.operators import operator_model
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import Call, Composite, Item, Reference
from archc.spec.language.names import is_path_template
from archc.spec.tree import Mapping, Scalar, Sequence, Tree, Unreadable

Walk = Callable[[Iterable[Item], Value | Unknown, Environment], Value | Unknown]
"""Applies items one after the other to a value, in a scope of names."""

LONG_TEXT = 8  # characters; an expression that is longer counts as several values


class Caller:
    """Applies calls, for one elaboration; `walk` applies the items of a block's body."""

    def __init__(self, context: Context, walk: Walk) -> None:
        self.context = context
        self.problems = context.problems
        self.callees = Callees(context.spec.blocks, context.problems)
        self._walk = walk
        self._expanding: list[str] = []
        self._weights: dict[int, int] = {}

    def check_defaults(self) -> None:
        """Record what is wrong with the defaults, also with those that are never used."""
        for word, entry in self.context.spec.defaults.items():
            call, arguments = Call(word, entry.key.span), self.defaults(word, UNKNOWN)
            callee = self.callees.of(call)
            if isinstance(callee, BlockDefinition):
                bind(callee, call, arguments, self.problems, self.context.marks, partial=True)
            elif callee is not None:
                self.callees.check_layers(callee, arguments)
                validate(callee, word, call.span, arguments, self.problems, partial=True)

    def call(self, call: Call, x: Value | Unknown, env: Environment) -> Value | Unknown:
        """Apply a call `count` times."""
        callee = self.callees.of(call)
        if callee is None:
            return self._unknown(call)
        count = self._count(call, env)
        if count is UNKNOWN:  # the fields are checked all the same
            count, x = 1, UNKNOWN
        if call.count is None or call.name is None or is_template(call.name):
            return self._copies(callee, call, x, env, count, call.name is not None)
        try:
            name = item_name(call.name, at(env, x), None)
            with self.context.scope(call.word, name, "Sequential", call.span, sequence=True):
                return self._copies(callee, call, x, env, count, named=False)
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

    def joining(self, composite: Composite, env: Environment) -> Operator | Unknown:
        """The operator that joins the branches of a composite, with its fields; what is wrong is recorded."""
        model = operator_model(composite.kind)
        needed = model.branches[: len(model.branches) - model.optional_branches]
        for name in needed:
            if name not in composite.names:
                self.problems.add("missing-field", f"{model.word} needs the field '{name}'", composite.span)
                return UNKNOWN
        entries = composite.fields.entries if composite.fields else {}
        arguments = {key: Argument(entry.key.span, entry.value, env) for key, entry in entries.items()}
        partial = composite.fields is not None and composite.fields.lacks_keys
        return validate(model, composite.kind, composite.span, arguments, self.problems, partial=partial)

    def joined(
        self, operator: Operator, composite: Composite, held: list[str], values: tuple[Value, ...]
    ) -> Value | Unknown:
        """Apply an operator to the branches that its fields hold; the current value, the first one, if it takes it."""
        needed = operator.branches[: len(operator.branches) - operator.optional_branches]
        for name in needed:
            if name not in held:
                message = f"the branch '{name}' of this {operator.word} is absent"
                self.problems.add("empty", message, composite.span)
                return UNKNOWN
        assert operator.arity is not None, "the branches of a join have no names"
        first = 0 if operator.arity > len(operator.branches) else 1
        ordered = sorted(zip(held, values[1:], strict=True), key=lambda pair: operator.branches.index(pair[0]))
        inputs = (*values[first:1], *(value for _, value in ordered))
        entries = composite.fields.entries if composite.fields else {}
        fields = {key: entry.value.span for key, entry in entries.items()}
        return self.context.add(operator, *inputs, name=None, span=composite.span, fields=fields)

    def _copies(
        self, callee: Callee, call: Call, x: Value | Unknown, env: Environment, count: int, named: bool
    ) -> Value | Unknown:
        for copy in range(count):
            if copy == 1:  # the first copy was right, and so may all others be
                self.context.count_steps(count - 1, call.span)
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
            inputs = ()
        if inputs is not UNKNOWN and not self.takes(call.word, arity_of(callee), inputs, call.span):
            inputs = UNKNOWN
        if call.results is not None and not (isinstance(callee, BlockDefinition) and callee.results):
            message = f"{call.word} gives one value, and so has no 'results'"
            self.problems.add("misplaced", message, call.results[0].span if call.results else call.span)
        if call.keys and (isinstance(callee, BlockDefinition) or issubclass(callee, Block)):
            self.problems.add("wrong-kind", f"keys go with an operator, and {call.word} is a block", call.keys.span)
        if isinstance(callee, BlockDefinition):
            return self._definition(callee, call, inputs, arguments, copy, name, partial)
        if call.init and issubclass(callee, Block):
            self.problems.add("wrong-kind", f"init goes with an operator, and {call.word} is a block", call.init.span)
        self.callees.check_layers(callee, arguments)
        model = validate(callee, call.word, call.span, arguments, self.problems, partial=partial)
        initializers = self.context.initializers.of(callee, call.init) if issubclass(callee, Operator) else {}
        if inputs is UNKNOWN or model is UNKNOWN:
            return UNKNOWN
        named = call.name.span if call.name else call.span
        if isinstance(model, Operator):
            fields = {field: argument.tree.span for field, argument in arguments.items()}
            keys = self._keys(call, model, here)
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
        return self.expand(model, call.word, inputs[0], name, call.span, named)

    def _keys(self, call: Call, model: Operator, here: Here) -> dict[str, str]:
        """The `state_dict` keys that a call gives its tensors, by the tensors' names."""
        found: dict[str, str] = {}
        for name, entry in (call.keys.entries if call.keys else {}).items():
            if not model.functional:
                self.problems.add("wrong-kind", f"the tensors of {call.word} have no keys of their own", entry.key.span)
            elif name not in model.tensors:
                help = did_you_mean(name, model.tensors) or f"{call.word} has {', '.join(model.tensors)}"
                self.problems.add("unknown-field", f"{call.word} has no tensor '{name}'", entry.key.span, help=help)
            elif not isinstance(entry.value, Scalar) or not is_path_template(entry.value.text):
                self.problems.add("bad-name", "a key is a name, which may have dots", entry.value.span)
            elif key := item_name(entry.value, here, None):
                found[name] = key
        return found

    def takes(self, word: str, arity: int | None, inputs: tuple[Value, ...], span: Span) -> bool:
        """True if a layer takes this many inputs (`arity` is None: two or more). Side effect: records it if not."""
        count = len(inputs)
        fits = count >= 2 if arity is None else count == arity
        if not fits:
            wanted = "two inputs or more" if arity is None else "one input" if arity == 1 else f"{arity} inputs"
            self.problems.add("wrong-kind", f"{word} takes {wanted}, not {count}", span)
        return fits

    def _count_values(self, callee: Callee, call: Call, arguments: dict[str, Argument]) -> None:
        trees = [argument.tree for argument in arguments.values()]
        if isinstance(callee, BlockDefinition):
            defaults = [signature.default for signature in callee.parameters.values()]
            trees += [*callee.let.values(), *(default for default in defaults if default)]
        self.context.count_values(sum(map(self.weight, trees)), call.span)

    def weight(self, tree: Tree) -> int:
        """How many values of usual length a tree counts as."""
        if isinstance(tree, Scalar | Unreadable):
            return 1 + len(tree.text) // LONG_TEXT
        if id(tree) not in self._weights:  # the spec keeps its trees, and so their identities
            parts = tree.items if isinstance(tree, Sequence) else [entry.value for entry in tree.entries.values()]
            self._weights[id(tree)] = 1 + sum(map(self.weight, parts))
        return self._weights[id(tree)]

    def _arguments(self, callee: Callee, call: Call, here: Here, copy: int) -> dict[str, Argument]:
        """What the call writes, and the spec's defaults for the rest; the stride goes to the first copy only."""
        written = written_arguments(call, first_field(callee), here)
        if copy and strides_once(callee):
            written["stride"] = Argument(call.span, Scalar(1, "1", call.span), here)
        return {**self.defaults(call.word, here.type), **written}

    def defaults(self, word: str, x: TensorType | Unknown) -> dict[str, Argument]:
        """The fields that the spec's `defaults` give to a word where it is applied to a value of this type."""
        entry = self.context.spec.defaults.get(word)
        if entry is None:
            return {}
        assert isinstance(entry.value, Mapping), "it was parsed before"
        environment = Here(self.context.parameters, x)
        return {key: Argument(field.key.span, field.value, environment) for key, field in entry.value.entries.items()}

    def _definition(
        self,
        definition: BlockDefinition,
        call: Call,
        inputs: tuple[Value, ...] | Unknown,
        arguments: dict[str, Argument],
        copy: int,
        name: str | None,
        partial: bool,
    ) -> Value | Unknown:
        if call.word in self._expanding:
            self.problems.add("recursive-block", f"the definition of {call.word} uses itself", call.span)
            return self._unknown(call)
        values = bind(definition, call, arguments, self.problems, self.context.marks, partial=partial)
        if inputs is UNKNOWN or values is UNKNOWN:
            return self._unknown(call)
        ramps = self.context.ramps.next_values(call.word, call.span)
        self.context.count_values(len(ramps), call.span)
        (x,) = inputs
        own: dict[str, object] = {**self.context.unclear_ramps, **ramps, "i": copy, "n": copy + 1}
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
        self._expanding.append(call.word)
        given = {key: (cast(Value, environment.pop(key)), definition.parameters[key].span) for key in definition.given}
        try:
            with self.problems.inside(call.word, call.span), self.context.marks.body(given):
                for derived, tree in definition.let.items():
                    environment[derived] = evaluate(tree, at(environment, x))
                with self._scope_of(definition, call, name):
                    value = self._walk(definition.items, x, environment)
                results = [self.context.marks.get(name) for name in definition.results]
            self._name_results(call, results)
            return value
        except NameTaken as error:
            self.context.name_taken(error, call.name.span if call.name else call.span)
            return self._unknown(call)
        finally:
            self._expanding.pop()

    def _unknown(self, call: Call) -> Unknown:
        """The result of a call that went wrong; its further results are unknown, too."""
        for name in call.results or ():
            self.context.marks.set(name, UNKNOWN, once=False)
        return UNKNOWN

    def _name_results(self, call: Call, results: list[Value | Unknown]) -> None:
        """Give the further results of a block the names that its call has for them."""
        names = call.results or ()
        if names and len(names) != len(results):
            message = f"{call.word} has {len(results)} further results, and here are {len(names)} names"
            self.problems.add("wrong-kind", message, names[0].span)
        for name, value in zip(names, results, strict=False):
            self.context.marks.set(name, value)

    def _scope_of(
        self, definition: BlockDefinition, call: Call, name: str | None
    ) -> AbstractContextManager[Scope | None]:
        if definition.kind == "inline":
            return nullcontext()
        is_sequence = definition.kind == "sequence"
        return self.context.scope(call.word, name, camel_case(call.word), call.span, sequence=is_sequence)

    def expand(
        self, block: Block, word: str, x: Value, name: str | None, span: Span, named: Span | None = None
    ) -> Value | Unknown:
        """Apply a block written in Python; `named` is where its name stands."""
        try:
            with self.context.scope(word, name, type(block).__name__, span, sequence=block.numbered) as scope:
                try:
                    return block.expand(PythonExpansion(self, span), x)
                except ShapeError as error:
                    self.context.refuse(error, word, scope.path, span, (x,))
        except NameTaken as error:
            self.context.name_taken(error, named or span)
        except Abandoned:
            pass
        return UNKNOWN

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

"""Applies calls: operators, blocks in Python, and blocks defined in a spec."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from archc.blocks import Block, Layer, block_model, block_words
from archc.diagnostics import Span, SpecError, did_you_mean
from archc.elaborate.arguments import (
    Argument,
    Site,
    evaluate,
    fraction_help,
    layer_fields,
    origins,
    show,
    validate,
    written_arguments,
)
from archc.elaborate.definitions import bind
from archc.elaborate.hints import list_meant
from archc.elaborate.naming import camel_case, is_template, item_name
from archc.ir.builder import NameTaken
from archc.ir.graph import Scope, Value
from archc.ir.operator import Operator, ShapeError
from archc.operators import OPERATORS, operator_model
from archc.spec.language.document import BlockDefinition
from archc.spec.language.expressions import UNKNOWN
from archc.spec.language.items import Call, Group, Reference
from archc.spec.repair.foreign import ELSEWHERE, OPERATOR_KEYS
from archc.spec.tree import Mapping, Scalar, Sequence, Tree

if TYPE_CHECKING:
    from archc.elaborate.elaborator import Elaborator

Environment = MappingType[str, object]
Callee = type[Operator] | type[Block] | BlockDefinition

LONG_TEXT = 8  # characters; an expression that is longer counts as several values


class Abandoned(Exception):
    """A block's expansion cannot go on, because a layer inside it was refused (and that has been recorded)."""


class Caller:
    """Looks words up and applies them, for one elaboration."""

    def __init__(self, elaborator: Elaborator) -> None:
        self.elaborator = elaborator
        self.problems = elaborator.problems
        self._expanding: list[str] = []
        self._weights: dict[int, int] = {}

    def find(self, word: str) -> Callee | None:
        """What a word stands for: a block of the spec first, then an operator, then a block in Python."""
        definition = self.elaborator.spec.blocks.get(word)
        if definition:
            return definition
        if word in OPERATORS:
            return operator_model(word)
        try:
            return block_model(word)
        except KeyError:
            return None

    def check_defaults(self) -> None:
        """Record what is wrong with the defaults, also with those that are never used."""
        for word, entry in self.elaborator.spec.defaults.items():
            callee, call, arguments = self.find(word), Call(word, entry.key.span), self._defaults(word)
            if callee is None:
                self._unknown_word(call)
            elif isinstance(callee, BlockDefinition):
                bind(callee, call, arguments, self.problems, partial=True)
            else:
                self._check_layers(callee, arguments)
                validate(callee, word, call.span, arguments, self.problems, partial=True)

    def call(self, call: Call, x: Value | None, env: Environment) -> Value | None:
        """Apply a call `count` times."""
        callee = self.find(call.word)
        if callee is None:
            self._unknown_word(call)
            return None
        count = self._count(call, env)
        if count is None:  # the fields are checked all the same
            count, x = 1, None
        if call.count is None or call.name is None or is_template(call.name):
            return self._copies(callee, call, x, env, count, call.name is not None)
        try:
            name = item_name(call.name, env, None)
            with self.elaborator.scope(call.word, name, "Sequential", call.span, sequence=True):
                return self._copies(callee, call, x, env, count, named=False)
        except NameTaken as error:
            self.elaborator.name_taken(error, call.name.span)
            return None

    def reference(self, reference: Reference, x: Value | None, env: Environment) -> Value | None:
        """Apply the layer that the caller gave for a parameter."""
        layer = env.get(reference.parameter, UNKNOWN)
        if isinstance(layer, Layer):
            return self.layer(layer, x, None, reference.span)
        if layer is not None and layer is not UNKNOWN:
            self.problems.add("wrong-kind", f"${reference.parameter} is not a layer", reference.span)
        elif reference.parameter not in env:
            help = did_you_mean(reference.parameter, env)
            self.problems.add(
                "unknown-name",
                f"there is no parameter '{reference.parameter}' here",
                reference.span,
                help=help,
            )
        return x if layer is None else None

    def layer(self, layer: Layer, x: Value | None, name: str | None, span: Span) -> Value | None:
        """Apply a field's layer."""
        site = layer.site if isinstance(layer.site, Site) else Site(Call(layer.word, span), {})
        callee = self.find(layer.word)
        if callee is None:
            self._unknown_word(site.call)
            return None
        with self.elaborator.nested(span):
            return self._apply(callee, site.call, x, site.environment, 0, name)

    def _copies(
        self, callee: Callee, call: Call, x: Value | None, env: Environment, count: int, named: bool
    ) -> Value | None:
        for copy in range(count):
            if copy == 1:  # the first copy was right, and so may all others be
                self.elaborator.count_steps(count - 1, call.span)
            name = item_name(call.name, env, copy if call.count else None) if named else None
            x = self._apply(callee, call, x, env, copy, name)
            if x is None:  # more copies would be wrong in the same way
                return None
        return x

    def _apply(
        self, callee: Callee, call: Call, x: Value | None, env: Environment, copy: int, name: str | None
    ) -> Value | None:
        arguments = self._arguments(callee, call, env, copy)
        self._count_values(callee, call, arguments)
        if isinstance(callee, BlockDefinition):
            return self._definition(callee, call, x, arguments, copy, name)
        if call.init and issubclass(callee, Block):
            self.problems.add("wrong-kind", f"init goes with an operator, and {call.word} is a block", call.init.span)
        self._check_layers(callee, arguments)
        model = validate(callee, call.word, call.span, arguments, self.problems)
        if x is None or model is None:
            return None
        if isinstance(model, Operator):
            fields = {field: argument.tree.span for field, argument in arguments.items()}
            initializers = self.elaborator.initializers.of(type(model), call.init)
            return self.elaborator.add(model, x, name=name, span=call.span, fields=fields, initializers=initializers)
        return self._expand(model, call.word, x, name, call.span)

    def _count_values(self, callee: Callee, call: Call, arguments: dict[str, Argument]) -> None:
        trees = [argument.tree for argument in arguments.values()]
        if isinstance(callee, BlockDefinition):
            defaults = [signature.default for signature in callee.parameters.values()]
            trees += [*callee.let.values(), *(default for default in defaults if default)]
        self.elaborator.count_values(sum(map(self.weight, trees)), call.span)

    def weight(self, tree: Tree) -> int:
        """How many values of usual length a tree counts as."""
        if isinstance(tree, Scalar):
            return 1 + len(tree.text) // LONG_TEXT
        if id(tree) not in self._weights:  # the spec keeps its trees, and so their identities
            parts = tree.items if isinstance(tree, Sequence) else [entry.value for entry in tree.entries.values()]
            self._weights[id(tree)] = 1 + sum(map(self.weight, parts))
        return self._weights[id(tree)]

    def _check_layers(self, model: type[BaseModel], arguments: dict[str, Argument]) -> None:
        """Report unknown words in layer-typed fields, also where another mistake keeps them from being applied."""
        for name in layer_fields(model) & arguments.keys():
            with suppress(SpecError):  # `validate` reports it
                layer = evaluate(arguments[name].tree, arguments[name].environment, as_layer=True)
                if isinstance(layer, Layer) and isinstance(layer.site, Site) and self.find(layer.word) is None:
                    self._unknown_word(layer.site.call)

    def _arguments(self, callee: Callee, call: Call, env: Environment, copy: int) -> dict[str, Argument]:
        """What the call writes, and the spec's defaults for the rest; the stride goes to the first copy only."""
        fields = _fields_of(callee)
        written = written_arguments(call, fields[0] if fields else None, env)
        if copy and _strides_once(callee):
            written["stride"] = Argument(call.span, Scalar(1, "1", call.span), env)
        return {**self._defaults(call.word), **written}

    def _defaults(self, word: str) -> dict[str, Argument]:
        entry = self.elaborator.spec.defaults.get(word)
        if entry is None:
            return {}
        assert isinstance(entry.value, Mapping), "it was parsed before"
        environment = self.elaborator.parameters
        return {key: Argument(field.key.span, field.value, environment) for key, field in entry.value.entries.items()}

    def _definition(
        self,
        definition: BlockDefinition,
        call: Call,
        x: Value | None,
        arguments: dict[str, Argument],
        copy: int,
        name: str | None,
    ) -> Value | None:
        if call.word in self._expanding:
            self.problems.add("recursive-block", f"the definition of {call.word} uses itself", call.span)
            return None
        values = bind(definition, call, arguments, self.problems)
        if x is None or values is None:
            return None
        ramps = self.elaborator.ramps.next_values(call.word, call.span)
        self.elaborator.count_values(len(ramps), call.span)
        shape = x.type.shape
        own: dict[str, object] = {**self.elaborator.unclear_ramps, **ramps, "i": copy, "n": copy + 1}
        if len(shape) > 1:
            own["in_channels"] = shape[1]
            if isinstance(shape[-1], int):
                own["in_features"] = shape[-1]
        return self._body(definition, call, x, {**own, **values}, name)

    def _body(
        self,
        definition: BlockDefinition,
        call: Call,
        x: Value,
        environment: dict[str, object],
        name: str | None,
    ) -> Value | None:
        self._expanding.append(call.word)
        try:
            with self.problems.inside(call.word, call.span):
                for derived, tree in definition.let.items():
                    environment[derived] = evaluate(tree, environment)
                with self._scope_of(definition, call, name):
                    return self.elaborator.items(definition.items, x, environment)
        except NameTaken as error:
            self.elaborator.name_taken(error, call.name.span if call.name else call.span)
            return None
        finally:
            self._expanding.pop()

    def _scope_of(
        self, definition: BlockDefinition, call: Call, name: str | None
    ) -> AbstractContextManager[Scope | None]:
        if definition.kind == "inline":
            return nullcontext()
        return self.elaborator.scope(
            call.word, name, camel_case(call.word), call.span, sequence=definition.kind == "sequence"
        )

    def _expand(self, block: Block, word: str, x: Value, name: str | None, span: Span) -> Value | None:
        try:
            with self.elaborator.scope(word, name, type(block).__name__, span, sequence=block.numbered) as scope:
                try:
                    return block.expand(_Expansion(self, span), x)
                except ShapeError as error:
                    self.elaborator.refuse(error, word, scope.path, span, (x,))
        except NameTaken as error:
            self.elaborator.name_taken(error, span)
        except Abandoned:
            pass
        return None

    def _count(self, call: Call, env: Environment) -> int | None:
        if call.count is None:
            return 1
        count = evaluate(call.count, env)
        if count is UNKNOWN:
            return None
        if isinstance(count, int) and not isinstance(count, bool) and count >= 1:
            return count
        self.problems.add(
            "invalid-value",
            f"count must be an integer of at least 1, not {show(count)}",
            call.count.span,
            notes=origins(Argument(call.count.span, call.count, env)),
            help=fraction_help(call.count, count),
        )
        return None

    def refuse_list(self, word: str, group: Group) -> bool:
        """Whether a list stands where only fields can, which is recorded."""
        callee = self.find(word)
        if callee:
            message = f"{word} is an operator or block, so it takes fields, not a list"
            help = f"write '{word}: {{…}}', or choose another name for a sequence"
        else:
            message, help = f"'{word}' has a list in which nothing is an item", f"fields have names: {word}: {{…}}"
        if callee and group.values:
            help = list_meant(word, _fields_of(callee), group.values, of_numbers=not _begins_with_integer(callee))
        if callee or group.values:
            self.problems.add("wrong-kind", message, group.values.span if group.values else group.span, help=help)
        return bool(callee or group.values)

    def _unknown_word(self, call: Call) -> None:
        words = (*self.elaborator.spec.blocks, *OPERATORS, *block_words())
        word = call.word.rpartition(".")[2]  # of nn.Linear
        meant = did_you_mean(ELSEWHERE.get(word.lower(), word), words)
        if call.word in OPERATOR_KEYS and call.short is not None:
            meant = f"the operator is the key: '- {call.short.text}'"
        help = meant or "`archc explain` lists every operator and block"
        self.problems.add("unknown-block", f"there is no operator or block '{call.word}'", call.span, help=help)


def _fields_of(callee: Callee) -> list[str]:
    return list(callee.parameters if isinstance(callee, BlockDefinition) else callee.model_fields)


def _begins_with_integer(callee: Callee) -> bool:
    """Whether the first field is one number, and not a size or list."""
    if isinstance(callee, BlockDefinition):
        return next((signature.type for signature in callee.parameters.values()), "") == "int"
    return next((field.annotation is int for field in callee.model_fields.values()), False)


def _strides_once(callee: Callee) -> bool:
    """Whether the stride of a counted call is its first copy's alone: that of a block that declares one."""
    if isinstance(callee, BlockDefinition):
        return "stride" in callee.parameters and callee.parameters["stride"].type in ("int", "float", "size")
    return "stride" in callee.model_fields and issubclass(callee, Block)


@dataclass(frozen=True)
class _Expansion:
    """What a Python block's `expand` builds with; everything that it adds stands where the block is used."""

    caller: Caller
    span: Span

    def __call__(self, layer: Operator | Block | Layer | None, *inputs: Value, name: str | None = None) -> Value:
        """Apply a layer. Raises Abandoned if it was refused."""
        if layer is None:
            return inputs[0]
        result = self._apply(layer, inputs, name)
        if result is None:
            raise Abandoned
        return result

    def sequence(self, name: str | None = None) -> AbstractContextManager[Scope]:
        """A scope that numbers its items. Raises NameTaken."""
        return self.caller.elaborator.scope("sequence", name, "Sequential", self.span, sequence=True)

    def _apply(self, layer: Operator | Block | Layer, inputs: tuple[Value, ...], name: str | None) -> Value | None:
        elaborator = self.caller.elaborator
        if isinstance(layer, Layer):
            return self.caller.layer(layer, inputs[0], name, self.span)
        if isinstance(layer, Block):
            return self.caller._expand(layer, type(layer).__module__.rpartition(".")[2], inputs[0], name, self.span)
        operator = self._with_defaults(layer)
        initializers = elaborator.initializers.of(type(operator), None)
        return elaborator.add(operator, *inputs, name=name, span=self.span, initializers=initializers)

    def _with_defaults(self, operator: Operator) -> Operator:
        """The operator with the spec's defaults for the fields that the block did not write."""
        defaults = self.caller._defaults(operator.word)
        missing = {field: argument for field, argument in defaults.items() if field not in operator.model_fields_set}
        if not missing:
            return operator
        written = {field: getattr(operator, field) for field in operator.model_fields_set}
        merged = validate(type(operator), operator.word, self.span, missing, self.caller.problems, written)
        if merged is None:
            raise Abandoned
        return merged

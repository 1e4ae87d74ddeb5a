"""Walks the items of a spec and builds the graph.

After a problem the current value is unknown (None): what follows is still checked as far as it does not depend on it,
and nothing is reported that only follows from the first mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

from archc.diagnostics import Note, Span, SpecError, did_you_mean
from archc.elaborate.arguments import Parameters, as_layer
from archc.elaborate.calls import Caller
from archc.elaborate.initializers import Initializers
from archc.elaborate.naming import camel_case
from archc.elaborate.problems import Problems
from archc.elaborate.ramps import Ramps, check_shapes
from archc.ir.builder import GraphBuilder, NameTaken, TooManyNodes
from archc.ir.graph import Graph, Scope, Value
from archc.ir.initializers import Initializer
from archc.ir.operator import Operator, ShapeError
from archc.ir.types import BATCH, SymbolicDim, TensorType
from archc.operators import operator_model
from archc.spec.language.document import Range, Spec
from archc.spec.language.expressions import UNKNOWN
from archc.spec.language.items import (
    Auxiliary,
    Branch,
    Call,
    Composite,
    Group,
    Item,
    OutputMark,
    Reference,
    Unread,
    When,
)
from archc.spec.tree import Scalar

Environment = Mapping[str, object]

MAX_NESTING = 48  # levels of items and layers; each takes at most 13 of Python's 1000 frames


def elaborate(spec: Spec, parameters: Mapping[str, object], *, max_nodes: int = 10_000) -> Graph:
    """The graph of a spec for these values of its parameters.

    Raises: SpecError: with everything that is wrong with the spec.
    """
    elaborator = Elaborator(spec, max_nodes)
    graph = elaborator.run(parameters)
    if not spec.ramps:
        return graph
    second = Elaborator(spec, max_nodes, elaborator.ramps.uses)
    ramped = second.run(parameters)
    second.ramps.check_uses()
    check_shapes(graph, ramped)
    return ramped


class Elaborator:
    """One walk over a spec. `caller` applies calls; this class does everything else that an item can be."""

    def __init__(self, spec: Spec, max_nodes: int, ramp_totals: Mapping[str, int] | None = None) -> None:
        self.spec = spec
        self.problems = Problems()
        self.builder = GraphBuilder(spec.name, _input_type(spec), class_name=camel_case(spec.name), max_nodes=max_nodes)
        self.ramps = Ramps(spec.ramps, ramp_totals)
        self.unclear_ramps: dict[str, object] = {}  # any block may be the one that they were meant for
        self._check_ramps()
        self.initializers = Initializers(spec.init, self.problems)
        self.parameters: Environment = {}
        self.caller = Caller(self)
        self._steps_left = 2 * max_nodes  # items that give no operator cost time too
        self._values_left = 10 * max_nodes  # and so do the arguments and derived values of every copy
        self._nesting = 0
        self._outputs: set[str] = set()  # their names

    def _check_ramps(self) -> None:
        blocks = self.spec.blocks
        for name, ramp in self.spec.ramps.items():
            for block, span in zip(ramp.blocks, ramp.words, strict=True):
                if block not in blocks:
                    help = did_you_mean(block, blocks) or "a ramp goes over blocks that the spec defines"
                    self.problems.add("unknown-block", f"the ramp {name} names no block '{block}'", span, help=help)
                    self.unclear_ramps[name] = UNKNOWN

    def run(self, parameters: Environment) -> Graph:
        """Walk the whole network. Raises SpecError."""
        self.parameters = parameters = Parameters((name, as_layer(value)) for name, value in parameters.items())
        parameters.declared = {name: signature.span for name, signature in self.spec.parameters.items()}
        self.caller.check_defaults()
        value: Value | None = None
        with suppress(TooManyNodes):  # recorded where it was raised
            value = self.items(self.spec.items, self.builder.input, parameters, root=True)
            self._declare_main_output(value)
        self.problems.raise_if_any()
        graph = self.builder.finish()
        if value is not None and not graph.at_inference().nodes:
            message = "nothing is left of the network: its output would be its input"
            raise SpecError(message, code="empty", span=self.spec.items[0].span)
        return graph

    def items(self, items: Iterable[Item], x: Value | None, env: Environment, *, root: bool = False) -> Value | None:
        """Apply items one after the other."""
        for item in items:
            if root and isinstance(item, OutputMark):
                self._declare_output(item.name, x)
            elif root and isinstance(item, Auxiliary):
                self._auxiliary(item, x, env)
            elif root and isinstance(item, When):
                x = self._when(item, x, env, root=True)
            else:
                x = self.item(item, x, env)
        return x

    def item(self, item: Item, x: Value | None, env: Environment) -> Value | None:
        """Apply one item; None if the result is unknown."""
        self.count_steps(1, item.span)
        with self.problems.caught(), self.nested(item.span):
            match item:
                case Call():
                    return self.caller.call(item, x, env)
                case Group():
                    return self._group(item, x, env)
                case Composite():
                    return self._composite(item, x, env)
                case When():
                    return self._when(item, x, env)
                case Reference():
                    return self.caller.reference(item, x, env)
                case Unread():
                    return None
                case OutputMark() | Auxiliary():
                    raise AssertionError("the grammar allows these at the root only")
        return None

    def add(
        self,
        operator: Operator,
        *inputs: Value,
        name: str | None,
        span: Span,
        fields: Mapping[str, Span] | None = None,
        initializers: Mapping[str, Initializer] | None = None,
    ) -> Value | None:
        """Append an operator; what it refuses is recorded, at the field that is to blame if there is one."""
        try:
            return self.builder.add(operator, *inputs, name=name, span=span, initializers=initializers)
        except ShapeError as error:
            where = (fields or {}).get(error.field or "", span)
            self.refuse(error, operator.word, error.path, where, inputs)
        except NameTaken as error:
            self.name_taken(error, span)
            # Under another name, so that what follows is still checked; the graph is not used any more.
            return self.add(operator, *inputs, name=None, span=span, fields=fields) if name else None
        except TooManyNodes:
            self._too_large(span)
            raise
        return None

    def refuse(self, error: ShapeError, word: str, path: str, span: Span, inputs: Iterable[Value]) -> None:
        """Record what an operator or block refused, with the lines that produced its inputs."""
        notes = tuple(dict.fromkeys(self._provenance(value) for value in inputs))
        message = f"{_called(word, path)} {error.message}"
        self.problems.add("shape-mismatch", message, span, notes=notes, help=error.help)

    def name_taken(self, error: NameTaken, span: Span) -> None:
        """Record a name that cannot be used."""
        notes = (Note("it is taken here", error.span),) if error.span else ()
        self.problems.add("name-taken", error.message, span, notes=notes)

    def scope(
        self, word: str, name: str | None, class_name: str, span: Span, *, sequence: bool
    ) -> AbstractContextManager[Scope]:
        """A scope of the graph. Raises NameTaken on entry."""
        return self.builder.scope(word, name, class_name, sequence=sequence, span=span)

    def _group(self, group: Group, x: Value | None, env: Environment) -> Value | None:
        name = str(group.name.value) if group.name else None
        if group.name and self.caller.refuse_list(group.name.text, group):
            return None
        try:
            with self.scope("sequence", name, "Sequential", group.span, sequence=True):
                return self.items(group.items, x, env)
        except NameTaken as error:
            self.name_taken(error, group.span)
            return None

    def _composite(self, composite: Composite, x: Value | None, env: Environment) -> Value | None:
        branches = [self._branch(branch, x, env) for branch in composite.branches]
        if x is None or None in branches:
            return None
        values = [value for value in branches if isinstance(value, Value)]
        if not values:
            self.problems.add("empty", f"every branch of this {composite.kind} is absent", composite.span)
            return None
        if len(values) == 1:
            return values[0]
        return self.add(operator_model(composite.kind)(), *values, name=None, span=composite.span)

    def _branch(self, branch: Branch | When, x: Value | None, env: Environment) -> Value | str | None:
        """The branch's value; "absent" for a `when` whose arm is none, None for an unknown one."""
        if isinstance(branch, Branch):
            value = self.items(branch.items, x, env)
            if value is x is not None and branch.items:
                help = "write 'identity' for a shortcut, or 'none' in a 'when' for no branch at all"
                self.problems.add("empty", "nothing is left of this branch", branch.span, help=help)
            return value
        chosen = self._chosen(branch, env)
        if chosen is UNKNOWN:
            return None
        return self.items(chosen.items, x, env) if isinstance(chosen, Branch) else "absent"

    def _when(self, when: When, x: Value | None, env: Environment, *, root: bool = False) -> Value | None:
        chosen = self._chosen(when, env)
        if chosen is UNKNOWN:
            return None
        return self.items(chosen.items, x, env, root=root) if isinstance(chosen, Branch) else x

    def _chosen(self, when: When, env: Environment) -> object:
        """The arm that holds: a Branch, None where it is absent, UNKNOWN where an earlier problem hides it."""
        with self.problems.caught():
            holds = when.condition.evaluate(env)
            if holds is UNKNOWN:
                return UNKNOWN
            if isinstance(holds, bool):
                return when.then if holds else when.otherwise
            self.problems.add("invalid-value", f"the condition must be true or false, not {holds}", when.condition.span)
        return UNKNOWN

    def _declare_output(self, name: Scalar, x: Value | None, *, training_only: bool = False) -> None:
        if name.text == self.builder.input.name or name.text in self._outputs:
            self.problems.add("name-taken", f"there is already an input or output '{name.text}'", name.span)
        if x is not None:
            self._outputs.add(name.text)
            self.builder.output(name.text, x, training_only)

    def _auxiliary(self, auxiliary: Auxiliary, x: Value | None, env: Environment) -> None:
        item = auxiliary.item
        name = item.name if isinstance(item, Call | Group) else None
        if name is None:
            self.problems.add("missing-field", "an auxiliary head needs a name, which its output has", auxiliary.span)
            return
        self._declare_output(name, self.item(item, x, env), training_only=True)

    def _declare_main_output(self, value: Value | None) -> None:
        if value is None:
            return
        if isinstance(self.spec.items[-1], OutputMark):
            last = next(i for i, output in reversed(list(enumerate(self.builder.outputs))) if not output.training_only)
            self.builder.outputs.insert(0, self.builder.outputs.pop(last))
            return
        if "output" in self._outputs:
            self.problems.add(
                "name-taken", "the network's last value is called 'output' already", self.spec.items[-1].span
            )
        self.builder.output("output", value)
        self.builder.outputs.insert(0, self.builder.outputs.pop())

    def _provenance(self, value: Value) -> Note:
        node = self.builder.producer(value)
        if node is None:
            return Note(f"the network's input is {value.type}", self.spec.input_span)
        return Note(f"{node.operator.word} produces {value.type} here", node.span)

    @contextmanager
    def nested(self, span: Span) -> Iterator[None]:
        """What happens meanwhile lies one level deeper. Raises SpecError: that is too deep."""
        if self._nesting == MAX_NESTING:
            message = f"more than {MAX_NESTING} levels of items and blocks within each other"
            raise SpecError(message, code="too-deep", span=span)
        self._nesting += 1
        try:
            yield
        finally:
            self._nesting -= 1

    def count_steps(self, number: int, span: Span) -> None:
        """Count items, or copies of one. Raises TooManyNodes."""
        self._steps_left -= number
        if self._steps_left < 0:
            self._too_large(span)
            raise TooManyNodes

    def count_values(self, number: int, span: Span) -> None:
        """Count values that are worked out for a call. Raises TooManyNodes."""
        self._values_left -= number
        if self._values_left < 0:
            message = f"the calls of the network have more than {10 * self.builder.max_nodes:,} values to work out"
            self.problems.add("over-budget", message, span, help="ARCHC_MAX_NODES raises the limit")
            raise TooManyNodes

    def _too_large(self, span: Span) -> None:
        message = f"the network has more than {self.builder.max_nodes:,} operators"
        self.problems.add("over-budget", message, span, help="ARCHC_MAX_NODES raises the limit")


def _called(word: str, path: str) -> str:
    """What a message calls an operator: its word and path, once if they are the same; a composite by its scope."""
    scope, _, label = path.partition(":")
    if label:
        return f"{word} in {scope}" if scope else word
    return word if path == word else f"{word} {path}"


def _input_type(spec: Spec) -> TensorType:
    batch = spec.input.batch
    symbol = SymbolicDim(BATCH.symbol, batch.min, batch.opt, batch.max) if batch else BATCH
    sizes = (
        SymbolicDim(name, size.min, size.opt, size.max) if isinstance(size, Range) else size
        for name, size in (("height", spec.input.height), ("width", spec.input.width))
    )
    return TensorType((symbol, spec.input.channels, *sizes))

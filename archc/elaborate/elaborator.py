"""Walks the items of a spec and builds the graph.

After a problem the current value is UNKNOWN: what follows is still checked as far as it does not depend on it,
and nothing is reported that only follows from the first mistake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from archc.diagnostics import Note, Span, SpecError
from archc.elaborate.arguments import as_layer
from archc.elaborate.calls import Caller
from archc.elaborate.composites import Composites
from archc.elaborate.context import Context, Trace
from archc.elaborate.cutting import cut
from archc.elaborate.environment import Parameters, at
from archc.elaborate.naming import camel_case
from archc.elaborate.ramps import check_shapes
from archc.elaborate.shares import Shares
from archc.ir.builder import NameTaken, TooManyNodes
from archc.ir.graph import Graph, Value
from archc.ir.types import batch_axis
from archc.ir.verifier import verify_graph
from archc.spec.language.document import Spec
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import (
    Auxiliary,
    Branch,
    Call,
    Composite,
    From,
    Group,
    Item,
    Mark,
    OutputMark,
    Reference,
    Share,
    Unread,
    When,
)
from archc.spec.tree import Scalar


def elaborate(
    spec: Spec, parameters: Mapping[str, object], *, max_nodes: int = 10_000, trace: Trace | None = None
) -> Graph:
    """The graph of a spec for these values of its parameters. Side effect: `trace` gets the names on the way.

    Raises: SpecError: with everything that is wrong with the spec.
    """
    context = Context(spec, max_nodes, trace=trace)
    graph = Elaborator(context).run(parameters)
    if spec.ramps:
        first, second = graph, Context(spec, max_nodes, context.ramps.uses, trace)
        graph = Elaborator(second).run(parameters)
        second.ramps.check_uses()
        check_shapes(first, graph)
    return graph


class Elaborator:
    """One walk over a spec. `caller` applies calls, and `composites` what has branches; this class does the rest."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.spec = context.spec
        self.problems = context.problems
        self.builder = context.builder
        self.caller = Caller(context, self.items)
        self.composites = Composites(context, self.items, self._chosen)
        self.shares = Shares(context, self.item)
        self._outputs: dict[str, Span] = {}  # their names, and where these stand

    def run(self, parameters: Environment) -> Graph:
        """Walk the whole network. Raises SpecError."""
        values = {name: as_layer(value) for name, value in parameters.items()}
        parameters = Parameters({**self.context.elsewhere, **values})
        parameters.declared = {name: signature.span for name, signature in self.spec.parameters.items()}
        self.context.begin(parameters)
        self.caller.defaults.check(self.caller.callees)
        value: Value | Unknown = UNKNOWN
        for name, given in zip(self.spec.inputs, self.builder.inputs, strict=True):
            self.context.marks.set(Scalar(name, name, self.spec.input_spans[name]), given)
        with suppress(TooManyNodes):  # recorded where it was raised
            value = self.items(self.spec.items, self.builder.input, parameters, root=True)
            self._declare_main_output(value)
            if value is not UNKNOWN:
                self.context.refuse_unused()
        self.problems.raise_if_any()
        if self.context.trace is not None:
            self.context.trace.marked[""] = self.context.marks.known()
        graph = self.builder.finish()
        if value is UNKNOWN:  # what could not be read has been reported by the grammar
            return graph
        if not graph.at_inference().nodes:
            message = "nothing is left of the network: its output would be its input"
            raise SpecError(message, code="empty", span=self.spec.items[0].span)
        if self.spec.outputs:
            graph = cut(graph, self.spec.outputs, self.context.marks.known(), self.context.scopes)
        verify_graph(graph)
        return graph

    def items(
        self, items: Iterable[Item], x: Value | Unknown, env: Environment, *, root: bool = False
    ) -> Value | Unknown:
        """Apply items one after the other."""
        for item in items:
            if root and isinstance(item, OutputMark):
                self._declare_output(item.name, x)
                self.context.marks.set(item.name, x, once=False)
            elif isinstance(item, Mark):
                self.mark(item, x)
            elif root and isinstance(item, Auxiliary):
                self._auxiliary(item, x, env)
            elif root and isinstance(item, When):
                x = self._when(item, x, at(env, x), root=True)
            else:
                x = self.item(item, x, env)
        return x

    def item(self, item: Item, x: Value | Unknown, env: Environment) -> Value | Unknown:
        """Apply one item."""
        self.context.budget.count_steps(1, item.span)
        self.shares.remember(item, env)
        env = at(env, x)
        with self.problems.caught(), self.context.nested(item.span):
            match item:
                case Call():
                    return self.caller.call(item, x, env)
                case Group():
                    return self._group(item, x, env)
                case Composite():
                    return self.composites.apply(item, x, env)
                case When():
                    return self._when(item, x, env)
                case Reference():
                    return self.caller.reference(item, x, env)
                case From():
                    value = self.context.marks.get(item.name)
                    return x if value == x else self.context.instead(x, value, item.span)
                case Share():
                    return self.shares.again(item, x)
                case Unread():
                    return UNKNOWN
                case Mark() | OutputMark() | Auxiliary():
                    raise AssertionError("`items` takes these")
        return UNKNOWN

    def mark(self, mark: Mark, x: Value | Unknown) -> None:
        """Give the current value a name."""
        self.context.marks.set(mark.name, x)

    def _group(self, group: Group, x: Value | Unknown, env: Environment) -> Value | Unknown:
        name = str(group.name.value) if group.name else None
        if group.name and self.caller.callees.refuse_items(group.name.text, group):
            return UNKNOWN
        word, class_name = ("sequence", "Sequential") if group.numbered else (str(name), camel_case(str(name)))
        try:
            with self.context.scope(word, name, class_name, group.span, sequence=group.numbered) as scope:
                return self.context.gave(scope, self.items(group.items, x, env))
        except NameTaken as error:
            self.context.name_taken(error, group.span)
            return UNKNOWN

    def _when(self, when: When, x: Value | Unknown, env: Environment, *, root: bool = False) -> Value | Unknown:
        chosen = self._chosen(when, env)
        if isinstance(chosen, Branch):
            return self.items(chosen.items, x, env, root=root)
        return x if chosen is None else UNKNOWN

    def _chosen(self, when: When, env: Environment) -> Branch | Unknown | None:
        """The arm that holds: None where it is absent, UNKNOWN where an earlier problem hides it."""
        with self.problems.caught():
            holds = when.condition.evaluate(env)
            if isinstance(holds, bool):
                return when.then if holds else when.otherwise
            if holds is not UNKNOWN:
                message = f"the condition must be true or false, not {holds}"
                self.problems.add("invalid-value", message, when.condition.span)
        return UNKNOWN

    def _declare_output(self, name: Scalar, x: Value | Unknown, *, training_only: bool = False) -> None:
        if given := {**self.spec.input_spans, **self._outputs}.get(name.text):
            notes = (Note("it is given here", given),)
            message = f"there is already an input or output '{name.text}'"
            self.problems.add("name-taken", message, name.span, notes=notes)
        self._outputs.setdefault(name.text, name.span)
        if x is not UNKNOWN:
            self._refuse_without_images(name.text, x, name.span)
            self.builder.output(name.text, x, training_only)

    def _refuse_without_images(self, name: str, x: Value, span: Span) -> None:
        """Record an output that does not begin with the batch."""
        axis = batch_axis(x.type)
        if axis is None:
            message = f"the output '{name}' does not depend on the input: it is {x.type}"
            self.problems.add("shape-mismatch", message, span)
        elif axis != 0:
            message = f"the output '{name}' does not begin with the batch: it is {x.type}"
            help = "move the batch to the front, by permute or rearrange"
            self.problems.add("shape-mismatch", message, span, help=help)

    def _auxiliary(self, auxiliary: Auxiliary, x: Value | Unknown, env: Environment) -> None:
        item = auxiliary.item
        name = item.name if isinstance(item, Call | Group | Reference) else None
        if name is None:
            self.problems.add("missing-field", "an auxiliary head needs a name, which its output has", auxiliary.span)
            return
        self._declare_output(name, self.item(item, x, env), training_only=True)

    def _declare_main_output(self, value: Value | Unknown) -> None:
        if value is UNKNOWN:
            return
        if isinstance(self.spec.items[-1], OutputMark):
            last = next(i for i, output in reversed(list(enumerate(self.builder.outputs))) if not output.training_only)
            self.builder.outputs.insert(0, self.builder.outputs.pop(last))
            return
        if "output" in self._outputs or "output" in self.spec.inputs:
            self.problems.add(
                "name-taken", "the network's last value is called 'output' already", self.spec.items[-1].span
            )
        self._refuse_without_images("output", value, self.spec.items[-1].span)
        self.builder.output("output", value)
        self.builder.outputs.insert(0, self.builder.outputs.pop())

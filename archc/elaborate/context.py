"""What all parts of one elaboration share: the graph under construction, the problems so far, and the budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from archc.diagnostics import Note, Span, SpecError, did_you_mean
from archc.elaborate.budget import Budget
from archc.elaborate.initializers import Chosen, Initializers
from archc.elaborate.inputs import input_types, unused_inputs
from archc.elaborate.marks import Marks
from archc.elaborate.naming import camel_case, counters_meant
from archc.elaborate.problems import Problems
from archc.elaborate.ramps import Ramps
from archc.ir.builder import GraphBuilder, NameTaken, TooManyNodes
from archc.ir.graph import Node, Scope, Value
from archc.ir.operator import Operator, ShapeError
from archc.spec.language.arithmetic import Refusal
from archc.spec.language.document import Spec
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown

MAX_NESTING = 48  # levels of items and layers; each takes at most 13 of Python's 1000 frames


@dataclass(frozen=True)
class Trace:
    """The names that an elaboration had, by path: `around` each operator and scope, and `inside` each block's scope.

    `marked` are the values with a name in a block: those that it is given, and its marks.
    """

    around: dict[str, Environment] = field(default_factory=dict)
    inside: dict[str, Environment] = field(default_factory=dict)
    marked: dict[str, dict[str, Value]] = field(default_factory=dict)


class Context:
    """The state of one elaboration, and what each part of it does with the graph."""

    def __init__(
        self,
        spec: Spec,
        max_nodes: int,
        ramp_totals: Mapping[str, int] | None = None,
        trace: Trace | None = None,
    ) -> None:
        self.spec = spec
        self.problems = Problems()
        self.marks = Marks(self.problems)
        self.builder = GraphBuilder(spec.name, input_types(spec), class_name=camel_case(spec.name), max_nodes=max_nodes)
        self.ramps = Ramps(spec.ramps, ramp_totals)
        self.elsewhere: dict[str, object] = dict(map(_read_inside, spec.ramps))  # names that hold in some blocks
        self._check_ramps()
        self.initializers = Initializers(self.problems)
        self.parameters: Environment = {}
        self.budget = Budget(max_nodes, self.problems)
        self.scopes: dict[str, Value] = {}  # what each scope gives, by path
        self.names: Environment = {}  # those of the block or network whose items are applied
        self.trace = trace
        self._nesting = 0
        self._replaced: dict[str, Span] = {}  # values that another took the place of, by name

    def _check_ramps(self) -> None:
        blocks = self.spec.blocks
        for name, ramp in self.spec.ramps.items():
            for block, span in zip(ramp.blocks, ramp.words, strict=True):
                if block not in blocks:
                    help = did_you_mean(block, blocks) or "a ramp goes over blocks that the spec defines"
                    self.problems.add("unknown-block", f"the ramp {name} names no block '{block}'", span, help=help)
                    self.elsewhere[name] = UNKNOWN  # any block may be the one that was meant
                elif hiding := blocks[block].declares(name):
                    message = f"this '{name}' of {block} hides the ramp: no copy gets a value of it"
                    notes = (Note("the ramp", ramp.span),)
                    help = f"leave it out: inside {block} the ramp is ${name}"
                    self.problems.add("name-taken", message, hiding, notes=notes, help=help)

    def begin(self, parameters: Environment) -> None:
        """Take the values of the network's parameters, which its `init` sees."""
        self.parameters = self.names = parameters
        if self.trace is not None:
            self.trace.inside[""] = parameters
        if self.spec.init:
            self.initializers.read(self.spec.init, parameters)

    def add(
        self,
        operator: Operator,
        *inputs: Value,
        name: str | None,
        span: Span,
        named: Span | None = None,
        fields: Mapping[str, Span] | None = None,
        initializers: Mapping[str, Chosen] | None = None,
        keys: Mapping[str, str] | None = None,
        help: str | None = None,
    ) -> Value | Unknown:
        """Append an operator; what it refuses is recorded, at the field that is to blame if there is one.

        `named` is where its name stands; `help` replaces what the operator says of shapes that do not fit.
        """
        functions = {tensor: initializer for tensor, (initializer, _) in (initializers or {}).items()}
        try:
            output = self.builder.add(operator, *inputs, name=name, span=span, initializers=functions, keys=keys)
        except ShapeError as error:
            error.help = help or error.help
            where = (fields or {}).get(error.field or "", span)
            self.refuse(error, operator.word, error.path, where, inputs)
        except NameTaken as error:
            self.name_taken(error, named or span)
            # Under another name, so that what follows is still checked; the graph is not used any more.
            return self.add(operator, *inputs, name=None, span=span, fields=fields) if name else UNKNOWN
        except TooManyNodes:
            self.budget.too_large(span)
            raise
        else:
            if initializers:
                self.initializers.check_shapes(self.builder.nodes[-1], initializers)
            if self.trace is not None:
                self.trace.around[self.builder.nodes[-1].path] = self.names
            return output
        return UNKNOWN

    def takes(self, word: str, arity: int | None, inputs: tuple[Value, ...], span: Span) -> bool:
        """True if a layer takes this many inputs (`arity` is None: two or more). Side effect: records it if not."""
        count = len(inputs)
        fits = count >= 2 if arity is None else count == arity
        if not fits:
            wanted = "two inputs or more" if arity is None else "one input" if arity == 1 else f"{arity} inputs"
            self.problems.add("wrong-kind", f"{word} takes {wanted}, not {count}", span)
        return fits

    def instead(self, x: Value | Unknown, value: Value | Unknown, span: Span) -> Value | Unknown:
        """A value that takes the place of the current one, which something else has to use."""
        if x is not UNKNOWN:
            self._replaced.setdefault(x.name, span)
        return value

    def refuse_unused(self) -> None:
        """Record values that nothing uses, because another took their place, and inputs that nothing uses."""
        used = {value.name for node in self.builder.nodes for value in node.inputs}
        used |= {output.value.name for output in self.builder.outputs}
        producers = {node.output.name: node for node in self.builder.nodes}
        for name, span in self._replaced.items() if not len(self.problems) else ():
            if name not in used:
                node = producers.get(name)
                what = f"what {node.operator.word} gives" if node else self._input_called(name)
                notes = (Note("it comes from here", node.span),) if node and node.span else ()
                help = "join both by sum, product or concat; or mark the first, and use it later by 'from'"
                message = f"{what} is not used: another value takes its place here"
                self.problems.add("unused", message, span, notes=notes, help=help)
        if not len(self.problems):
            self.problems.extend(unused_inputs(self.spec, used))

    def refuse(self, error: ShapeError, word: str, path: str, span: Span, inputs: Iterable[Value]) -> None:
        """Record what an operator or block refused, with the lines that produced its inputs."""
        producers = {node.output.name: node for node in self.builder.nodes}
        notes = tuple(dict.fromkeys(self._provenance(value, producers) for value in inputs))
        message = f"{_called(word, path)} {error.message}"
        self.problems.add("shape-mismatch", message, span, notes=notes, help=error.help)

    def _provenance(self, value: Value, producers: Mapping[str, Node]) -> Note:
        node = producers.get(value.name)
        if node is None:
            return Note(f"{self._input_called(value.name)} is {value.type}", self.spec.input_spans[value.name])
        return Note(f"{node.operator.word} produces {value.type} here", node.span)

    def _input_called(self, name: str) -> str:
        return f"the input '{name}'" if len(self.spec.inputs) > 1 else "the network's input"

    def name_taken(self, error: NameTaken, span: Span) -> None:
        """Record a name that cannot be used."""
        notes = (Note("it is taken here", error.span),) if error.span else ()
        self.problems.add("name-taken", error.message, span, notes=notes, help=counters_meant(span))

    @contextmanager
    def scope(self, word: str, name: str | None, class_name: str, span: Span, *, sequence: bool) -> Iterator[Scope]:
        """A scope of the graph. Raises NameTaken on entry."""
        with self.builder.scope(word, name, class_name, sequence=sequence, span=span) as scope:
            if self.trace is not None:
                self.trace.around[scope.path] = self.names
            yield scope

    @contextmanager
    def body(self, names: Environment, scope: Scope | None) -> Iterator[None]:
        """What is added meanwhile is of a block with these names, in a scope of its own if it has one."""
        around, self.names = self.names, names
        if self.trace is not None and scope:
            self.trace.inside[scope.path] = names
        try:
            yield
        finally:
            self.names = around
            if self.trace is not None and scope:
                self.trace.marked[scope.path] = self.marks.known()

    def gave(self, scope: Scope, value: Value | Unknown) -> Value | Unknown:
        """The value that a scope gives. Side effect: it is known by the scope's path."""
        if value is not UNKNOWN:
            self.scopes[scope.path] = value
        return value

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


def _read_inside(ramp: str) -> tuple[str, Refusal]:
    """A ramp's name, and what is told of it where it has no value."""
    help = "a ramp is read inside the blocks that it names"
    return ramp, Refusal(f"there is no '${ramp}' here", help, "unknown-name")


def _called(word: str, path: str) -> str:
    """What a message calls an operator: its word and path, once if they are the same; a composite by its scope."""
    scope, _, label = path.partition(":")
    if label:
        return f"{word} in {scope}" if scope else word
    return word if path == word else f"{word} {path}"

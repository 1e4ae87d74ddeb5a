"""What is wrong where a network does not come: blocks that it does not use, arms of a `when` that it does not take.

No value is known there, so what is found is wrong whatever the values are: unknown words, fields and names, constants
out of range.
"""

from __future__ import annotations

from collections.abc import Iterable

from archc.diagnostics import Diagnostic, Source, Span, SpecError
from archc.elaborate.arguments import evaluate
from archc.elaborate.context import Context
from archc.elaborate.elaborator import Elaborator
from archc.elaborate.environment import at
from archc.elaborate.recursion import recursive_calls
from archc.ir.builder import TooManyNodes
from archc.ir.graph import Value
from archc.spec.language.document import BlockDefinition, Spec
from archc.spec.language.expressions import UNKNOWN, Environment, Unknown
from archc.spec.language.items import Item, Mark, When
from archc.spec.tree import Scalar

KNOWN_TO_BLOCKS = ("i", "n", "in_channels", "in_features")


def unreached_problems(spec: Spec, max_nodes: int) -> tuple[Diagnostic, ...]:
    """The problems of everything that is written in a spec or a shared file, as far as they depend on no value."""
    try:
        _Everywhere(Context(spec, max_nodes)).everywhere()
    except SpecError as error:
        shared = {definition.span.source for definition in spec.blocks.values() if definition.shared}
        return tuple(problem for problem in error.diagnostics if not _is_open(problem, shared))
    return ()


def _is_open(problem: Diagnostic, shared: set[Source]) -> bool:
    """True if this walk cannot know.

    One that is too long stops there; whether the network is too large, `elaborate` tells. A name in a shared file may
    be a ramp of the specs that use the block.
    """
    if problem.code == "over-budget":
        return True
    return problem.code == "unknown-name" and problem.span is not None and problem.span.source in shared


class _Everywhere(Elaborator):
    """A walk over every item, in which each condition is open."""

    def everywhere(self) -> None:
        parameters = {**self.context.elsewhere, **dict.fromkeys(self.spec.parameters, UNKNOWN)}
        try:
            self.context.begin(parameters)
            self.caller.defaults.check(self.caller.callees)
            for name in self.spec.inputs:
                self.context.marks.set(Scalar(name, name, self.spec.input_spans[name]), UNKNOWN)
            self.items(self.spec.items, UNKNOWN, parameters, root=True)
            for definition in self.spec.blocks.values():
                self._definition(definition)
            for call in recursive_calls(self.spec):
                self.problems.add("recursive-block", f"the definition of {call.word} uses itself", call.span)
        except TooManyNodes:  # recorded where it was raised
            pass
        self.problems.raise_if_any()

    def _definition(self, definition: BlockDefinition) -> None:
        ramps = [name for name, ramp in self.spec.ramps.items() if definition.name in ramp.blocks]
        environment: dict[str, object] = dict.fromkeys((*KNOWN_TO_BLOCKS, *ramps, *definition.parameters), UNKNOWN)
        environment = {**self.context.elsewhere, **environment}
        with self.problems.caught():
            self.context.budget.count_trees(definition.let.values(), definition.span)
            for name, tree in definition.let.items():
                environment[name] = UNKNOWN
                with self.problems.caught():
                    environment[name] = evaluate(tree, at(environment, UNKNOWN))
            given = {name: (UNKNOWN, definition.parameters[name].span) for name in definition.given}
            with self.context.marks.body(given):
                self._apart(definition.items, environment, definition.span)

    def mark(self, mark: Mark, x: Value | Unknown) -> None:
        """Give the value a name; both arms of a `when` may."""
        self.context.marks.set(mark.name, x, once=False)

    def _chosen(self, when: When, env: Environment) -> Unknown:
        super()._chosen(when, env)
        for arm in (when.then, when.otherwise):
            if arm is not None:
                self._apart(arm.items, env, arm.span)
        return UNKNOWN

    def _apart(self, items: Iterable[Item], env: Environment, span: Span) -> None:
        """Walk items in a scope of their own: the arms of a `when`, and blocks, may use the same names."""
        with self.context.scope("sequence", None, "Sequential", span, sequence=False):
            self.items(items, UNKNOWN, env, root=True)

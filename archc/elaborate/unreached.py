"""What is wrong where a network does not come: blocks that it does not use, arms of a `when` that it does not take.

No value is known there, so what is found is wrong whatever the values are: unknown words, fields and names, constants
out of range.
"""

from __future__ import annotations

from collections.abc import Iterable

from archc.diagnostics import Diagnostic, Span, SpecError
from archc.elaborate.arguments import evaluate
from archc.elaborate.elaborator import Elaborator, Environment
from archc.ir.builder import TooManyNodes
from archc.spec.document import BlockDefinition, Spec
from archc.spec.expressions import UNKNOWN
from archc.spec.items import Item, When

KNOWN_TO_BLOCKS = ("i", "n", "in_channels", "in_features")


def unreached_problems(spec: Spec, *, max_nodes: int) -> tuple[Diagnostic, ...]:
    """The problems of everything that is written in a spec or a shared file, as far as they depend on no value."""
    try:
        _Everywhere(spec, max_nodes).everywhere()
    except SpecError as error:
        # A walk that is too long stops there; whether the network is too large, `elaborate` tells.
        return tuple(problem for problem in error.diagnostics if problem.code != "over-budget")
    return ()


class _Everywhere(Elaborator):
    """A walk over every item, in which each condition is open."""

    def everywhere(self) -> None:
        self.parameters = dict.fromkeys(self.spec.parameters, UNKNOWN)
        try:
            self.caller.check_defaults()
            self.items(self.spec.items, None, self.parameters, root=True)
            for definition in self.spec.blocks.values():
                self._definition(definition)
        except TooManyNodes:  # recorded where it was raised
            pass
        self.problems.raise_if_any()

    def _definition(self, definition: BlockDefinition) -> None:
        ramps = [name for name, ramp in self.spec.ramps.items() if definition.name in ramp.blocks]
        environment: dict[str, object] = dict.fromkeys((*KNOWN_TO_BLOCKS, *ramps, *definition.parameters), UNKNOWN)
        with self.problems.caught():
            for name, tree in definition.let.items():
                environment[name] = evaluate(tree, environment)
            self._apart(definition.items, environment, definition.span)

    def _chosen(self, when: When, env: Environment) -> object:
        super()._chosen(when, env)
        for arm in (when.then, when.otherwise):
            if arm is not None:
                self._apart(arm.items, env, arm.span)
        return UNKNOWN

    def _apart(self, items: Iterable[Item], env: Environment, span: Span) -> None:
        """Walk items in a scope of their own: the arms of a `when`, and blocks, may use the same names."""
        with self.scope("sequence", None, "Sequential", span, sequence=False):
            self.items(items, None, env, root=True)

"""What is wrong where a network does not come: blocks that it does not use, arms of a `when` that it does not take.

No value is known there, so what is found is wrong whatever the values are: unknown words, fields and names, constants
out of range.
"""

from __future__ import annotations

from archc.diagnostics import Diagnostic, SpecError
from archc.elaborate.arguments import evaluate
from archc.elaborate.elaborator import Elaborator, Environment
from archc.elaborate.naming import camel_case
from archc.ir.builder import TooManyNodes
from archc.spec.document import BlockDefinition, Spec
from archc.spec.expressions import UNKNOWN
from archc.spec.items import When

KNOWN_TO_BLOCKS = ("i", "n", "in_channels", "in_features")


def unreached_problems(spec: Spec, *, max_nodes: int = 20_000) -> tuple[Diagnostic, ...]:
    """The problems of everything that is written in a spec or a shared file, as far as they depend on no value."""
    try:
        _Everywhere(spec, max_nodes).everywhere()
    except SpecError as error:
        return error.diagnostics
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
        class_name = camel_case(definition.name)
        with self.problems.caught():
            for name, tree in definition.let.items():
                environment[name] = evaluate(tree, environment)
            with self.scope(definition.name, None, class_name, definition.span, sequence=False):
                self.items(definition.items, None, environment)

    def _chosen(self, when: When, env: Environment) -> object:
        super()._chosen(when, env)
        for arm in (when.then, when.otherwise):
            if arm is not None:  # in a scope of its own, since both may use the same names
                with self.scope("when", None, "When", arm.span, sequence=False):
                    self.items(arm.items, None, env, root=True)
        return UNKNOWN

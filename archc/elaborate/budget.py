"""How much of its budget an elaboration has used: items, and values that are worked out for them."""

from __future__ import annotations

from collections.abc import Iterable

from archc.diagnostics import Span
from archc.elaborate.problems import Problems
from archc.ir.builder import TooManyNodes
from archc.spec.tree import Scalar, Sequence, Tree, Unreadable

LONG_TEXT = 8  # characters; an expression that is longer counts as several values


class Budget:
    """Counts; what is too much is recorded."""

    def __init__(self, max_nodes: int, problems: Problems) -> None:
        self.max_nodes = max_nodes
        self._problems = problems
        self._steps_left = 2 * max_nodes  # items that give no operator cost time too
        self._values_left = 10 * max_nodes  # and so do the arguments and derived values of every copy
        self._weights: dict[int, int] = {}

    def count_steps(self, number: int, span: Span) -> None:
        """Count items, or copies of one. Raises TooManyNodes."""
        self._steps_left -= number
        if self._steps_left < 0:
            self.too_large(span)
            raise TooManyNodes

    def count_values(self, number: int, span: Span) -> None:
        """Count values that are worked out for a call. Raises TooManyNodes."""
        self._values_left -= number
        if self._values_left < 0:
            message = f"the calls of the network have more than {10 * self.max_nodes:,} values to work out"
            self._problems.add("over-budget", message, span, help="ARCHC_MAX_NODES raises the limit")
            raise TooManyNodes

    def count_trees(self, trees: Iterable[Tree], span: Span) -> None:
        """Count the values that trees hold. Raises TooManyNodes."""
        self.count_values(sum(map(self._weight, trees)), span)

    def too_large(self, span: Span) -> None:
        """Record that the network has too many operators."""
        message = f"the network has more than {self.max_nodes:,} operators"
        self._problems.add("over-budget", message, span, help="ARCHC_MAX_NODES raises the limit")

    def _weight(self, tree: Tree) -> int:
        """How many values of usual length a tree counts as."""
        if isinstance(tree, Scalar | Unreadable):
            return 1 + len(tree.text) // LONG_TEXT
        if id(tree) not in self._weights:  # the spec keeps its trees, and so their identities
            parts = tree.items if isinstance(tree, Sequence) else [entry.value for entry in tree.entries.values()]
            self._weights[id(tree)] = 1 + sum(map(self._weight, parts))
        return self._weights[id(tree)]

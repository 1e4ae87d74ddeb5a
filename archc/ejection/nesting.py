"""Decides which steps of a `forward` stand inside the line of a later step.

A result may be nested if it is used once, by a step to which everything between leads too. All is then computed in
the order of the spec, as arguments are from left to right, and no variable changes in between.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from archc.ejection.layout import text
from archc.ejection.plans import Solved, negated
from archc.ejection.templates import Ref, Step

CALLS = 3  # of modules and functions, one inside the other; methods of a result read from left to right
SHORT = 70  # characters of an expression that may be part of another
SIDE_BY_SIDE = 3  # inputs from which on all are nested or none, as in a list

Written = Callable[[Solved, list[ast.expr]], ast.expr]


def nested(steps: Sequence[Solved], uses: Counter[Ref], written: Written, width: int) -> set[int]:
    """The steps that are nested, in lines of at most this width; `written` gives the expression of a step."""
    return _Nesting(steps, uses, written, width).found()


class _Nesting:
    """`waiting` are the steps, in order, that none has taken up and that a later one may."""

    def __init__(self, steps: Sequence[Solved], uses: Counter[Ref], written: Written, width: int) -> None:
        self._steps, self._uses, self._written, self._width = steps, uses, written, width
        self._waiting: list[int] = []
        self._expressions: dict[int, ast.expr] = {}
        self._depths: dict[int, int] = {}

    def found(self) -> set[int]:
        """The steps that are nested."""
        found: set[int] = set()
        for index, solved in enumerate(self._steps):
            if solved.step.role == "loop":
                self._waiting.clear()
                continue
            taken = self._taken(index)
            found.update(taken)
            self._write(index, taken)
            if not self._may_wait(index):
                self._waiting.clear()
            elif not is_source(solved):
                self._waiting.append(index)
        return found

    def _taken(self, index: int) -> list[int]:
        """The steps that a step takes up. Side effect: they no longer wait."""
        solved = self._steps[index]
        sources = [ref.line for ref in solved.step.inputs if self._is_open_source(ref, solved)]
        single = [ref.line for ref in solved.step.inputs if ref.line >= 0 and self._is_single(ref, solved)]
        single = [line for line in single if line not in sources]
        computed = len(single)
        taken = list[int]()
        while single and self._waiting and self._waiting[-1] == single[-1] and self._takes(solved, single[-1]):
            taken.insert(0, self._waiting.pop())
            single.pop()
        if taken and not (self._fits(index, [*taken, *sources]) and self._in_order(solved, taken)):
            taken = []
        if len(taken) < computed and computed >= SIDE_BY_SIDE:
            taken = []
        return [*taken, *sources]

    def _write(self, index: int, taken: Sequence[int]) -> None:
        """Note the expression of a step, in which its variables have short names, and how deep calls are nested."""
        step = self._steps[index].step
        inputs = [self._expressions[ref.line] if ref.line in taken else ast.Name("x") for ref in step.inputs]
        self._expressions[index] = self._written(self._steps[index], inputs)
        depth = max((self._depths[each] for each in taken), default=0)
        self._depths[index] = depth + _calls(step)

    def _fits(self, index: int, taken: Sequence[int]) -> bool:
        self._write(index, taken)
        return len(f"x = {text(self._expressions[index])}") <= self._width

    def _may_wait(self, index: int) -> bool:
        solved = self._steps[index]
        if is_source(solved):
            return True
        if solved.condition is not None and solved.step.role != "expression":
            return False  # a type checker knows that it is there from an `if` of its own
        return (
            solved.step.outputs == 1
            and self._uses[Ref(index, 0)] == 1
            and self._depths[index] <= CALLS
            and len(text(self._expressions[index])) < SHORT
        )

    def _is_single(self, ref: Ref, solved: Solved) -> bool:
        return self._uses[ref] == 1 and self._steps[ref.line].training == solved.training and not ref.output

    def _is_open_source(self, ref: Ref, solved: Solved) -> bool:
        """True for a parameter or buffer that a step takes if it is there itself."""
        if ref.line < 0 or not is_source(self._steps[ref.line]) or not self._is_single(ref, solved):
            return False
        return self._steps[ref.line].condition is None or same_condition(self._steps[ref.line], solved)

    def _takes(self, solved: Solved, line: int) -> bool:
        if not same_condition(self._steps[line], solved):
            return False
        return self._depths[line] + _calls(solved.step) <= CALLS and self._in_order(solved, [line])

    def _in_order(self, solved: Solved, taken: Sequence[int]) -> bool:
        """True if a step names each of these values once, in this order."""
        if solved.step.role != "expression":
            return True
        names = [f"x{number}" for number, ref in enumerate(solved.step.inputs) if ref.line in taken]
        return [name for name in re.findall(r"\bx[0-9]+\b", text(solved.step.call)) if name in names] == names


def arms(steps: Sequence[Solved], uses: Counter[Ref], nested: Collection[int]) -> dict[int, int]:
    """Steps whose result is another's where that is absent: the first arm of a choice → the second.

    One at least is an expression: of two modules a type checker would not know which is there.
    """
    found: dict[int, int] = {}
    for index, solved in enumerate(steps):
        other = solved.step.bypass
        if other is None or other.line < 0 or solved.condition is None or uses[other] != 1 or index in nested:
            continue
        condition, between = steps[other.line].condition, range(other.line + 1, index)
        opposite = condition is not None and text(negated(condition)) == text(solved.condition)
        expressions = [each for each in (solved, steps[other.line]) if each.step.role == "expression"]
        if opposite and expressions and all(each in nested for each in between):
            found[other.line] = index
    return found


def same_condition(one: Solved, other: Solved) -> bool:
    """True for steps of which both are there or none."""
    if one.condition is None or other.condition is None:
        return one.condition is other.condition
    return text(one.condition) == text(other.condition)


def is_source(solved: Solved) -> bool:
    """True for a tensor of the module itself."""
    return solved.step.role == "expression" and not solved.step.inputs


def _calls(step: Step) -> int:
    """1 for a call that encloses its arguments; 0 for `x0.mean(1)`, `x0[0]` and `x0 + x1`."""
    call = step.call
    if step.role != "expression":
        return 1
    match call:
        case ast.BinOp() | ast.Subscript() | ast.Name() | ast.Attribute():
            return 0
        case ast.Call(ast.Attribute(value)) if _is_first(value):
            return 0
    return 0 if not step.inputs else 1


def _is_first(tree: ast.expr) -> bool:
    """True for `x0`, and for what methods make of it."""
    while isinstance(tree, ast.Call | ast.Attribute | ast.Subscript):
        tree = tree.func if isinstance(tree, ast.Call) else tree.value
    return isinstance(tree, ast.Name) and tree.id == "x0"

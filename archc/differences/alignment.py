"""Which module of one network stands for which of another.

Lists of modules are aligned in their order, so that what all pairs have in common is greatest (Needleman and Wunsch
1970); then the children of the scopes that were paired. What is left between two pairs is tried once more with its
largest scopes opened, because a scope may have been put around modules, or taken away. What is left at last was
inserted, removed or moved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import cache

from archc.differences.likeness import likeness
from archc.differences.modules import Module

MOST_CELLS = 1_000_000
"""Pairs of modules that are compared, for two lists. Longer ones are first cut where they are equal."""

LEAST_WITHIN = 0.5
"""Share of operators that find a partner once scopes are opened. With fewer, these have nothing in common."""

Pair = tuple[Module, Module]
Modules = Sequence[Module]


@dataclass(slots=True)
class Alignment:
    """Pairs of operators and of scopes, and what has no partner: whole scopes where nothing in them has."""

    operators: list[Pair] = field(default_factory=list)
    scopes: list[Pair] = field(default_factory=list)
    moved: list[Pair] = field(default_factory=list)
    removed: list[Module] = field(default_factory=list)
    inserted: list[Module] = field(default_factory=list)


def align(one: Module, other: Module) -> Alignment:
    """Align two networks."""
    found = Alignment()
    _align(one.children, other.children, found)
    removed = _alone(one, {id(ours) for ours, _ in found.operators})
    inserted = _alone(other, {id(theirs) for _, theirs in found.operators})
    found.moved = _moved(removed, inserted, {(ours.path, theirs.path) for ours, theirs in found.scopes})
    gone, come = {id(ours) for ours, _ in found.moved}, {id(theirs) for _, theirs in found.moved}
    found.removed = [module for module in removed if id(module) not in gone]
    found.inserted = [module for module in inserted if id(module) not in come]
    return found


def _align(ours: Modules, theirs: Modules, found: Alignment) -> None:
    """Side effect: adds the pairs of two lists, and of what is in them."""
    pairs = _paired(ours, theirs)
    for one, other in ((ours[i], theirs[j]) for i, j in pairs):
        (found.operators if one.node else found.scopes).append((one, other))
        _align(one.children, other.children, found)
    before = (-1, -1)
    for i, j in [*pairs, (len(ours), len(theirs))]:
        _align_opened(ours[before[0] + 1 : i], theirs[before[1] + 1 : j], found)
        before = i, j


def _align_opened(ours: Modules, theirs: Modules, found: Alignment) -> None:
    """Side effect: adds the pairs of what found no partner, with the largest scopes opened."""
    largest = max((len(module.nodes) for module in (*ours, *theirs) if not module.node), default=0)
    if not (ours and theirs and largest):
        return
    within = Alignment()
    _align(_opened(ours, largest), _opened(theirs, largest), within)
    fewest = min(sum(len(module.nodes) for module in modules) for modules in (ours, theirs))
    if len(within.operators) >= LEAST_WITHIN * fewest:
        found.operators += within.operators
        found.scopes += within.scopes


def _opened(modules: Modules, largest: int) -> list[Module]:
    """The modules, with the children of scopes of more than half of this size in their place."""
    opens = [not module.node and 2 * len(module.nodes) > largest for module in modules]
    return [
        each
        for module, is_open in zip(modules, opens, strict=True)
        for each in (module.children if is_open else [module])
    ]


def _paired(ours: Modules, theirs: Modules) -> list[tuple[int, int]]:
    """The indices of pairs, in order."""
    start, end = 0, 0
    while start < min(len(ours), len(theirs)) and _is_same(ours[start], theirs[start]):
        start += 1
    while end < min(len(ours), len(theirs)) - start and _is_same(ours[-1 - end], theirs[-1 - end]):
        end += 1
    middle = _paired_middle(ours[start : len(ours) - end], theirs[start : len(theirs) - end])
    return [
        *((index, index) for index in range(start)),
        *((start + i, start + j) for i, j in middle),
        *((len(ours) - index, len(theirs) - index) for index in range(end, 0, -1)),
    ]


def _is_same(one: Module, other: Module) -> bool:
    return one.name == other.name and one.digest == other.digest


def _paired_middle(ours: Modules, theirs: Modules) -> list[tuple[int, int]]:
    if len(ours) * len(theirs) <= MOST_CELLS:
        return _best(ours, theirs)
    blocks = SequenceMatcher(None, [each.digest for each in ours], [each.digest for each in theirs], autojunk=False)
    return [(i + k, j + k) for i, j, size in blocks.get_matching_blocks() for k in range(size)]


def _best(ours: Modules, theirs: Modules) -> list[tuple[int, int]]:
    """The pairs with the greatest sum of likenesses; of several such, those that stand first."""
    alike = cache(lambda i, j: likeness(ours[i], theirs[j]))
    sums = [[0.0] * (len(theirs) + 1)]
    for i in range(len(ours)):
        row, above = [0.0], sums[-1]
        for j in range(len(theirs)):
            value = alike(i, j)
            row.append(max(above[j + 1], row[j], above[j] + value if value else 0.0))
        sums.append(row)
    return _traced(sums)


def _traced(sums: list[list[float]]) -> list[tuple[int, int]]:
    """The pairs that lead to the last sum."""
    pairs, i, j = [], len(sums) - 1, len(sums[0]) - 1
    while i and j:
        if sums[i][j] == sums[i - 1][j]:
            i -= 1
        elif sums[i][j] == sums[i][j - 1]:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]


def _alone(module: Module, paired: set[int]) -> list[Module]:
    """The largest modules none of whose operators has a partner."""
    below = list(module.operators_below())
    if module.path and not any(id(each) in paired for each in below):
        return [module]
    return [alone for child in module.children for alone in _alone(child, paired)]


def _moved(removed: Modules, inserted: Modules, scopes: set[tuple[str, str]]) -> list[Pair]:
    """Pairs of modules that are built alike and have the same path, name, or scope."""
    waiting: defaultdict[int, list[Module]] = defaultdict(list)
    for module in inserted:
        waiting[module.digest].append(module)
    pairs = []
    for module in removed:
        partner = next((each for each in waiting[module.digest] if _may_be_moved(module, each, scopes)), None)
        if partner:
            waiting[module.digest].remove(partner)
            pairs.append((module, partner))
    return pairs


def _may_be_moved(one: Module, other: Module, scopes: set[tuple[str, str]]) -> bool:
    if one.path == other.path or (one.name == other.name and one.has_own_name):
        return True
    around = tuple(module.node.scope if module.node else module.path.rpartition(".")[0] for module in (one, other))
    return around in {*scopes, ("", "")}

"""Axes of tensors while they are split, moved and merged, so that a chain of `view` and `permute` is one pattern.

An axis is a tuple of atoms, the outermost first; an axis of size 1 has none. A tensor's axes are known as tuples of the
atoms of the value that it was made of. Splitting an atom gives it parts, everywhere at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod

from archc.ir.operator import Operator
from archc.operators.arrangement import ChannelShuffle, Flatten, Permute
from archc.operators.rearrangement import MOST_AXES, Rearrange

Axis = tuple["Atom", ...]


@dataclass(eq=False)
class Atom:
    """A piece of an axis. The batch is never split."""

    size: int
    is_batch: bool = False
    parts: Axis = field(default=())


def axes_of(shape: Sequence[int], batch: int | None) -> list[Axis]:
    """The axes of a new value, of which one may be the batch."""
    return [(Atom(size, at == batch),) if size != 1 or at == batch else () for at, size in enumerate(shape)]


def expanded(axis: Iterable[Atom]) -> Axis:
    """An axis by its smallest parts."""
    return tuple(part for atom in axis for part in (expanded(atom.parts) if atom.parts else (atom,)))


def size_of(axis: Iterable[Atom]) -> int:
    """The number of elements along an axis."""
    return prod(atom.size for atom in axis)


def reshaped(axes: Sequence[Axis], shape: Sequence[int]) -> list[Axis] | None:
    """The axes after a `view`; None if an axis would have to be cut where its parts do not end."""
    pieces = [atom for axis in axes for atom in expanded(axis)]
    found: list[Axis] = []
    for size in shape:
        taken: list[Atom] = []
        while size_of(taken) < size:
            if not pieces:
                return None
            atom, open_size = pieces.pop(0), size // size_of(taken)
            if atom.size > open_size:
                if size % size_of(taken) or atom.size % open_size or atom.is_batch:
                    return None
                atom, rest = _cut(atom, open_size)
                pieces.insert(0, rest)
            taken.append(atom)
        if size_of(taken) != size:
            return None
        found.append(tuple(taken))
    return found if not [atom for atom in pieces if atom.size != 1] else None


def _cut(atom: Atom, size: int) -> tuple[Atom, Atom]:
    """Split an atom into an outer part of this size, and the rest."""
    outer, inner = Atom(size), Atom(atom.size // size)
    atom.parts = (outer, inner)
    return outer, inner


def merges_batch(axes: Iterable[Axis]) -> bool:
    """True if the batch is not an axis of its own."""
    return any(len(expanded(axis)) > 1 and any(atom.is_batch for atom in expanded(axis)) for axis in axes)


def unmerged(axes: Sequence[Axis]) -> list[Axis]:
    """The axes with the batch in front, as an axis of its own."""
    batch = [atom for axis in axes for atom in expanded(axis) if atom.is_batch]
    rest: list[Axis] = []
    for axis in axes:
        atoms = expanded(axis)
        if any(atom.is_batch for atom in atoms):
            rest += [(atom,) for atom in atoms if not atom.is_batch]
        else:
            rest.append(atoms)
    return [tuple(batch), *rest]


def place_in_unmerged(axes: Sequence[Axis], dim: int) -> int:
    """Where `unmerged` puts an axis without the batch."""
    merged = next(at for at, axis in enumerate(axes) if any(atom.is_batch for atom in expanded(axis)))
    return dim + 1 if dim < merged else dim + len(expanded(axes[merged])) - 1


def pattern(before: Sequence[Axis], after: Sequence[Axis]) -> dict[str, object]:
    """The fields of a `rearrange` from the one to the other."""
    left, right = _without_needless([expanded(axis) for axis in before], [expanded(axis) for axis in after])
    names = _named(left, right)
    sides = [" ".join(_group(axis, names) for axis in side) for side in (left, right)]
    return {"pattern": " -> ".join(sides), **_sizes(left, names)}


def names_needed(before: Sequence[Axis], after: Sequence[Axis]) -> int:
    """The number of names in the pattern from the one to the other."""
    left, _ = _without_needless([expanded(axis) for axis in before], [expanded(axis) for axis in after])
    return sum(map(len, left))


def between(before: Sequence[Axis], after: Sequence[Axis]) -> list[Axis] | None:
    """Axes on the way from the one to the other, where one pattern would have too many names; None if two have too."""
    first, *others = [atom for axis in before for atom in expanded(axis)]
    wanted = [atom for axis in after for atom in expanded(axis) if atom is not first]
    for count in range(1, len(wanted)) if first.is_batch else ():
        order = (*wanted[:count], *(atom for atom in others if atom not in wanted[:count]))
        middle: list[Axis] = [(first,), order]
        if max(names_needed(before, middle), names_needed(middle, after)) <= MOST_AXES:
            return middle
    return None


def _without_needless(left: list[Axis], right: list[Axis]) -> tuple[list[Axis], list[Axis]]:
    """Both sides with one atom in place of two that follow each other on both."""
    while pair := next((p for p in _pairs(left) if p in set(_pairs(right))), None):
        whole = Atom(pair[0].size * pair[1].size)
        left, right = ([_joined(axis, pair, whole) for axis in side] for side in (left, right))
    return left, right


def _pairs(axes: Sequence[Axis]) -> list[tuple[Atom, Atom]]:
    return [pair for axis in axes for pair in pairwise(axis)]


def _joined(axis: Axis, pair: tuple[Atom, Atom], whole: Atom) -> Axis:
    at = next((index for index, each in enumerate(pairwise(axis)) if each == pair), None)
    return axis if at is None else (*axis[:at], whole, *axis[at + 2 :])


def _named(axes: Sequence[Axis], after: Sequence[Axis]) -> dict[Atom, str]:
    """A name for each atom, by its place: images are [b c h w] or [b h w c], tokens [b n c], heads [b h n d]."""
    names: dict[Atom, str] = {}
    for axis, usual in zip(axes, _usual(axes, after), strict=True):
        parts = _PARTS.get((usual, len(axis)), (usual,)) if len(axis) > 1 else (usual,)
        for index, atom in enumerate(axis):
            wanted = (parts[index] if index < len(parts) else "").replace("b", "")
            free = (letter for letter in wanted + _FREE if letter not in names.values())
            names[atom] = "b" if atom.is_batch else next(free)
    return names


def _usual(axes: Sequence[Axis], after: Sequence[Axis]) -> Sequence[str]:
    """The names of whole axes."""
    if len(axes) == 4 and axes[1] + axes[3] in after:
        return "bhnd"
    if len(axes) == 4 and len(axes[1]) > 1 and len(axes[3]) == 1:
        return "bhwc"
    return {2: "bc", 3: "bnc", 4: "bchw", 5: "bhwpc"}.get(len(axes), "bxyzuvwrs"[: len(axes)])


_PARTS = {("h", 2): "hp", ("w", 2): "wq", ("c", 2): "hd", ("c", 3): "thd", ("p", 2): "pq"}
_FREE = "ghijklmnopqrstuvwxyzacdef"


def _group(axis: Axis, names: dict[Atom, str]) -> str:
    if not axis:
        return "1"
    joined = " ".join(names[atom] for atom in axis)
    return joined if len(axis) == 1 else f"({joined})"


def _sizes(axes: Sequence[Axis], names: dict[Atom, str]) -> dict[str, int]:
    """The sizes that do not follow from the input: of each axis that is split, all but one.

    That is the first of two, as the number of windows, and the last of more, as the features of a head.
    """
    given: dict[str, int] = {}
    for axis in axes:
        if len(axis) > 1:
            given |= {names[atom]: atom.size for atom in (axis[1:] if len(axis) == 2 else axis[:-1])}
    return given


def movement(before: Sequence[Axis], after: Sequence[Axis]) -> Operator:
    """The operator with the plainest name that moves axes so."""
    distinct = len(set(before)) == len(before) == len(after)  # of axes of size 1 there may be several
    if distinct and set(before) == set(after) and before[0] == after[0]:
        return Permute(dims=tuple(before.index(axis) for axis in after))
    if (merged := _merged(before, after)) is not None:
        return merged
    if len(before) == len(after) == 4 and len(before[1]) == 2 and after == [before[0], before[1][::-1], *before[2:]]:
        return ChannelShuffle(groups=before[1][0].size)
    return Rearrange.model_validate(pattern(before, after))


def _merged(before: Sequence[Axis], after: Sequence[Axis]) -> Flatten | None:
    """A `flatten`, if the axes are those before with some neighbours merged."""
    removed = len(before) - len(after)
    for start in range(1, len(after)) if removed > 0 else ():
        end = start + removed
        joined = tuple(atom for axis in before[start : end + 1] for atom in axis)
        if any(atom.is_batch for atom in joined):
            continue
        if [*before[:start], joined, *before[end + 1 :]] == list(after):
            return Flatten(start_dim=start, end_dim=-1 if end == len(before) - 1 else end)
    return None


def cut_into(axis: Axis, sizes: Sequence[int]) -> list[Axis] | None:
    """The pieces of an axis, of these sizes; None if it cannot be cut so."""
    if any(atom.is_batch for atom in expanded(axis)):
        return [axis] if len(sizes) == 1 else None
    return reshaped([axis], sizes)

"""Moves of axes are brought together: behind operators of the last axis, and before selections of one slice."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, permutations, product

from archc.ir.operator import Operator
from archc.ir.types import TensorType, batch_axis
from archc.lifting.axes import Atom, Axis, axes_of, cut_into, expanded, movement, names_needed, reshaped
from archc.lifting.records import Record, Trace, Value, sizes
from archc.operators.arrangement import Flatten, Permute, Select
from archc.operators.join import Concat
from archc.operators.rearrangement import MOST_AXES, Rearrange, parse
from archc.operators.regularization import Identity


def is_move(record: Record) -> bool:
    """True for a move of axes that is no module."""
    return isinstance(record.operator, Rearrange | Permute | Flatten) and record.path is None


def merge_moves(trace: Trace) -> None:
    """Make one of axes that are moved twice in one module: those of two would make modules of one class differ."""
    makers = {record.output: record for record in trace.records}
    users = _users(trace)
    for record in filter(is_move, trace.records):
        before = makers.get(record.inputs[0])
        while before is not None and is_move(before) and before.scope == record.scope:
            together = _together(trace, before, record) if len(users[before.output]) == 1 else None
            if together is None:
                break
            record.inputs, record.operator = before.inputs, together
            before = makers.get(before.inputs[0])


def _together(trace: Trace, first: Record, second: Record) -> Operator | None:
    """One operator in place of two moves; None if an axis is merged in one way and cut in another."""
    start = trace.types[first.inputs[0]]
    before = axes_of(sizes(start), batch_axis(start))
    axes: list[Axis] | None = before
    for move in (first, second):
        axes = _moved(move.operator, axes, trace.types[move.inputs[0]], trace.types[move.output]) if axes else None
    if axes is None:
        return None
    sides = [[expanded(axis) for axis in each] for each in (before, axes)]
    if names_needed(*sides) > MOST_AXES:
        return None
    return Identity() if sides[0] == sides[1] else movement(*sides)


def _moved(operator: Operator, axes: Sequence[Axis], type: TensorType, after: TensorType) -> list[Axis] | None:
    """The axes of a value of this type after a move; None if one would have to be cut where its parts do not end."""
    if isinstance(operator, Permute):
        return [axes[dim] for dim in operator.dims]
    if not isinstance(operator, Rearrange):
        return reshaped(axes, sizes(after))
    pattern, known = parse(operator.pattern), operator.known(type)
    pieces = reshaped(axes, sizes(type.with_shape(*(known[name] for name in pattern.names))))
    named = dict(zip(pattern.names, pieces or (), strict=False))
    return [tuple(chain(*(named[name] for name in group))) for group in pattern.right] if pieces else None


def push_moves(trace: Trace) -> None:
    """Put a move that takes the batch from the front behind the linear map that follows it."""
    makers = {record.output: record for record in trace.records}
    users = _users(trace)
    for record in list(trace.records):
        move = makers.get(record.inputs[0]) if len(record.inputs) == 1 else None
        if move is None or not is_move(move) or len(users[move.output]) != 1 or record.operator.linear_axis is None:
            continue
        before, after = ([expanded(axis) for axis in trace.axes[value]] for value in (move.inputs[0], move.output))
        if batch_axis(trace.types[move.output]) == 0 or before[-1] != after[-1] or not _is_permutation(before, after):
            continue
        _swap(trace, move, record)
        makers |= {move.output: move, record.output: record}


def _is_permutation(before: Sequence[Axis], after: Sequence[Axis]) -> bool:
    return set(before) == set(after) and len(before) == len(after)


def _swap(trace: Trace, move: Record, record: Record) -> None:
    """Apply the operator before the move."""
    source, result = move.inputs[0], record.output
    (type, *_), _ = record.operator.typed(trace.types[source])
    value = trace.new(type)
    last = trace.axes[result][-1]
    trace.axes[value] = [*trace.axes[source][:-1], last]
    record.inputs, record.output = [source], value
    before, after = ([expanded(axis) for axis in trace.axes[each]] for each in (value, result))
    move.inputs, move.output, move.operator = [value], result, movement(before, after)
    move.scope = record.scope if len(record.scope) < len(move.scope) else move.scope
    first, second = (trace.records.index(each) for each in (move, record))
    trace.records[first], trace.records[second] = record, move


def gather_slices(trace: Trace) -> None:
    """One move in place of a concatenation of all slices of a value, such as every second row and column."""
    makers = {record.output: record for record in trace.records}
    for record in trace.records:
        if isinstance(record.operator, Concat):
            _gather(trace, record, makers)


def _gather(trace: Trace, record: Record, makers: dict[Value, Record]) -> None:
    found = [_slice(trace, value, makers) for value in record.inputs]
    sources, axes = {source for source, _, _ in found}, {tuple(axes) for _, axes, _ in found}
    picks = [picked for _, _, picked in found]
    if len(sources) != 1 or len(axes) != 1 or not picks[0] or any(picked.keys() != picks[0].keys() for picked in picks):
        return
    for order in permutations(picks[0]):
        every = product(*(range(atom.size) for atom in order))
        if [tuple(picked[atom] for atom in order) for picked in picks] == list(every):
            (source,), (left,) = sources, axes
            dim = record.operator.dim % len(left)  # type: ignore[attr-defined]
            after = [*left[:dim], (*order, *left[dim]), *left[dim + 1 :]]
            record.inputs = [source]
            record.operator = movement([expanded(axis) for axis in trace.axes[source]], after)
            trace.axes[record.output] = after
            return


def _slice(trace: Trace, value: Value, makers: dict[Value, Record]) -> tuple[Value, list[Axis], dict[Atom, int]]:
    """The value that a slice is of, its axes, and which element of each atom was picked."""
    axes, picked = [expanded(axis) for axis in trace.axes[value]], {}
    while (maker := makers.get(value)) is not None and (is_move(maker) or isinstance(maker.operator, Select)):
        value = maker.inputs[0]
        if isinstance(maker.operator, Select):
            atoms = expanded(trace.axes[value][maker.operator.dim])
            if len(atoms) != 1:
                break
            picked[atoms[0]] = maker.operator.index
    return value, axes, picked


def select_last(trace: Trace) -> None:
    """Move before slices are selected, where all of them are moved alike afterwards."""
    users = _users(trace)
    for record in trace.records:
        following = users.get(record.output, [])
        if (
            not is_move(record)
            or len(following) < 2
            or not all(isinstance(each.operator, Select) for each in following)
        ):
            continue
        moves = [users[each.output][0] if len(users[each.output]) == 1 else each for each in following]
        dims = {each.operator.dim for each in following if isinstance(each.operator, Select)}
        if len(dims) != 1 or not all(map(is_move, moves)):
            continue
        _move_first(trace, record, following, moves, dims.pop())


def _move_first(trace: Trace, record: Record, selections: Sequence[Record], moves: Sequence[Record], dim: int) -> None:
    """Give the first move the axes that the later ones lead to, if they all do the same."""
    whole, start = ([expanded(axis) for axis in trace.axes[value]] for value in (record.output, record.inputs[0]))
    if {*chain(*whole)} != {*chain(*start)} or len({trace.types[move.output].ndim for move in moves}) != 1:
        return
    orders = {_order(trace, selection, move) for selection, move in zip(selections, moves, strict=True)}
    if len(orders) != 1 or None in orders:
        return
    (order,) = orders
    assert order is not None, "it was asked before"
    after = _applied(whole[:dim] + whole[dim + 1 :], order)
    if after is None:
        return
    axes = [whole[dim], *after]
    record.operator = movement(start, axes)
    (type, *_), _ = record.operator.typed(trace.types[record.inputs[0]])
    trace.types[record.output], trace.axes[record.output] = type, axes
    for selection, move in zip(selections, moves, strict=True):
        assert isinstance(selection.operator, Select), "it was asked before"
        selection.operator = Select(dim=0, index=selection.operator.index)
        selection.output, move.inputs = move.output, [move.output]
        trace.records.remove(move)


def _order(trace: Trace, selection: Record, move: Record) -> tuple[tuple[tuple[int, int, int], ...], ...] | None:
    """What a move does, as for each new axis the old axis, how it is cut, and which piece it is."""
    before = [expanded(axis) for axis in trace.axes[selection.output]]
    places = {}
    for at, axis in enumerate(before):
        sizes = [atom.size for atom in axis]
        for index, atom in enumerate(axis):
            places[atom] = (at, index, sizes[index])
    after = [expanded(axis) for axis in trace.axes[move.output]]
    if not all(atom in places for axis in after for atom in axis):
        return None
    return tuple(tuple(places[atom] for atom in axis) for axis in after)


def _applied(axes: Sequence[Axis], order: Sequence[Sequence[tuple[int, int, int]]]) -> list[Axis] | None:
    """The axes after a move that is known by `_order`."""
    pieces: dict[int, list[int]] = {}
    for at, _, size in sorted(each for axis in order for each in axis):
        pieces.setdefault(at, []).append(size)
    found = {at: cut_into(axes[at], sizes) for at, sizes in pieces.items()}
    if any(parts is None for parts in found.values()):
        return None
    return [tuple(atom for at, index, _ in axis for atom in (found[at] or ())[index]) for axis in order]


def _users(trace: Trace) -> dict[Value, list[Record]]:
    found: dict[Value, list[Record]] = {}
    for record in trace.records:
        for value in record.inputs:
            found.setdefault(value, []).append(record)
    for value in trace.outputs.values():
        found.setdefault(value, []).append(Record(Select(dim=1, index=0), [value], -1, ""))
    return found

"""What the instances of a class have in common: one body, in which fields differ and items may be absent.

In a template each field of a call is a column: the value for each instance that writes it. What only some instances
have stands in a `when`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, replace

from archc.lifting.items import Call, Choice, Data, From, Group, Item, Mark, When, bodies
from archc.operators import is_operator, operator_model

Column = dict[int, Data]
"""Instance → value."""

LEAST_SHARED = 0.5  # of the items of two bodies that are one


class Mismatch(Exception):
    """Two bodies are not of one kind."""


def template(items: Sequence[Item], instance: int) -> list[Item]:
    """The body of one instance as a template."""
    found: list[Item] = []
    for item in items:
        item = copy(item)
        if isinstance(item, Call):
            item.fields = {name: {instance: value} for name, value in item.fields.items()}
            item.receives = {instance: item.received}
            item.branches = [template(branch, instance) for branch in item.branches]
        elif isinstance(item, Group):
            item.items = template(item.items, instance)
        elif isinstance(item, When):
            raise Mismatch
        found.append(item)
    return found


def merged(
    one: list[Item], ones: Sequence[int], other: list[Item], others: Sequence[int], *, relaxed: bool = False
) -> list[Item]:
    """The template of two, for the instances of both. With `relaxed`, what one lacks may drop nothing there.

    Raises Mismatch.
    """
    return _Merge(tuple(ones), tuple(others), relaxed).bodies(deepcopy(one), deepcopy(other))


@dataclass(frozen=True)
class _Merge:
    ones: tuple[int, ...]
    others: tuple[int, ...]
    relaxed: bool = False

    def bodies(self, a: list[Item], b: list[Item]) -> list[Item]:
        """One list for both: what matches is merged, in the order of both, and the rest is optional."""
        if wrapped := self._residual(a, b):
            return wrapped
        pairs = aligned(a, b, self._likeness)
        shared = sum(i is not None and j is not None for i, j in pairs)
        if shared < LEAST_SHARED * max(len(a), len(b)) or (shared == 0 and max(len(a), len(b)) > 0):
            raise Mismatch
        return [self._pair(a[i] if i is not None else None, b[j] if j is not None else None) for i, j in pairs]

    def _pair(self, one: Item | None, other: Item | None) -> Item:
        if one is None or other is None:
            return self._optional(one or other, one is not None)
        holds: dict[int, bool] = {}
        if any(isinstance(item, When) and item.otherwise is not None for item in (one, other)):
            raise Mismatch
        if isinstance(one, When) or isinstance(other, When):
            for item, instances in ((one, self.ones), (other, self.others)):
                holds |= item.holds if isinstance(item, When) else dict.fromkeys(instances, True)
            item = self._item(_core(one), _core(other))
            return When(then=[item], holds=holds, gives=one.gives)
        return self._item(one, other)

    def _optional(self, item: Item | None, in_one: bool) -> Item:
        assert item is not None, "one of a pair is there"
        absent = self.others if in_one else self.ones
        rates = _rates(_core(item)) if self.relaxed else None
        if rates is not None:
            rates |= dict.fromkeys(absent, 0.0)
        if isinstance(item, When):
            item.holds |= dict.fromkeys(absent, rates is not None)
        if rates is not None or isinstance(item, When):
            return item
        present = self.ones if in_one else self.others
        return When(
            then=[item], holds={**dict.fromkeys(present, True), **dict.fromkeys(absent, False)}, gives=item.gives
        )

    def _item(self, one: Item, other: Item) -> Item:
        match one, other:
            case Call(), Call() if one.word == other.word:
                return self._call(one, other)
            case Group(), Group():
                one.items = self.bodies(one.items, other.items)
                return one
            case ((Call() | Choice()), (Call() | Choice())):
                layers = {**_layers(one, self.ones), **_layers(other, self.others)}
                return Choice(layers, one.name, gives=one.gives)
            case From() | Mark(), _:
                return one
        raise Mismatch

    def _call(self, one: Call, other: Call) -> Call:
        for name, column in other.fields.items():
            one.fields.setdefault(name, {}).update(column)
        one.receives |= other.receives
        one.branches = [self._branch(a, b) for a, b in zip(one.branches, other.branches, strict=True)]
        return one

    def _branch(self, a: list[Item], b: list[Item]) -> list[Item]:
        """Branches of which one may be the identity, or of another kind."""
        if not a and not b:
            return []
        if not a or not b or _choice(a) or _choice(b):
            return [self._alternatives(a, b)]
        try:
            return self.bodies(a, b)
        except Mismatch:
            return [self._alternatives(a, b)]

    def _alternatives(self, a: list[Item], b: list[Item]) -> When:
        """A choice of two branches. Raises Mismatch: there are three kinds."""
        one, other = (_choice(body) for body in (a, b))
        if one is None and other is None:
            a, b = _arm(a, self.ones), _arm(b, self.others)
            then, otherwise = (a, b) if a else (b, a)
            return When("", then, otherwise, {i: (i in self.ones) == bool(a) for i in (*self.ones, *self.others)})
        if one is not None and other is not None:
            return self._both(one, other)
        if one is not None:
            return self._with_branch(one, b, self.others)
        assert other is not None, "one of the two is a choice"
        return self._with_branch(other, a, self.ones)

    def _with_branch(self, when: When, body: list[Item], instances: tuple[int, ...]) -> When:
        """A choice that has a further branch for these instances: that of one of its arms."""
        for arm, held in (("then", True), ("otherwise", False)):
            known: list[Item] | None = getattr(when, arm)
            if known is None or bool(known) != bool(body):
                continue
            ids = tuple(k for k, holds in when.holds.items() if holds == held)
            try:
                found = _Merge(ids, instances, self.relaxed).bodies(known, body) if body else []
                setattr(when, arm, _arm(found, (*ids, *instances)))
            except Mismatch:
                continue
            when.holds |= dict.fromkeys(instances, held)
            return when
        raise Mismatch

    def _both(self, one: When, other: When) -> When:
        """One choice in place of two, arm by arm."""
        for arm, held in (("then", True), ("otherwise", False)):
            body: list[Item] | None = getattr(other, arm)
            instances = tuple(k for k, holds in other.holds.items() if holds == held)
            if body is None:
                if one.otherwise is not None:
                    raise Mismatch
                one.holds |= dict.fromkeys(instances, False)
            elif instances:
                self._with_branch(one, body, instances)
        return one

    def _residual(self, a: list[Item], b: list[Item]) -> list[Item] | None:
        """`sum: [X, identity]` beside X alone: a shortcut that some instances lack."""
        joined, plain, first = (a, b, True) if _shortcut(a) is not None else (b, a, False)
        place, lacking = _shortcut(joined), _shortcut(plain)
        if place is None or lacking is not None or any(_is_join(item) for item in plain):
            return None
        join = joined[place]
        assert isinstance(join, Call), "a join is a call"
        after = len(joined) - place - 1
        end = len(plain) - after
        merge = self if first else _Merge(self.others, self.ones, self.relaxed)
        if end < place:
            return None
        before = merge.bodies(joined[:place], plain[:place]) if place else []
        behind = merge.bodies(joined[place + 1 :], plain[end:]) if after else []
        empty = next(i for i, branch in enumerate(join.branches) if _is_absent(branch))
        body = 1 - empty
        # What drops a branch is lacking where nothing is beside the branch: it is no rate of 0.
        join.branches[body] = replace(merge, relaxed=False)._branch(join.branches[body], plain[place:end])
        if not join.branches[empty]:
            join.branches[empty] = [When("", [], None, dict.fromkeys(merge.ones, True))]
        (when,) = join.branches[empty]
        assert isinstance(when, When), "it was made above"
        when.holds |= dict.fromkeys(merge.others, False)
        return [*before, join, *behind]

    def _likeness(self, one: Item, other: Item) -> float:
        return likeness(_core(one), _core(other))


def join_arms(items: list[Item]) -> None:
    """Put one `when` with both arms in place of two that follow each other, of which just one holds."""
    found: list[Item] = []
    for item in items:
        for body in bodies(item):
            join_arms(body)
        last = found[-1] if found else None
        if isinstance(last, When) and isinstance(item, When) and _is_other_arm(last, item):
            found[-1] = When("", last.then, item.then, last.holds, gives=item.gives)
        else:
            found.append(item)
    items[:] = found


def _is_other_arm(one: When, other: When) -> bool:
    """True if just one of two holds in each instance, and both have one arm."""
    single = one.otherwise is None and other.otherwise is None and one.then and other.then
    return bool(single) and one.holds == {k: not held for k, held in other.holds.items()}


def _rates(item: Item) -> Column | None:
    """How much an operator drops in training, by instance; None if it drops nothing, or is no operator."""
    if not isinstance(item, Call) or not is_operator(item.word) or item.branches:
        return None
    return None if operator_model(item.word).inference else item.fields.get("p")


def _core(item: Item) -> Item:
    """The item in a `when` around one."""
    return item.then[0] if isinstance(item, When) and item.then else item


def _choice(branch: list[Item]) -> When | None:
    """The choice that a branch is, if it is one."""
    first = branch[0] if len(branch) == 1 else None
    return first if isinstance(first, When) and (first.otherwise is not None or not first.then) else None


def _arm(body: list[Item], instances: Sequence[int]) -> list[Item]:
    """An arm of a choice, which is no `when` itself. Raises Mismatch: it would have to be one."""
    first = body[0] if len(body) == 1 else None
    if not isinstance(first, When):
        return body
    if first.then and all(first.holds.get(instance, False) for instance in instances):
        return first.then
    raise Mismatch


def _is_absent(branch: list[Item]) -> bool:
    """True for a branch that is the identity wherever it is there at all."""
    if not branch:
        return True
    (first, *more) = branch
    return not more and isinstance(first, When) and first.otherwise is None and not first.then


def _is_join(item: Item) -> bool:
    return isinstance(item, Call) and len(item.branches) > 1


def _shortcut(items: list[Item]) -> int | None:
    """Where the only join of two branches stands, of which one is the identity or absent."""
    places = [i for i, item in enumerate(items) if _is_join(item)]
    if len(places) != 1:
        return None
    item = items[places[0]]
    assert isinstance(item, Call), "a join is a call"
    return places[0] if len(item.branches) == 2 and any(map(_is_absent, item.branches)) else None


def _layers(item: Call | Choice, instances: Sequence[int]) -> Column:
    if isinstance(item, Choice):
        return item.layers
    fields = [{name: column[i] for name, column in item.fields.items() if i in column} for i in instances]
    return {i: {item.word: given} if given else item.word for i, given in zip(instances, fields, strict=True)}


def likeness(one: Item, other: Item) -> float:
    """From 0, for items that cannot be one, to 2."""
    match one, other:
        case Call(), Call() if one.word == other.word:
            same = one.name == other.name and len(one.branches) == len(other.branches)
            same &= (
                _fits_fields(one, other)
                and one.keys == other.keys
                and one.init == other.init
                and one.values == other.values
                and one.results == other.results
            )
            return 1 + _share_of_fields(one, other) if same and one.like == other.like else 0
        case Group(), Group():
            return 1.5 if one.name == other.name and one.numbered == other.numbered else 0
        case ((Call() | Choice()), (Call() | Choice())):
            return 1.1 if one.name == other.name and _is_activation(one) and _is_activation(other) else 0
        case (From(), From()) | (Mark(), Mark()):
            return 1 if one.gives == other.gives else 0
    return 0


def _fits_fields(one: Call, other: Call) -> bool:
    """True if what one writes has a default for the other, and texts such as patterns are the same."""
    if not is_operator(one.word):
        return True
    fields = operator_model(one.word).model_fields
    for name in {*one.fields, *other.fields}:
        a, b = one.fields.get(name, {}), other.fields.get(name, {})
        if (not a or not b) and (name not in fields or fields[name].default is None):
            return False
        if (
            a
            and b
            and any(isinstance(v, str) for v in (*a.values(), *b.values()))
            and {*map(repr, a.values())} != {*map(repr, b.values())}
        ):
            return False
    return True


def _share_of_fields(one: Call, other: Call) -> float:
    either = {*one.fields, *other.fields}
    both = [name for name in one.fields if name in other.fields]
    same = sum(
        bool({*map(repr, one.fields[name].values())} & {*map(repr, other.fields[name].values())}) for name in both
    )
    return (0.5 * len(both) + 0.4 * same) / len(either) if either else 0.9


def _is_activation(item: Call | Choice) -> bool:
    if isinstance(item, Choice):
        return True
    return (
        is_operator(item.word) and operator_model(item.word).needs_output and not item.branches and _is_pointwise(item)
    )


def _is_pointwise(call: Call) -> bool:
    model = operator_model(call.word)
    return not model.tensors and model.arity == 1 and call.received == call.gave and not model.moves and model.inference


def aligned(
    a: Sequence[Item], b: Sequence[Item], likeness: Callable[[Item, Item], float]
) -> list[tuple[int | None, int | None]]:
    """Pairs of positions with the greatest likeness in all, both in their order; None where one list has nothing."""
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            like = likeness(a[i], b[j])
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + like if like else 0)
    pairs: list[tuple[int | None, int | None]] = []
    i = j = 0
    while i < len(a) or j < len(b):
        skip_a = best[i + 1][j] if i < len(a) else -1
        skip_b = best[i][j + 1] if j < len(b) else -1
        if i < len(a) and j < len(b) and best[i][j] > max(skip_a, skip_b):
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif skip_a >= skip_b:
            pairs.append((i, None))
            i += 1
        else:
            pairs.append((None, j))
            j += 1
    return pairs

"""A graph -> items: branches where a value splits and joins, marks where branches cannot say it.

A part is a node or a scope. What leads to one input of a join and to nothing else becomes the branch of that input; all
other parts follow one another, each behind a `from` where it does not take the value before it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from archc.ir.graph import Graph, Node
from archc.ir.operator import Operator
from archc.lifting.items import Auxiliary, Call, From, Group, Item, Output, Share
from archc.lifting.marks import with_marks
from archc.lifting.written import fields_of, init_of, own_initializers
from archc.nn.regions import Region, cut

DEEPEST = 3  # joins within the branches of joins

UNNAMED = "#"
"""Stands in the path of a node that is no module, and so has no name."""

Part = Node | Region


def structured(graph: Graph) -> list[Item]:
    """The items of a graph, with marks. A value's name is that of the graph."""
    root = cut(graph)
    main = graph.outputs[0].value.name
    items = _Structure(graph, root).items(main)
    _declare_outputs(graph, items, root)
    return with_marks(items, [value.name for value in graph.inputs])


@dataclass
class _Chain:
    """The parts that lead from the value `start` to an input of a join; None starts with a source."""

    parts: list[Part]
    start: str | None
    depth: int = 0


@dataclass
class _Join:
    """What a join takes: `base` is the value that is current where it stands."""

    chains: list[_Chain] = field(default_factory=list)
    base: str | None = None
    alone: bool = False  # nothing else needs the base
    depth: int = 0


class _Structure:
    """The items of one region."""

    def __init__(self, graph: Graph, region: Region) -> None:
        self._graph, self._region = graph, region
        self._types = {value.name: value.type for value in graph.values()}
        self._depending = graph.depending()
        moving = [part for part in region.parts if self._depending.intersection(_outputs(part)) and not _is_free(part)]
        self._order = {id(part): index for index, part in enumerate(moving)}  # others have no place of their own
        self._makers = {value: part for part in region.parts for value in _outputs(part)}
        self._uses = Counter(value for part in region.parts for value in _inputs(part))
        self._uses.update(region.outputs)
        self._uses.update(output.value.name for output in graph.outputs)
        self._joins: dict[int, _Join] = {}
        self._flat: set[int] = set()  # joins that stand by themselves, as their branches would be too deep
        self._inside: set[int] = set()  # parts that stand in a branch
        self._resolve()

    def items(self, result: str) -> list[Item]:
        """The items that lead from the region's first input to its result."""
        current = next(iter(self._region.inputs), "")
        found: list[Item] = []
        for part in self._region.parts:
            if id(part) not in self._inside:
                current = self._append(found, part, current)
        if current != result:
            found.append(From(gives=result))
        return found

    def _resolve(self) -> None:
        """Find the branches of every join; those of a nest that is too deep are found again, each by itself."""
        for _ in range(2):
            self._joins, self._inside = {}, set()
            for part in self._region.parts:
                if isinstance(part, Node) and part.operator.is_composite():
                    self._joins[id(part)] = self._join(part)
            deep = {key for key, join in self._joins.items() if join.depth > DEEPEST}
            if not deep:
                return
            self._flat |= {key for root in deep for key in self._nest(root)}

    def _nest(self, root: int) -> set[int]:
        """The joins inside the branches of one, and itself."""
        inner = (id(part) for chain in self._joins[root].chains for part in chain.parts if id(part) in self._joins)
        return {root, *(key for each in inner for key in self._nest(each))}

    def _join(self, node: Node) -> _Join:
        join = _Join()
        leading = leading_inputs(node.operator)
        inputs = [value.name for value in node.inputs]
        inside = set(self._inside)
        for value in inputs[leading:]:
            join.chains.append(chain := self._chain(value))
            # A constant stands in the first of the branches that need it.
            self._inside |= {id(part) for part in chain.parts if not self._depending.intersection(_outputs(part))}
        self._keep_order(node, join)
        self._keep_apart(join)
        here = {value for chain in join.chains for part in chain.parts for value in _outputs(part)}
        starts = [
            *inputs[:leading],
            *(start for start in (chain.start for chain in join.chains) if start and start not in here),
        ]
        join.base = inputs[0] if leading else max(starts, key=self._lateness, default=None)
        join.depth = 1 + max((chain.depth for chain in join.chains), default=0)
        join.alone = join.base is not None and sum(start == join.base for start in starts) == self._uses[join.base]
        self._inside = inside | {id(part) for chain in join.chains for part in chain.parts}
        return join

    def _keep_order(self, node: Node, join: _Join) -> None:
        """Leave outside what does not stand directly before the join, branch behind branch."""
        place = self._order.get(id(node), 0)
        for chain in reversed(join.chains):
            for index in reversed(range(len(chain.parts))):
                part = chain.parts[index]
                if id(part) not in self._order:
                    continue
                if self._order[id(part)] != place - 1:
                    chain.start, chain.parts = _outputs(part)[-1], chain.parts[index + 1 :]
                    break
                place -= 1 + self._within(part)

    def _within(self, part: Part) -> int:
        """The number of parts in the branches of one, which stand directly before it."""
        join = self._joins.get(id(part))
        inner = [each for chain in join.chains for each in chain.parts] if join else []
        return sum(1 + self._within(each) for each in inner if id(each) in self._order)

    def _keep_apart(self, join: _Join) -> None:
        """Leave outside what leads to one branch alone and starts where no other does: nothing splits there.

        Only where it stands before all other branches, so that the order stays.
        """
        starts = [chain.start for chain in join.chains if chain.start is not None]
        base = max(starts, key=self._lateness, default=None)
        if sum(start == base for start in starts) != 1:
            return
        (only,) = (chain for chain in join.chains if chain.start == base)
        before = join.chains[: join.chains.index(only)]
        first = not any(id(part) in self._order for chain in before for part in chain.parts)
        if only.parts and first:
            only.start = _outputs(only.parts[-1])[-1]
            only.parts, only.depth = [], 0

    def _lateness(self, value: str) -> tuple[int, bool]:
        """Where a value is made; of those from outside the current one is nearest."""
        return self._order.get(id(self._makers.get(value)), -1), value == next(iter(self._region.inputs), None)

    def _chain(self, value: str) -> _Chain:
        """What leads to a value and to nothing else, back to a value that is needed elsewhere too."""
        chain = _Chain([], value)
        needed_here = 1
        while chain.start is not None:
            part = self._makers.get(chain.start)
            if part is None or len(_outputs(part)) > 1 or id(part) in self._inside:
                break
            if self._uses[chain.start] != needed_here and chain.start in self._depending:
                break  # a constant stands in the first branch that needs it, for it cannot stand outside
            if id(part) in self._flat or _is_shared(part, self._region):
                break
            chain.parts.insert(0, part)
            if join := self._joins.get(id(part)):
                chain.start, chain.depth = join.base, max(chain.depth, join.depth)
                if not join.alone:
                    break
                needed_here = self._uses[join.base] if join.base else 0
            else:
                chain.start = next(iter(_inputs(part)), None)
                needed_here = sum(value == chain.start for value in _inputs(part))
        return chain

    def _append(self, items: list[Item], part: Part, current: str | None) -> str:
        """Append a part, behind a `from` where it does not take the current value; return what it gives."""
        base = self._base(part)
        if base is not None and base != current:
            items.append(From(gives=base))
        item = self._item(part)
        items.append(item)
        return item.gives

    def _base(self, part: Part) -> str | None:
        if join := self._joins.get(id(part)):
            return join.base
        return next(iter(_inputs(part)), None)

    def _item(self, part: Part) -> Item:
        if _is_shared(part, self._region):
            return Share(name=_name(part), gives=_outputs(part)[-1])
        if isinstance(part, Region):
            return self._group(part)
        call = self._call(part)
        if join := self._joins.get(id(part)):
            call.branches = [self._branch(chain, join.base) for chain in join.chains]
        return call

    def _branch(self, chain: _Chain, base: str | None) -> list[Item]:
        items: list[Item] = []
        current = base
        if chain.start is not None and not chain.parts and chain.start != base:
            return [From(gives=chain.start)]
        for part in chain.parts:
            current = self._append(items, part, current)
        return items

    def _call(self, node: Node) -> Call:
        below = f"{node.scope}." if node.scope else ""
        return Call(
            node.operator.word,
            fields_of(node.operator),
            None if node.operator.is_composite() or UNNAMED in node.path else node.name,
            init=init_of(node),
            keys={name: key.removeprefix(below) for name, key in node.keys if key != f"{node.module}.{name}"},
            path=node.module,
            received=node.inputs[0].type if node.inputs else None,
            gave=node.output.type,
            tensors=own_initializers(node),
            gives=node.output.name,
        )

    def _group(self, region: Region) -> Group:
        inner = _Structure(self._graph, region)
        result = region.outputs[-1]
        items = inner.items(result)
        scope = region.scope
        takes = next(iter(region.inputs), "")
        received, gave = self._types.get(takes), self._types[result]
        return Group(
            scope.name, scope.class_name, scope.sequence, items, takes, scope.path, received, gave, gives=result
        )


def leading_inputs(operator: Operator) -> int:
    """How many inputs of a composite are the current value, before those of its branches."""
    return 0 if operator.arity is None else operator.arity - len(operator.branches)


def _inputs(part: Part) -> list[str]:
    return [value.name for value in part.inputs] if isinstance(part, Node) else list(part.inputs)


def _outputs(part: Part) -> list[str]:
    return [value.name for value in part.outputs] if isinstance(part, Node) else list(part.outputs)


def _name(part: Part) -> str:
    return part.name if isinstance(part, Node) else part.scope.name


def _is_free(part: Part) -> bool:
    """True for a call of a function that may stand anywhere after its inputs."""
    return isinstance(part, Node) and UNNAMED in part.path and not part.operator.is_composite()


def _is_shared(part: Part, region: Region) -> bool:
    """True for an item of a list that is applied once more. What lies in a shared scope is shared as well."""
    shares = part.shares if isinstance(part, Node) else part.scope.shares
    return bool(shares) and not region.scope.shares


def _declare_outputs(graph: Graph, items: list[Item], root: Region) -> None:
    """Say which values are outputs: the last one needs no word if it is called `output`."""
    first, *others = graph.outputs
    for output in others:
        _declare(items, output.value.name, output.name, training_only=output.training_only)
    if first.name != "output" or any(output.name == "output" for output in others):
        items.append(Output(name=first.name, gives=first.value.name))


def _declare(items: list[Item], value: str, name: str, *, training_only: bool) -> None:
    for index, item in enumerate(items):
        if item.gives == value and not isinstance(item, From):
            if training_only:
                start = items[index - 1].gives if index else ""
                items[index] = Auxiliary(item=item, gives=start)
                if index + 1 < len(items) and isinstance(items[index + 1], From) and items[index + 1].gives == start:
                    del items[index + 1]
            else:
                items.insert(index + 1, Output(name=name, gives=value))
            return
    # The value is made inside an item, and is marked there.
    last = items[-1].gives
    items += [From(gives=value), Output(name=name, gives=value)]
    if last != value:
        items.append(From(gives=last))

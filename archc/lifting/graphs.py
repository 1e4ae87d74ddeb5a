"""A traced run -> the graph of a network, with a scope for each module that can be one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from archc.ir.graph import Graph, Node, Output, Parameter, Scope
from archc.ir.graph import Value as GraphValue
from archc.lifting.fusion import fused
from archc.lifting.modules import NoWord
from archc.lifting.records import Record, StandIn, Trace, Value
from archc.lifting.structure import UNNAMED


class Homes:
    """In which scope each record lies, and under which path."""

    def __init__(self, trace: Trace, records: Sequence[Record]) -> None:
        self._trace, self._records = trace, records
        self._dissolved: set[str] = set()
        self.paths: list[str | None] = []
        self.scopes: list[str] = []
        for record in records:
            path, scope = self._place(record)
            self.paths.append(path)
            self.scopes.append(scope)
        self._name_single()
        while self._dissolve():
            pass
        while self._hoist_one():
            pass
        self.kept = {"", *self.scopes, *self._containers()} - self._dissolved

    def _place(self, record: Record) -> tuple[str | None, str]:
        """The path of a record's module, if it is one, and the scope around it."""
        running, _, again = record.scope.partition("@")
        suffix = f"@{again}" if again else ""
        if record.operator.arity == 0:
            return (record.path, _parent(record.path)) if record.path else (None, record.scope)
        if record.path == "":  # the network is this operator
            return None, ""
        if record.tensors and record.path is not None:
            below = record.path == running or not _is_below(record.path, running)
            scope = _parent(record.path)
            return record.path, scope if below and not suffix else _with_suffix(scope, running, suffix)
        calls = self._trace.calls
        alone = calls.get(record.path or "") == calls.get(running) and not suffix  # once in each run of its module
        if record.path and _parent(record.path) == running and alone:
            return record.path, record.scope
        return None, record.scope

    def _name_single(self) -> None:
        """A module that is one operator is that operator; what owns tensors itself is no scope."""
        self._name_inner()
        owners = {path for path, record in zip(self.paths, self._records, strict=True) if path and record.tensors}
        inside: dict[str, list[int]] = {}
        for index, scope in enumerate(self.scopes):
            inside.setdefault(scope, []).append(index)
        for scope, indices in inside.items():
            if scope in owners:
                self._move(scope, _parent(scope))
            elif len(indices) == 1 and scope and not self._holds_others(scope, indices[0]):
                (index,) = indices
                record = self._records[index]
                if not record.tensors and "@" not in scope and record.operator.arity == 1:
                    self.paths[index], self.scopes[index] = scope, _parent(scope)

        for index, (path, record) in enumerate(zip(self.paths, self._records, strict=True)):
            if path and not record.tensors and any(above in owners for above in _above(path)):
                self.paths[index] = None  # its module lies within a layer

    def _holds_others(self, scope: str, index: int) -> bool:
        """True if a scope has items beside this record."""
        others = (
            place or ""
            for at, pair in enumerate(zip(self.paths, self.scopes, strict=True))
            for place in pair
            if at != index
        )
        return any(each.startswith(f"{scope}.") for each in others)

    def _name_inner(self) -> None:
        """What owns tensors of a module that has other tensors inside is an item of that module, under a new name."""
        pairs = list(zip(self.paths, self._records, strict=True))
        owners = [
            path for path, record in pairs
            if path and record.tensors and record.operator.arity != 0 and not record.again
        ]  # fmt: skip
        for index, (path, record) in enumerate(pairs):
            if path is None or not record.tensors or record.operator.arity == 0:
                continue
            if owners.count(path) > 1 or any(each.startswith(f"{path}.") for each in owners):
                names = [key.removeprefix(f"{path}.") for key in record.tensors.values()]
                name = _beginning(names).strip("_") if len(names) > 1 else names[0].replace("_weight", "")
                self.scopes[index], self.paths[index] = path, f"{path}.{name or record.operator.word}"

    def _move(self, scope: str, to: str) -> None:
        self.scopes = [to if each == scope else each for each in self.scopes]

    def _dissolve(self) -> bool:
        """Give up scopes whose records do not follow one another, or that would hold nothing worth a module.

        True if there were any: others may be torn now.
        """
        before = list(self.scopes)
        fixed = [record.operator.arity == 0 for record in self._records]  # sources have no place of their own
        for scope in sorted(self._all(), key=lambda path: -path.count(".")):
            inside = [i for i, each in enumerate(self.scopes) if _is_within(each, scope)]
            moving = [i for i in inside if not fixed[i]]
            held = set(inside)
            between = range(min(moving, default=0), max(moving, default=0))
            torn = any(i not in held and not fixed[i] for i in between)
            empty = not any(self._records[i].tensors for i in inside) and not _parent_is_list(scope)
            lost = "@" in scope and scope.partition("@")[0] in self._dissolved
            if torn or empty or lost or self._takes_others(scope) or self._is_used_outside(scope):
                self._dissolved.add(scope)
                self._move(scope, _parent(scope))
        return self.scopes != before

    def _takes_others(self, scope: str) -> bool:
        """True for a module that runs again with another value beside its first: to share it repeats that value."""
        again = [each for each in set(self.scopes) if each.startswith(f"{scope}@") and _parent(each) == _parent(scope)]
        return bool(again) and len({self._beside(each) for each in (scope, *again)}) > 1

    def _is_used_outside(self, scope: str) -> bool:
        """True if a layer of a scope is applied once more, and not by the scope: a list shares its own items alone."""
        return any(
            record.again and path and _is_below(path, scope) and not _is_below(place, scope)
            for record, path, place in zip(self._records, self.paths, self.scopes, strict=True)
        )

    def _beside(self, scope: str) -> tuple[Value, ...]:
        """The values from outside that a scope takes beside its first; what sources give is the same in each run."""
        pairs = list(zip(self._records, self.scopes, strict=True))
        inside = [record for record, each in pairs if _is_within(each, scope)]
        own = {record.output for record in inside} | {r.output for r in self._records if r.operator.arity == 0}
        return tuple(dict.fromkeys(v for record in inside for v in record.inputs if v not in own))[1:]

    def _hoist_one(self) -> bool:
        """Move a join with which a scope of several inputs begins out of it, so that it has one input."""
        for index, (record, scope) in enumerate(zip(self._records, self.scopes, strict=True)):
            if not scope or record.operator.arity is not None or "@" in scope:
                continue
            inside = [each for each, other in zip(self._records, self.scopes, strict=True) if _is_below(other, scope)]
            made = {each.output for each in inside}
            outer = {value for each in inside for value in each.inputs} - made
            if made.isdisjoint(record.inputs) and len(outer) == len(set(record.inputs)) > 1 and len(inside) > 1:
                self.scopes[index] = _parent(scope)
                return True
        return False

    def _all(self) -> set[str]:
        """Every scope, and those around it."""
        return {each for scope in self.scopes for each in (scope, *_above(scope)) if each}

    def tree(self) -> list[str]:
        """The scopes, parents first, in the order in which they run."""
        found = {"": None}
        for scope in dict.fromkeys(self.scopes):
            lineage = [scope, *_above(scope)]
            found |= dict.fromkeys(each for each in reversed(lineage) if each in self.kept)
        return list(found)

    def _containers(self) -> set[str]:
        """Lists of modules: they run nothing themselves."""
        return {above for path in (*self.scopes, *self.paths) if path for above in _above(path) if above}


def graph_of(trace: Trace, name: str) -> Graph:
    """The graph of a run. Raises NoWord: a module with tensors is used where the language cannot share them."""
    fused(trace)
    records = trace.records
    for record in records:
        if isinstance(record.operator, StandIn):
            raise NoWord(f"{record.operator.told}, in {record.scope or 'the network'}")
    records = _sources_first(records)
    homes = Homes(trace, records)
    return _Assembly(trace, records, homes).graph(name)


def _sources_first(records: Sequence[Record]) -> list[Record]:
    """The records with each source before the module that is given its value, if that lies inside of the source's."""
    found = list(records)
    for source in [record for record in records if record.operator.arity == 0 and record.path]:
        scope = _parent(source.path or "")
        user = next((each for each in records if source.output in each.inputs), source)
        inner = user.scope.removeprefix(f"{scope}." if scope else "").partition(".")[0]
        given = f"{scope}.{inner}" if scope else inner
        if inner and user.scope != scope and _is_below(user.scope, scope):
            found.remove(source)
            found.insert(next(i for i, each in enumerate(found) if _is_below(each.scope, given)), source)
    return found


class _Assembly:
    def __init__(self, trace: Trace, records: Sequence[Record], homes: Homes) -> None:
        self._trace, self._records, self._homes = trace, records, homes
        self._values = {value: GraphValue(name, trace.types[value]) for name, value in trace.inputs.items()}

    def graph(self, name: str) -> Graph:
        nodes = tuple(self._node(index, record) for index, record in enumerate(self._records))
        scopes = tuple(self._scope(path) for path in self._homes.tree())
        outputs = tuple(Output(each, self._values[value]) for each, value in self._trace.outputs.items())
        return Graph(name, tuple(self._values[v] for v in self._trace.inputs.values()), nodes, scopes, outputs)

    def _node(self, index: int, record: Record) -> Node:
        scope, path = self._homes.scopes[index], self._homes.paths[index]
        inputs = tuple(self._values[value] for value in record.inputs)
        shares = ""
        if record.again and path is not None:
            shares, path = path, f"{path}@{index}"
        elif path is None or record.operator.is_composite():
            label = ":" if record.operator.is_composite() else "."
            base = scope if scope or label == ":" else ""
            path = f"{base}{label if base or label == ':' else ''}{record.operator.word}{UNNAMED}{index}"
        types = [value.type for value in inputs]
        outputs, weights = record.operator.typed(*types)
        keys, default = self._keys(record, shares or path)
        value = GraphValue(path, outputs[0])
        self._values[record.output] = value
        named = dict(keys)
        parameters = tuple(
            Parameter(named.get(w.name) or default(w.name), w.shape, w.initializer, w.dtype, w.buffer) for w in weights
        )
        return Node(path, record.operator, inputs, (value,), scope, None, parameters, shares, keys)

    def _keys(self, record: Record, path: str) -> tuple[tuple[tuple[str, str], ...], Callable[[str], str]]:
        def default(name: str) -> str:
            return f"{path}.{name}" if name else path

        differing = tuple((name, key) for name, key in record.tensors.items() if key != default(name))
        if differing and not record.operator.functional:
            raise NoWord(f"{record.operator.word} whose tensors are called {', '.join(key for _, key in differing)}")
        return differing, default

    def _scope(self, path: str) -> Scope:
        parent = next((each for each in _above(path) if each in self._homes.kept), "")
        own = path.partition("@")[0]
        shares = own if own != path else ""
        return Scope(
            path, self._trace.kinds[own].__name__, parent if path else "", self._is_numbered(path), None, shares
        )

    def _is_numbered(self, path: str) -> bool:
        """True if everything directly inside has a number, in order."""
        if not path:
            return False
        names: list[str] = []
        for index, record in enumerate(self._records):
            scope, own = self._homes.scopes[index], self._homes.paths[index]
            if scope == path:
                if record.operator.is_composite():
                    continue
                if own is None:
                    return False
                names.append(own.removeprefix(f"{path}."))
            elif scope.startswith(f"{path}."):
                names.append(scope.removeprefix(f"{path}.").partition(".")[0])
        ordered = list(dict.fromkeys(names))
        return ordered == [str(index) for index in range(len(ordered))]


def _beginning(names: Sequence[str]) -> str:
    """What names begin with: `in_proj_` of in_proj_weight and in_proj_bias."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in alike)


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _above(path: str) -> Iterable[str]:
    while path:
        path = _parent(path)
        yield path


def _is_below(path: str, scope: str) -> bool:
    """True for a path inside a scope, and for the scope itself."""
    return not scope or path == scope or path.startswith((f"{scope}.", f"{scope}@"))


def _is_within(path: str, scope: str) -> bool:
    """True for a path inside a scope, and for the scope itself, but not for what lies in a further run of it."""
    return f"{path}.".startswith(f"{scope}.")


def _parent_is_list(path: str) -> bool:
    return path.rpartition(".")[2].isdigit()


def _with_suffix(scope: str, running: str, suffix: str) -> str:
    return scope.replace(running, f"{running}{suffix}", 1) if suffix and _is_below(scope, running) else scope

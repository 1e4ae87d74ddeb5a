"""Modules of one class become a block of the spec's own, from the innermost to the outermost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import chain, count

from archc.blocks import block_words
from archc.elaborate.naming import camel_case
from archc.lifting.counted import counted
from archc.lifting.document import Definition
from archc.lifting.items import Call, Data, Group, Item, Mark, bodies, calls, walk
from archc.lifting.marks import name_marks, rename, wanted
from archc.lifting.own_blocks import Recognizer
from archc.lifting.parameters import Instances, Solver
from archc.lifting.ramps import Ramped, ramp_through
from archc.lifting.templates import Mismatch, join_arms, merged, template
from archc.operators import is_operator

PLAIN = ("Sequential", "ModuleList", "ModuleDict", "Module")
KEYWORDS = ("when", "mark", "from", "share", "output", "aux", "sequence", "constant")
LIST = "Sequential"
LEAST_LISTED = 3  # layers of a plain list that are worth a block's name
FEWEST = 2  # modules that are worth a block


class UnevenRamp(Exception):
    """Values that seemed to grow evenly over the uses of blocks do not."""


@dataclass
class Known:
    """What is known of modules beside the graph: the arguments of their constructors by path, and their defaults by
    class."""

    arguments: Mapping[str, Mapping[str, Data]] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, Data]] = field(default_factory=dict)


@dataclass
class _Body:
    """The items of one instance under names of their own: `values` are given by name, `results` are used outside."""

    items: list[Item]
    values: dict[str, str]
    results: list[str]


@dataclass
class _Cluster:
    """Instances with one template."""

    items: list[Item]
    instances: list[int]
    numbered: bool
    values: list[str]
    results: int


class Blocks:
    """Rewrites items; `definitions` are the blocks that it made.

    With `only_needed` there are blocks alone for modules whose name is a word of the language.
    """

    def __init__(
        self,
        items: list[Item],
        known: Known,
        *,
        only_needed: bool = False,
        foreign: bool = False,
        ramped: bool = True,
        recognizer: Recognizer | None = None,
    ) -> None:
        self._recognizer, self._ramped = recognizer, ramped
        self.items, self._known, self._only_needed, self._foreign = items, known, only_needed, foreign
        self.definitions: dict[str, Definition] = {}
        self.ramps: dict[str, Data] = {}
        self._uses: list[tuple[str, str]] = []  # path and class of each module, in order
        self._class_of: dict[str, str] = {}  # definition → class

    def run(self) -> list[Item]:
        """The items with calls of blocks in place of modules."""
        if not self._only_needed:
            self._fold()
        classes = self._classes()
        self._use_own(classes)
        self._uses = [(group.path, group.class_name) for group in _groups(self.items)]
        for class_name in classes:
            self._make(class_name)
            if not self._only_needed:
                self._fold()
        self._rename_listed()
        self._make_ramps()
        return self.items

    def _rename_listed(self) -> None:
        """Give a block another name than a list or scope that is left, whose name would be read as a call of it."""
        bodies_of = [self.items, *(definition.items for definition in self.definitions.values())]
        listed = {group.name for body in bodies_of for group in _groups(body)}
        renamed = {name: self._unused(f"{name}_block") for name in self.definitions if name in listed}
        for call in (call for body in bodies_of for call in calls(body)):
            call.word = renamed.get(call.word, call.word)
        for name, definition in self.definitions.items():
            definition.name = renamed.get(name, name)
        self.definitions = {definition.name: definition for definition in self.definitions.values()}
        self._class_of = {renamed.get(name, name): kind for name, kind in self._class_of.items()}

    def _use_own(self, classes: Sequence[str]) -> None:
        """Call archc's own blocks in place of modules that are such blocks, class by class."""
        if self._recognizer is None:
            return
        for class_name in (*classes, LIST):
            groups = [group for group in _groups(self.items) if group.class_name == class_name]
            found = [self._recognizer.call(group) for group in groups]
            if class_name == LIST or all(found):
                for group, call in zip(groups, found, strict=True):
                    if call is not None and (class_name != LIST or len(group.items) >= LEAST_LISTED):
                        _replace(self.items, group, call)

    def _classes(self) -> list[str]:
        """The classes of modules, the innermost first."""
        heights: dict[str, int] = {}
        for group in _groups(self.items):
            if group.class_name in PLAIN and _must_be_block(group):
                group.class_name = camel_case(group.name or "")
            if group.class_name not in PLAIN and (_must_be_block(group) or not self._only_needed):
                heights[group.class_name] = max(heights.get(group.class_name, 0), _height(group))
        return sorted(heights, key=heights.__getitem__)

    def _fold(self) -> None:
        self.items = counted(self.items, self.definitions)
        for definition in self.definitions.values():
            definition.items = counted(definition.items, self.definitions)

    def _make(self, class_name: str) -> None:
        """Make blocks of the modules of a class, before those of the same class around them."""
        tried: list[Group] = []
        while found := [group for group in _groups(self.items) if _is_next(group, class_name, tried)]:
            self._make_of(class_name, found)
            tried += found

    def _make_of(self, class_name: str, found: Sequence[Group]) -> None:
        outside = Counter(wanted(self.items))
        local = [_localized(group, outside) for group in found]
        clusters = self._clusters(found, local)
        whole = self._ramped and sum(len(cluster.instances) for cluster in clusters) == len(found)
        for cluster in clusters:
            self._define(class_name, cluster, found, local, ramped=whole)

    def _clusters(self, found: Sequence[Group], local: Sequence[_Body]) -> list[_Cluster]:
        clusters: list[_Cluster] = []
        for k, (group, body) in enumerate(zip(found, local, strict=True)):
            try:
                alone = template(body.items, k)
            except Mismatch:
                continue
            if not any(_joined(cluster, alone, k, group, body, relaxed=self._foreign) for cluster in clusters):
                clusters.append(_Cluster(alone, [k], group.numbered, list(body.values), len(body.results)))
        needed = [any(_must_be_block(found[k]) for k in cluster.instances) for cluster in clusters]
        fewest = len(found) + 1 if self._only_needed else FEWEST
        return [c for c, must in zip(clusters, needed, strict=True) if must or len(c.instances) >= fewest]

    def _define(
        self, class_name: str, cluster: _Cluster, found: Sequence[Group], local: Sequence[_Body], *, ramped: bool
    ) -> None:
        groups = {k: found[k] for k in cluster.instances}
        solver = Solver(self._instances(class_name, groups), self.definitions, ramped=ramped)
        join_arms(cluster.items)
        try:
            solver.solve(cluster.items)
        except Mismatch:
            return
        kind = "sequence" if cluster.numbered else "layers"
        definition = solver.definition(self._unused(class_name), kind, cluster.items)
        definition.parameters |= dict.fromkeys(cluster.values, "value")
        definition.results = [f"result_{index}" for index in range(cluster.results)]
        name_marks(definition.items, [*cluster.values, *definition.results])
        self.definitions[definition.name] = definition
        self._class_of[definition.name] = class_name
        for k, group in groups.items():
            call = group.call(definition.name, solver.arguments(definition, k))
            call.values, call.results = dict(local[k].values), local[k].results
            _replace(self.items, group, call)

    def _instances(self, class_name: str, groups: dict[int, Group]) -> Instances:
        given = {k: self._known.arguments.get(group.path, {}) for k, group in groups.items()}
        names = dict.fromkeys(name for arguments in given.values() for name in arguments)
        columns = {name: {k: arguments[name] for k, arguments in given.items() if name in arguments} for name in names}
        return Instances(groups, columns, dict(self._known.defaults.get(class_name, {})))

    def _unused(self, class_name: str) -> str:
        base = snake_case(class_name)
        base = f"{base}_block" if is_operator(base) or base in (*block_words(), *KEYWORDS) else base
        name, number = base, 1
        while name in self.definitions:
            number += 1
            name = f"{base}_{number}"
        return name

    def _make_ramps(self) -> None:
        """Say by a ramp what grows evenly from use to use: one for all blocks, or one for the blocks of each class."""
        ramped = {name: list(_ramped(definition)) for name, definition in self.definitions.items()}
        ramped = {name: found for name, found in ramped.items() if found}
        classes = dict.fromkeys(self._class_of[name] for name in ramped)
        if ramped and not self._ramp(list(ramped), ramped, list(classes)):
            for each in classes:
                if not self._ramp([name for name in ramped if self._class_of[name] == each], ramped, [each]):
                    raise UnevenRamp

    def _ramp(self, words: list[str], ramped: Mapping[str, list[Ramped]], classes: list[str]) -> bool:
        """Make a ramp over the uses of these blocks; False if their values do not grow evenly."""
        uses = [path for path, class_name in self._uses if class_name in classes]
        ramp = ramp_through([each for word in words for each in ramped[word]], uses)
        if ramp is None:
            return False
        name = self._unused_ramp()
        words = [word for word, class_name in self._class_of.items() if class_name in classes]
        self.ramps[name] = {"blocks": words, **ramp}
        for call in (call for word in words for call in calls(self.definitions[word].items)):
            call.fields |= {key: f"${name}" for key, value in call.fields.items() if isinstance(value, Ramped)}
        return True

    def _unused_ramp(self) -> str:
        """A name that no ramp has, and no parameter of a block, which the ramp would hide."""
        taken = {*self.ramps, *(name for definition in self.definitions.values() for name in definition.parameters)}
        others = (f"drop_path_{number}" for number in count(2))
        return next(name for name in chain(["drop_path"], others) if name not in taken)


def snake_case(class_name: str) -> str:
    """`InvertedResidual` -> `inverted_residual`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name.strip("_")).lower()


def _groups(items: Iterable[Item]) -> Iterable[Group]:
    return (item for item in walk(items) if isinstance(item, Group))


def _is_next(group: Group, class_name: str, tried: Sequence[Group]) -> bool:
    """True for a module of this class that was not tried, and holds none that was not."""
    here = [each for each in (group, *_groups(group.items)) if each.class_name == class_name]
    return [each for each in here if not any(each is other for other in tried)] == [group]


def _height(group: Group) -> int:
    return 1 + max((_height(inner) for inner in _groups(group.items)), default=0)


def _must_be_block(group: Group) -> bool:
    """True for a module whose name a list or scope cannot have, since it is a word of the language."""
    name = group.name or ""
    return is_operator(name) or name in (*block_words(), *KEYWORDS)


def _ramped(definition: Definition) -> Iterator[Ramped]:
    return (value for call in calls(definition.items) for value in call.fields.values() if isinstance(value, Ramped))


def _joined(cluster: _Cluster, alone: list[Item], k: int, group: Group, body: _Body, *, relaxed: bool) -> bool:
    """True if an instance is one of the cluster's kind, and is in it now."""
    if (cluster.numbered, cluster.values, cluster.results) != (group.numbered, list(body.values), len(body.results)):
        return False
    try:
        cluster.items = merged(cluster.items, cluster.instances, alone, [k], relaxed=relaxed)
    except Mismatch:
        return False
    cluster.instances.append(k)
    return True


def _localized(group: Group, outside: Counter[str]) -> _Body:
    """The items of a module with names of their own for values, so that those of two modules can be compared."""
    items = deepcopy(group.items)
    inside = Counter(wanted(items))
    marked = dict(_marked(items))
    made = [*marked, *(value for call in calls(items) for value in call.results)]
    results = [value for value in dict.fromkeys(made) if outside[value] > inside[value]]
    names: dict[str, str] = {}
    for value in dict.fromkeys(made):
        name = f"result_{results.index(value)}" if value in results else f"mark_{marked.get(value, '')}"
        number = sum(other.partition("@")[0] == name for other in names.values())
        names[value] = f"{name}@{number}" if number else name
    if group.takes in inside and group.takes not in names:
        items.insert(0, Mark(gives=group.takes))
        names[group.takes] = "mark_in"
    foreign = [value for value in inside if value not in names]
    values = {f"other_{index}" if index else "other": value for index, value in enumerate(foreign)}
    names |= {value: name for name, value in values.items()}
    rename(items, names)
    return _Body(items, values, results)


def _marked(items: Sequence[Item]) -> Iterator[tuple[str, str]]:
    """Each value that is marked, and the name of the module that makes it: it is the same in other instances."""
    for before, item in zip([None, *items], items, strict=False):
        if isinstance(item, Mark):
            yield item.gives, (before.name or "") if isinstance(before, Group | Call) else ""
        for body in bodies(item):
            yield from _marked(body)


def _replace(items: list[Item], group: Group, call: Call) -> bool:
    """Put a call in the place of a module; False if it is not there."""
    for index, item in enumerate(items):
        if item is group:
            items[index] = call
            return True
        if any(_replace(body, group, call) for body in bodies(item)):
            return True
    return False

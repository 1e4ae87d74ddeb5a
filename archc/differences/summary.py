"""Two graphs -> what differs between them, summed up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from math import prod

from archc.differences.alignment import Alignment, Pair, align
from archc.differences.changes import Correspondence, Edit, described, tensors, types
from archc.differences.labels import changed, different_part, generic, label, listed, numberless, shown, where
from archc.differences.modules import Module, tree
from archc.differences.records import Group, Lone, Renaming, Row, Side, Tensors
from archc.differences.report import Diff
from archc.ir.cost import cost
from archc.ir.graph import Graph, Node, Output, Parameter


def compare(one: Graph, other: Graph, names: tuple[str, str] | None = None) -> Diff:
    """What differs between two networks, which are called by these names instead of their own."""
    found = align(tree(one), tree(other))
    known = Correspondence(one, other, found)
    edits = list(known.edits())
    edited = {id(edit.one) for edit in edits}
    follow = sum(id(a) not in edited and types(a) != types(b) for a, b in known.pairs)
    titles = names or _names(one, other)
    return Diff(
        Side(titles[0], len(one.nodes), cost(one)),
        Side(titles[1], len(other.nodes), cost(other)),
        common=len(known.pairs),
        interface=(*_inputs(one, other), *_outputs(one, other, known)),
        changed=tuple(_grouped(edits)),
        follow=follow,
        removed=tuple(_lone((module, None) for module in found.removed)),
        inserted=tuple(_lone((module, None) for module in found.inserted)),
        moved=tuple(_lone(found.moved)),
        renamed=tuple(_renamed(known.pairs)),
        classes=tuple(_classes(found.scopes)),
        initial=tuple(_initial(known.pairs)),
        tensors=_tensors(found, known.pairs),
        rows=tuple(_rows(one, other, known, found, edits)),
    )


def _names(one: Graph, other: Graph) -> tuple[str, str]:
    return (one.name, other.name) if one.name != other.name else ("the first", "the second")


def _inputs(one: Graph, other: Graph) -> Iterator[str]:
    for ours, theirs in zip_longest(one.inputs, other.inputs):
        named = [(value.name, described(value.type)) if value else None for value in (ours, theirs)]
        if named[0] != named[1]:
            yield _became("input", *named)
        elif ours.type != theirs.type:
            yield f"input {ours.name}: another range of sizes"


def _outputs(one: Graph, other: Graph, known: Correspondence) -> Iterator[str]:
    for ours, theirs in zip_longest(one.outputs, other.outputs):
        named = [_output(output) for output in (ours, theirs)]
        if named[0] != named[1]:
            yield _became("output", *named)
        if ours and theirs and not known.same(ours.value, theirs.value):
            yield f"output {theirs.name}: what {ours.value.name} gives → what {theirs.value.name} gives"


def _output(output: Output | None) -> tuple[str, str] | None:
    if output is None:
        return None
    return output.name, f"{output.value.type}{' (training only)' if output.training_only else ''}"


def _became(what: str, before: tuple[str, str] | None, after: tuple[str, str] | None) -> str:
    """What became of an input or output, which has a name and a description."""
    if before and after and before[0] == after[0]:
        name = "" if before[0] == what else f" {before[0]}"
        return f"{what}{name}: {before[1]} → {after[1]}"
    return f"{what} {' → '.join(f'{each[0]}: {each[1]}' if each else 'none' for each in (before, after))}"


def _grouped(edits: Iterable[Edit]) -> Iterator[Group]:
    """Edits of operators with like names in which the same things differ."""
    groups: defaultdict[tuple[str, ...], list[Edit]] = defaultdict(list)
    for edit in edits:
        words = edit.one.operator.word, edit.other.operator.word
        name = numberless(label(edit.one)) if words[0] == words[1] else ""
        groups[str(bool(edit.one.scope)), name, *words, *(change.what for change in edit.changes)].append(edit)
    for group in groups.values():
        whats = zip(*(edit.changes for edit in group), strict=True)
        what = tuple((each[0].what, changed((change.before, change.after) for change in each)) for each in whats)
        yield Group(tuple(group), where([edit.one for edit in group]), what)


def _lone(pairs: Iterable[tuple[Module, Module | None]]) -> Iterator[Lone]:
    """Modules of one class, or of one operator, together."""
    groups: defaultdict[tuple[str, str], list[tuple[Module, Module | None]]] = defaultdict(list)
    for module, partner in pairs:
        groups[_kind(module), numberless(label(module.node) if module.node else "")].append((module, partner))
    for (kind, _), group in groups.items():
        nodes = [node for module, _ in group for node in module.nodes]
        yield Lone(
            f"{kind}{_common_fields(module for module, _ in group)}",
            tuple(module.path for module, _ in group),
            len(nodes),
            sum(prod(tensor.shape) for node in nodes for tensor in _own(node) if not tensor.buffer),
            _behind(*group[0]),
        )


def _behind(module: Module, partner: Module | None) -> tuple[str, str] | None:
    """The values that a module, which was moved, reads in each of the networks."""
    if partner is None:
        return None
    ours, theirs = (each.nodes[0].inputs[0].name if each.nodes[0].inputs else "nothing" for each in (module, partner))
    return ours, theirs


def _kind(module: Module) -> str:
    return module.node.operator.word if module.node else module.class_name


def _common_fields(modules: Iterable[Module]) -> str:
    """The fields that all operators of a group write alike; nothing for scopes."""
    written = [module.node.operator.attributes().items() if module.node else () for module in modules]
    fields = ", ".join(
        f"{name}={shown(value)}" for name, value in written[0] if all((name, value) in each for each in written)
    )
    return f"({fields})" if fields else ""


def _own(node: Node) -> Sequence[Parameter]:
    return () if node.shares else node.parameters


def _renamed(pairs: Iterable[tuple[Node, Node]]) -> Iterator[Renaming]:
    """What is called otherwise, without the parts of the paths that are the same at either end."""
    found: defaultdict[tuple[str, str], Counter[tuple[str, str]]] = defaultdict(Counter)
    for one, other in pairs:
        if one.path != other.path and not _names_follow(one, other):
            before, after = different_part(one.path, other.path)
            found[generic(before), generic(after)][one.path, other.path] += 1
    for (before, after), each in found.items():
        parts = list(dict.fromkeys(different_part(*paths) for paths in each))
        if each.total() == 1:
            yield Renaming(*next(iter(each)), 1)
        elif len(parts) == 1:
            yield Renaming(*parts[0], each.total())
        elif before == after:  # other numbers
            yield Renaming(listed([" → ".join(part) for part in parts]), "", each.total())
        else:
            yield Renaming(before, after, each.total())


def _names_follow(one: Node, other: Node) -> bool:
    """True where names follow from words, and words have changed, or are more or fewer than before."""
    if ":" in one.path + other.path:
        return True
    names = [node.path.removeprefix(node.scope).lstrip(".") for node in (one, other)]
    return (
        one.scope == other.scope
        and not one.parameters
        and all(name.startswith(node.operator.word) for name, node in zip(names, (one, other), strict=True))
    )


def _classes(pairs: Iterable[Pair]) -> Iterator[Renaming]:
    counts = Counter((a.class_name, b.class_name) for a, b in pairs if a.class_name != b.class_name)
    yield from (Renaming(before, after, count) for (before, after), count in counts.items())


def _initial(pairs: Iterable[tuple[Node, Node]]) -> Iterator[str]:
    """How tensors start otherwise, a line for each pair of initialisers."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for one, other in pairs:
        theirs = tensors(other)
        for name, tensor in tensors(one).items() if one.operator.computed() is None else ():
            if name in theirs and tensor.initializer != theirs[name].initializer:
                before, after = (f"{each.initializer.word}({_arguments(each)})" for each in (tensor, theirs[name]))
                counts[f"{one.operator.word}.{name}", before, after] += 1
    for (name, before, after), count in counts.items():
        yield f"{name} in {count} operator{'' if count == 1 else 's'}: {before} → {after}"


def _arguments(tensor: Parameter) -> str:
    values = tensor.initializer.model_dump(exclude_defaults=True)
    return ", ".join(f"{name}={shown(value)}" for name, value in values.items())


def _tensors(found: Alignment, pairs: Iterable[tuple[Node, Node]]) -> Tensors:
    """Counts. An operator that became another one may have more tensors, or fewer."""
    totals = Counter({"removed": _count(found.removed), "inserted": _count(found.inserted)})
    for one, other in pairs:
        ours, theirs = tensors(one), tensors(other)
        for name in {**ours, **theirs}:
            mine, partner = ours.get(name), theirs.get(name)
            if mine and partner:
                totals["common"] += 1
                totals["other_key"] += mine.path != partner.path
                totals["other_shape"] += mine.shape != partner.shape
            else:
                totals["removed" if mine else "inserted"] += 1
    return Tensors(**totals)


def _count(modules: Iterable[Module]) -> int:
    return sum(len(_own(node)) for module in modules for node in module.nodes)


def _rows(one: Graph, other: Graph, known: Correspondence, found: Alignment, edits: Iterable[Edit]) -> Iterator[Row]:
    """All operators, those that stand for each other on one row; what was moved stands where each network has it."""
    moved = {node.path for module, _ in found.moved for node in module.nodes}
    partners = {a.path: b for a, b in known.pairs if a.path not in moved}
    edited = {edit.one.path: edit for edit in edits}
    waiting = list(reversed(other.nodes))
    paired = {node.path for node in partners.values()}
    gone = {node.path for _, module in found.moved for node in module.nodes}
    for node in one.nodes:
        partner = partners.get(node.path)
        if partner is None:
            yield Row(">" if node.path in moved else "-", node, None)
            continue
        while waiting and waiting[-1].path not in paired:
            yield Row(">" if waiting[-1].path in gone else "+", None, waiting.pop())
        if waiting:
            waiting.pop()
        yield Row("~" if node.path in edited else "=", node, partner, edited.get(node.path))
    yield from (Row(">" if node.path in gone else "+", None, node) for node in reversed(waiting))

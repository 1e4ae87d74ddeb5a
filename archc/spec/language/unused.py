"""What a spec writes and does not use. A mark is a mistake wherever it stands; a name that nothing reads, a warning."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from collections.abc import Mapping as MappingType

from archc.diagnostics import Diagnostic, Span
from archc.operators import is_operator
from archc.spec.language.document import Spec
from archc.spec.language.items import Auxiliary, Branch, Call, Composite, From, Group, Item, Mark, When
from archc.spec.language.signatures import Signature
from archc.spec.tree import Mapping, Scalar, Sequence, Tree

_WORD = re.compile(r"\$?\w+")


def words_in(*trees: Tree | None) -> frozenset[str]:
    """Every word that trees hold, in keys and in values; one that an expression reads has its `$`."""
    return frozenset(word for tree in trees if tree for word in _words(tree))


def _words(tree: Tree) -> Iterator[str]:
    match tree:
        case Mapping(entries):
            for entry in entries.values():
                yield from _words(entry.key)
                yield from _words(entry.value)
        case Sequence(items):
            for item in items:
                yield from _words(item)
        case _:
            yield from _WORD.findall(tree.text)


def unread_names(spec: Spec) -> Iterator[Diagnostic]:
    """A warning for each parameter, derived value and ramp that nothing reads."""
    yield from _unread_parameters(spec.parameters, words_in(*spec.written))
    read = {word: words_in(*definition.written) for word, definition in spec.blocks.items()}
    for word, definition in spec.blocks.items():
        yield from _unread_parameters(definition.parameters, read[word])
        for name, tree in definition.let.items():
            if f"${name}" not in read[word]:
                yield _unread(f"the value '{name}' under 'let'", tree.span, f"write ${name} where it is meant")
    for name, ramp in spec.ramps.items():
        if not any(f"${name}" in read.get(block, ()) for block in ramp.blocks):
            yield _unread(f"the ramp '{name}'", ramp.span, f"write ${name} inside a block that it names")


def _unread_parameters(parameters: MappingType[str, Signature], words: Container[str]) -> Iterator[Diagnostic]:
    for name, signature in parameters.items():
        if f"${name}" in words or (signature.type == "value" and name in words):
            continue
        written = f"'- from: {name}'" if signature.type == "value" else f"${name}"
        yield _unread(f"the parameter '{name}'", signature.span, f"write {written} where it is meant")


def _unread(what: str, span: Span | None, written: str) -> Diagnostic:
    return Diagnostic("unused", f"nothing reads {what}", span, help=f"{written}, or leave it out", warning=True)


def unused_defaults(spec: Spec, words: Container[str]) -> Iterator[Diagnostic]:
    """A warning for each word that has defaults and is neither among these words nor written anywhere else."""
    if not spec.defaults:
        return
    signatures = [spec.parameters, *(definition.parameters for definition in spec.blocks.values())]
    defaults = [signature.default for each in signatures for signature in each.values()]
    written = words_in(*spec.written, *(tree for block in spec.blocks.values() for tree in block.written), *defaults)
    for word, entry in spec.defaults.items():
        if word not in words and word not in written:
            message = f"nothing in the network is called '{word}', whose defaults these are"
            yield Diagnostic("unused", message, entry.key.span, help="leave them out", warning=True)


def unused_marks(items: Iterable[Item], results: Iterable[str] = ()) -> Iterator[Diagnostic]:
    """A diagnostic for each mark of a body that is neither used in it nor one of its results, given by name."""
    marks: dict[str, Span] = {}
    used = set(results)
    for item in all_items(items):
        if isinstance(item, Mark):
            marks.setdefault(item.name.text, item.name.span)
        else:
            used.update(_names(item))
    for name in marks.keys() - used:
        help = f"write '- from: {name}' where the value is needed, or leave the mark out"
        yield Diagnostic("unused", f"nothing uses the value '{name}'", marks[name], help=help)


def all_items(items: Iterable[Item]) -> Iterator[Item]:
    """The items of a body and all that lie within."""
    for item in items:
        yield item
        yield from all_items(_inside(item))


def _inside(item: Item) -> Iterator[Item]:
    match item:
        case Group():
            yield from item.items
        case Auxiliary():
            yield item.item
        case When():
            yield from _of_arms(item)
        case Composite():
            for branch in item.branches:
                yield from branch.items if isinstance(branch, Branch) else _of_arms(branch)


def _of_arms(when: When) -> Iterator[Item]:
    for arm in (when.then, when.otherwise):
        yield from arm.items if arm else ()


def _names(item: Item) -> Iterator[str]:
    """The names that an item may use: that of a `from`, a field's value, such as a block's `skip: c4`, or its word."""
    if isinstance(item, From):
        yield item.name.text.removeprefix("$")
    if isinstance(item, Call) and not is_operator(item.word):  # which has been reported, or is a block
        yield item.word
    fields = item.fields if isinstance(item, Call | Composite) else None
    values = [entry.value for entry in fields.entries.values()] if isinstance(fields, Mapping) else []
    values += [item.short] if isinstance(item, Call) and item.short else []
    yield from (value.text for value in values if isinstance(value, Scalar))

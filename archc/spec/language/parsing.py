"""Trees -> documents: a spec, and a file of blocks that specs share.

parse_spec(tree, problems) -> Parsed            `problems` are those that the loader has found already
parse_library(tree, problems) -> Parsed
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard, TypeVar

from pydantic import BaseModel, ConfigDict

from archc.diagnostics import Diagnostic, Span, SpecError, nearest
from archc.diagnostics.codes import Code
from archc.spec.language.calls import CALL_KEYS
from archc.spec.language.document import BlockDefinition, Ramp, Spec, Wanted
from archc.spec.language.expressions import is_expression
from archc.spec.language.expressions import parse as parse_expression
from archc.spec.language.grammar import Grammar
from archc.spec.language.inputs import ONLY, SUBSTITUTE, read_inputs
from archc.spec.language.items import Item
from archc.spec.language.names import RESERVED, is_name, is_variable
from archc.spec.language.signatures import Signature, parse_signature
from archc.spec.language.unused import unused_marks
from archc.spec.language.validation import validate
from archc.spec.repair.indentation import indented
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, Unreadable

PIECES = ("stem", "stages", "head")
SPEC_KEYS = (
    "name",
    "source",
    "input",
    "inputs",
    "parameters",
    "use",
    "defaults",
    "ramps",
    "blocks",
    "init",
    "outputs",
    "layers",
    *PIECES,
)

SECTIONS = ("input", "inputs", "parameters", "let", "defaults", "ramps", "blocks", "init")
"""Keys of a spec or of a block whose values are mappings."""

DECLARING = ("inputs", "parameters", "let", "use", "ramps", "blocks")
"""Keys below which names are declared."""

Body = Literal["layers", "sequence", "inline"]
BODIES: tuple[Body, ...] = ("layers", "sequence", "inline")
BLOCK_KEYS = ("parameters", "let", "results", *BODIES)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What could be read of a file, and what is wrong with it.

    `files` are the shared files that it names under `use`. Every name is known unless it is not `complete`: something
    was left out that may declare one. Shapes can be worked out unless it is not `traceable`: something was left out
    that they depend on wherever they are.
    """

    spec: Spec
    problems: tuple[Diagnostic, ...]
    files: tuple[Scalar, ...] = ()
    complete: bool = True
    traceable: bool = True


def parse_spec(tree: Tree, problems: Iterable[Diagnostic] = ()) -> Parsed:
    """A spec; what is wrong is left out of it. Raises SpecError: it is no mapping, or there are too many problems."""
    parser = _Parser(problems)
    document = parser.mapping(tree, "a spec", SPEC_KEYS)
    name, citation = parser.name(document), parser.text(document, "source")
    inputs = read_inputs(document, _head(document), parser.grammar)
    parser.traceable &= inputs.whole
    outputs = parser.outputs(document.get("outputs"))
    spec = Spec(
        name=name,
        citation=citation,
        inputs=inputs.models,
        input_spans=inputs.spans,
        items=parser.network(document, outputs),
        parameters=parser.each(document, "parameters", is_variable, _setting),
        blocks=parser.each(document, "blocks", _is_block_name, parser.block),
        defaults=parser.each(document, "defaults", is_name, parser.fields),
        ramps=parser.each(document, "ramps", is_variable, _ramp),
        init=parser.optional_mapping(document, "init"),
        outputs=outputs,
        written=(*map(document.get, ("layers", *PIECES)), *_values(document, "defaults", "init")),
    )
    files = parser.files(document.get("use"))
    return Parsed(spec, tuple(parser.grammar.problems), files, parser.complete, parser.traceable)


def parse_library(tree: Tree, problems: Iterable[Diagnostic] = ()) -> Parsed:
    """The blocks of a shared file, which has nothing else, as a spec without items. Raises as `parse_spec`."""
    parser = _Parser(problems)
    document = parser.mapping(tree, "a shared file", ("blocks",))
    definitions = parser.each(document, "blocks", _is_block_name, parser.block)
    blocks = {name: replace(definition, shared=True) for name, definition in definitions.items()}
    spec = Spec("shared", None, {ONLY: SUBSTITUTE}, {ONLY: tree.span}, (), blocks=blocks)
    return Parsed(spec, tuple(parser.grammar.problems), complete=parser.complete)


class _Parser:
    """Parses the parts of a document; a part that is wrong is reported and replaced by an empty one."""

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        self.grammar = Grammar(problems)
        self.complete = self.traceable = True

    def mapping(self, tree: Tree, what: str, keys: tuple[str, ...]) -> Mapping:
        """A mapping that has only these keys; others are reported, and misspelt ones read as they are meant.

        Raises: SpecError: it is no mapping.
        """
        if not isinstance(tree, Mapping):
            self.grammar.report("wrong-kind", f"{what} is a mapping", tree.span, f"with the keys {', '.join(keys)}")
            raise SpecError(self.grammar.problems)
        tree = self.indented(tree, lambda key: key in SECTIONS, lambda key: not nearest(key, keys))
        entries = {key: entry for key, entry in tree.entries.items() if key in keys}
        for key, entry in tree.entries.items():
            if key not in keys:
                meant = nearest(key, (other for other in keys if other not in entries))
                help = f"did you mean '{meant}'?" if meant else f"the keys are {', '.join(keys)}"
                self.grammar.report("unknown-key", f"{what} has no key '{key}'", entry.key.span, help)
                if meant:
                    entries[meant] = entry
                elif isinstance(entry.value, Sequence | Mapping):  # it may have declared names
                    self.complete = False
        self._without_lost(tree)
        self.complete &= not any(entry.key.text in DECLARING for entry in tree.lost)
        return tree._replace(entries=entries)

    def indented(self, tree: Mapping, is_owner: Callable[[str], bool], is_part: Callable[[str], bool]) -> Mapping:
        """The mapping as it was meant where its parts are not indented, which is reported."""
        meant, problems = indented(tree, is_owner, is_part)
        self.grammar.add(*problems)
        return meant

    def name(self, document: Mapping) -> str:
        """The spec's name."""
        value = document.get("name")
        if value is None:
            self.grammar.report("missing-key", "a spec needs the key 'name'", _head(document))
        elif not isinstance(value, Scalar) or not is_name(value.text):
            help = "a name has letters, digits, '_' and '-', and does not begin with a digit or '-'"
            self.grammar.report("bad-name", "this cannot be the name of a spec", value, help)
        else:
            return value.text
        return "unnamed"

    def text(self, document: Mapping, key: str) -> str | None:
        """An optional text."""
        value = document.get(key)
        if value is None or (isinstance(value, Scalar) and isinstance(value.value, str)):
            return value.text if value else None
        self.grammar.report("wrong-kind", f"'{key}' is a text", value)
        return None

    def outputs(self, tree: Tree | None) -> tuple[Wanted, ...]:
        """The names of the values at which the network is cut."""
        items = tree.items if isinstance(tree, Sequence) else ()
        found = tuple(Wanted(item.text, item.span) for item in items if isinstance(item, Scalar))
        if tree is not None and (not found or len(found) < len(items)):
            self.grammar.report("wrong-kind", "'outputs' is a list of module paths or marks", tree)
            self.traceable = False
        return found

    def network(self, document: Mapping, outputs: Iterable[Wanted] = ()) -> tuple[Item, ...]:
        """The items of `layers`, or of stem, stages and head one after the other."""
        pieces = [piece for piece in PIECES if piece in document.entries]
        if "layers" in document.entries:
            if pieces:
                span = document.entries[pieces[0]].key.span
                message = f"a network is written as 'layers' or as '{pieces[0]}', not both"
                self.grammar.report("several-keys", message, span)
                self.traceable = False
            pieces = ["layers"]
        if not pieces:
            help = "write it under layers, or under stem, stages and head"
            self.grammar.report("missing-key", "a spec needs a network", _head(document), help)
            return ()
        return self._pieces([document.entries[piece] for piece in pieces], [each.path for each in outputs])

    def _pieces(self, entries: list[Entry], used: list[str]) -> tuple[Item, ...]:
        known = len(self.grammar.problems)
        items = [item for entry in entries for item in self.grammar.items(entry.value, root=True)]
        if not items and len(self.grammar.problems) == known:
            self.grammar.report("empty", "the network has no items", entries[0].key.span)
        self.grammar.add(*unused_marks(items, used))
        return tuple(items)

    def optional_mapping(self, document: Mapping, key: str) -> Mapping | None:
        """A mapping, or None."""
        value = document.get(key)
        if value is None or isinstance(value, Mapping):
            return value
        help = "its keys stand below it without '- '" if isinstance(value, Sequence) else None
        self.grammar.report("wrong-kind", f"'{key}' is a mapping", value, help)
        return None

    def files(self, tree: Tree | None) -> tuple[Scalar, ...]:
        """The names under `use`."""
        items = tree.items if isinstance(tree, Sequence) else ()
        names = tuple(item for item in items if _is_text(item))
        wrong = [item for item in items if not _is_text(item)] if isinstance(tree, Sequence) else [tree]
        for item in wrong:
            if item is not None:
                help = "such as use: [blocks/vgg.yaml]"
                self.grammar.report("wrong-kind", "'use' is a list of files", item, help)
                self.complete = False
        return names

    def each(
        self, owner: Mapping, key: str, is_fit: Callable[[str], bool], parse: Callable[[Entry], Result]
    ) -> dict[str, Result]:
        """Parse every entry of an optional mapping whose keys are names."""
        parsed: dict[str, Result] = {}
        tree = self.optional_mapping(owner, key)
        if tree and key == "blocks":
            tree = self.indented(tree, lambda name: name not in BLOCK_KEYS, lambda name: name in BLOCK_KEYS)
        self.complete &= tree is not None or owner.get(key) is None
        self._without_lost(tree)
        for name, entry in tree.entries.items() if tree else ():
            if not is_fit(name):
                self.grammar.report("bad-name", f"'{name}' cannot be a name in '{key}'", entry.key.span, _why_not(name))
                self.complete = False
                continue
            try:
                parsed[name] = parse(entry)
            except SpecError as error:
                self._add(error, entry.value)
                self.complete = False
                self.traceable &= key != "defaults"
        return parsed

    def _without_lost(self, tree: Mapping | None) -> None:
        """Go on without the lost entries of a mapping."""
        if tree:
            self.complete &= not tree.lacks_keys
            self.traceable &= not tree.lost

    def fields(self, entry: Entry) -> Entry:
        """The defaults of a word. Raises SpecError: they are no mapping."""
        if not isinstance(entry.value, Mapping):
            message = f"the defaults of {entry.key.text} are a mapping of fields"
            raise SpecError(message, code="wrong-kind", span=entry.value.span)
        self._without_lost(entry.value)
        return entry

    def block(self, entry: Entry) -> BlockDefinition:
        """A block's definition. Raises SpecError: it has no body, or several."""
        name, span = entry.key.text, entry.key.span
        if not isinstance(entry.value, Mapping):
            help = f"with a body ({', '.join(BODIES)}), and 'parameters' and 'let' if it needs them"
            raise SpecError(f"the block {name} is a mapping", code="wrong-kind", span=entry.value.span, help=help)
        definition = self.mapping(entry.value, f"the block {name}", BLOCK_KEYS)
        kinds: list[Body] = [kind for kind in BODIES if kind in definition.entries]
        if len(kinds) != 1:
            found = f"has both '{kinds[0]}' and '{kinds[1]}'" if kinds else "has no body"
            code: Code = "several-keys" if kinds else "missing-key"
            help = "a body is one of 'layers', 'sequence' and 'inline'"
            raise SpecError(f"the block {name} {found}", code=code, span=span, help=help)
        body = definition.entries[kinds[0]].value
        items = self.grammar.items(body)
        if isinstance(body, Sequence) and not body.items:
            self.grammar.report("empty", f"the block {name} has no items", body.span)
        parameters = self.each(definition, "parameters", _is_parameter_name, _signature)
        let = self.each(definition, "let", lambda key: is_variable(key) and key not in parameters, _derived)
        results = self.grammar.calls.results(definition.get("results")) or ()
        self.grammar.add(*unused_marks(items, [result.text for result in results]))
        written = (body, definition.get("let"))
        return BlockDefinition(name, parameters, let, kinds[0], items, span, results=results, written=written)

    def _add(self, error: SpecError, value: Tree) -> None:
        """Report what is wrong with a value, unless the loader has reported it already."""
        if not isinstance(value, Unreadable):
            self.grammar.add(*error.diagnostics)


class _RampModel(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    blocks: list[str]
    start: float
    stop: float
    endpoint: bool = True


def _signature(entry: Entry) -> Signature:
    return parse_signature(entry.key, entry.value)


def _setting(entry: Entry) -> Signature:
    """A parameter of the network. Raises SpecError: it is a value, which only a block can be given."""
    signature = _signature(entry)
    if signature.type == "value":
        message = f"'{signature.name}' cannot be a value: only where a block is used can one be named"
        raise SpecError(message, code="bad-signature", span=signature.span)
    return signature


def _derived(entry: Entry) -> Tree:
    """A value under `let`, which is evaluated where the block is used. Raises SpecError."""
    if isinstance(entry.value, Scalar) and is_expression(entry.value):
        parse_expression(entry.value)
    return entry.value


def _ramp(entry: Entry) -> Ramp:
    model = validate(_RampModel, entry.value, f"the ramp {entry.key.text}")
    blocks = entry.value.get("blocks") if isinstance(entry.value, Mapping) else None
    words = tuple(item.span for item in blocks.items) if isinstance(blocks, Sequence) else ()
    return Ramp(tuple(model.blocks), model.start, model.stop, model.endpoint, entry.key.span, words)


def _is_text(tree: Tree) -> TypeGuard[Scalar]:
    return isinstance(tree, Scalar) and isinstance(tree.value, str)


def _is_block_name(text: str) -> bool:
    return is_name(text) and text not in RESERVED


def _is_parameter_name(text: str) -> bool:
    return is_variable(text) and text not in CALL_KEYS


def _why_not(name: str) -> str:
    if name in RESERVED:
        return "it is a word of the language"
    if name in CALL_KEYS:
        return "it belongs to every call"
    if is_variable(name):
        return "a parameter of the block has this name"
    return "a name has letters, digits and '_', and does not begin with a digit"


def _values(document: Mapping, *keys: str) -> Iterator[Tree]:
    """The values of the mappings under these keys."""
    for tree in map(document.get, keys):
        if isinstance(tree, Mapping):
            yield from (entry.value for entry in tree.entries.values())


def _head(tree: Mapping) -> Span:
    """The first key, which stands for a mapping of many lines."""
    return next((entry.key.span for entry in tree.entries.values()), tree.span)

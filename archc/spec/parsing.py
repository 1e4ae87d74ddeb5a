"""Trees -> documents: a spec, and a file of blocks that specs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from archc.diagnostics import Diagnostic, Source, Span, SpecError, did_you_mean
from archc.spec.document import BlockDefinition, Input, Ramp, Spec
from archc.spec.grammar import NAME, RESERVED, Grammar
from archc.spec.items import Item
from archc.spec.signatures import Signature, parse_signature
from archc.spec.tree import Entry, Mapping, Scalar, Sequence, Tree, plain

SPEC_KEYS = (
    "name", "source", "input", "parameters", "use", "defaults", "ramps", "blocks", "init",
    "layers", "stem", "stages", "head",
)  # fmt: skip
PIECES = ("stem", "stages", "head")
BLOCK_KEYS = ("parameters", "let", "layers", "sequence", "inline")
BODIES = ("layers", "sequence", "inline")
Result = TypeVar("Result")


def parse_spec(tree: Tree, source: Source) -> tuple[Spec, list[Scalar]]:
    """A spec, and the shared files that it names under `use`. Raises SpecError with every problem."""
    parser = _Parser()
    document = parser.mapping(tree, "a spec", SPEC_KEYS)
    spec = Spec(
        name=parser.name(document),
        citation=parser.text(document, "source"),
        input=parser.input(document),
        input_span=_span_of(document, "input"),
        items=parser.network(document),
        parameters=parser.signatures(document.get("parameters")),
        blocks=parser.blocks(document.get("blocks")),
        defaults=parser.defaults(document.get("defaults")),
        ramps=parser.ramps(document.get("ramps")),
        init=parser.optional_mapping(document, "init"),
    )
    files = parser.files(document.get("use"))
    parser.finish()
    return spec, files


def parse_library(tree: Tree) -> dict[str, BlockDefinition]:
    """The blocks of a shared file, which has nothing but `blocks`. Raises SpecError with every problem."""
    parser = _Parser()
    blocks = parser.blocks(parser.mapping(tree, "a shared file", ("blocks",)).get("blocks"))
    parser.finish()
    return blocks


def _head(tree: Mapping) -> Span:
    """The first key, which stands for a mapping of many lines."""
    return next((entry.key.span for entry in tree.entries.values()), tree.span)


def _span_of(document: Mapping, key: str) -> Span:
    value = document.get(key)
    return value.span if value else document.span


class _Parser:
    """Parses the parts of a document; a part that is wrong is reported and replaced by an empty one."""

    def __init__(self) -> None:
        self._grammar = Grammar()

    def finish(self) -> None:
        """Raise SpecError if anything was wrong."""
        if self._grammar.problems:
            raise SpecError(self._grammar.problems)

    def mapping(self, tree: Tree, what: str, keys: Iterable[str]) -> Mapping:
        """A mapping that has only these keys."""
        if not isinstance(tree, Mapping):
            self._report("wrong-kind", f"{what} is a mapping", tree.span)
            return Mapping({}, tree.span)
        keys = tuple(keys)
        for key, entry in tree.entries.items():
            if key not in keys:
                help = did_you_mean(key, keys) or f"the keys are {', '.join(keys)}"
                self._report("unknown-key", f"{what} has no key '{key}'", entry.key.span, help)
        return tree

    def name(self, document: Mapping) -> str:
        """The spec's name."""
        value = document.get("name")
        if value is None:
            self._report("missing-key", "a spec needs the key 'name'", _head(document))
        elif not isinstance(value, Scalar) or not NAME.fullmatch(value.text):
            self._report("bad-name", "the name is a word of letters, digits, '_' and '-'", value.span)
        else:
            return value.text
        return "unnamed"

    def text(self, document: Mapping, key: str) -> str | None:
        """An optional text."""
        value = document.get(key)
        if value is None or (isinstance(value, Scalar) and isinstance(value.value, str)):
            return value.text if value else None
        self._report("wrong-kind", f"'{key}' is a text", value.span)
        return None

    def input(self, document: Mapping) -> Input:
        """The input; a substitute if it is wrong."""
        tree = document.get("input")
        substitute = Input(channels=1, height=1, width=1)
        if tree is None:
            help = "such as input: {channels: 3, height: 224, width: 224}"
            self._report("missing-key", "a spec needs the key 'input'", _head(document), help)
            return substitute
        return self._model(Input, tree, "input") or substitute

    def network(self, document: Mapping) -> tuple[Item, ...]:
        """The items of `layers`, or of stem, stages and head one after the other."""
        pieces = [piece for piece in PIECES if piece in document.entries]
        if "layers" in document.entries:
            if pieces:
                span = document.entries[pieces[0]].key.span
                self._report(
                    "several-keys", f"a network is written as 'layers' or as '{pieces[0]}', not both", span
                )
            pieces = ["layers"]
        if not pieces:
            help = "write it under layers, or under stem, stages and head"
            self._report("missing-key", "a spec needs a network", _head(document), help)
            return ()
        trees = [(piece, document.entries[piece].value) for piece in pieces]
        items = [item for _, tree in trees for item in self._grammar.items(tree, root=True)]
        if not items and not self._grammar.problems:
            self._report("empty", "the network has no items", trees[0][1].span)
        return tuple(items)

    def signatures(self, tree: Tree | None) -> dict[str, Signature]:
        """Typed parameters by name."""
        return self._each(tree, "parameters", lambda entry: parse_signature(entry.key, entry.value))

    def blocks(self, tree: Tree | None) -> dict[str, BlockDefinition]:
        """Definitions by name."""
        return self._each(tree, "blocks", self._block)

    def ramps(self, tree: Tree | None) -> dict[str, Ramp]:
        """Ramps by name."""
        return self._each(tree, "ramps", self._ramp)

    def defaults(self, tree: Tree | None) -> dict[str, Mapping]:
        """Fields by the operator or block that they belong to."""
        return self._each(tree, "defaults", lambda entry: self._fields(entry))

    def optional_mapping(self, document: Mapping, key: str) -> Mapping | None:
        """A mapping, or None."""
        value = document.get(key)
        if value is None or isinstance(value, Mapping):
            return value
        self._report("wrong-kind", f"'{key}' is a mapping", value.span)
        return None

    def files(self, tree: Tree | None) -> list[Scalar]:
        """The names under `use`."""
        if tree is None:
            return []
        if not isinstance(tree, Sequence):
            self._report("wrong-kind", "'use' is a list of files", tree.span)
            return []
        names = [item for item in tree.items if isinstance(item, Scalar) and isinstance(item.value, str)]
        if len(names) < len(tree.items):
            self._report("wrong-kind", "'use' is a list of files", tree.span)
        return names

    def _each(self, tree: Tree | None, what: str, parse: Callable[[Entry], Result]) -> dict[str, Result]:
        """Parse every entry of an optional mapping whose keys are names."""
        parsed: dict[str, Result] = {}
        if tree is not None and not isinstance(tree, Mapping):
            self._report("wrong-kind", f"'{what}' is a mapping", tree.span)
            return parsed
        for key, entry in tree.entries.items() if tree else ():
            if not NAME.fullmatch(key) or (key in RESERVED and what != "parameters"):
                self._report("bad-name", f"'{key}' cannot be a name in '{what}'", entry.key.span)
                continue
            try:
                parsed[key] = parse(entry)
            except SpecError as error:
                self._grammar.problems.extend(error.diagnostics)
        return parsed

    def _fields(self, entry: Entry) -> Mapping:
        if not isinstance(entry.value, Mapping):
            raise SpecError(
                f"the defaults of {entry.key.text} are a mapping of fields",
                code="wrong-kind",
                span=entry.value.span,
            )
        return entry.value

    def _block(self, entry: Entry) -> BlockDefinition:
        name = entry.key.text
        body = self.mapping(entry.value, f"the block {name}", BLOCK_KEYS)
        kinds = [kind for kind in BODIES if kind in body.entries]
        if len(kinds) != 1:
            found = " and ".join(kinds) if kinds else "none of them"
            message = f"the block {name} has one body, 'layers', 'sequence' or 'inline', and here is {found}"
            raise SpecError(message, code="several-keys" if kinds else "missing-key", span=entry.key.span)
        tree = body.entries[kinds[0]].value
        items = self._grammar.items(tree)
        if isinstance(tree, Sequence) and not tree.items:
            self._report("empty", f"the block {name} has no items", tree.span)
        let = self._each(body.get("let"), "let", lambda derived: derived.value)
        return BlockDefinition(
            name,
            self.signatures(body.get("parameters")),
            let,
            kinds[0],
            items,
            entry.key.span,  # type: ignore[arg-type]
        )

    def _ramp(self, entry: Entry) -> Ramp:
        model = self._model(_RampModel, entry.value, f"the ramp {entry.key.text}")
        if model is None:
            return Ramp((), 0.0, 0.0)
        return Ramp(tuple(model.blocks), model.start, model.stop, model.endpoint)

    def _model(self, model: type[Any], tree: Tree, what: str) -> Any:
        """Validate a tree by a Pydantic model; None if it is wrong."""
        if not isinstance(tree, Mapping):
            self._report("wrong-kind", f"{what} is a mapping", tree.span)
            return None
        try:
            return model.model_validate(plain(tree))
        except ValidationError as error:
            self._report_invalid(error, tree, what, model)
        return None

    def _report_invalid(
        self, error: ValidationError, tree: Mapping, what: str, model: type[BaseModel]
    ) -> None:
        for line in error.errors(include_url=False):
            path = [
                str(step) for step in line["loc"] if isinstance(step, str) and step not in ("int", "Range")
            ]
            shown = ".".join([what, *path])
            if line["type"] == "missing":
                self._report(
                    "missing-key",
                    f"{'.'.join([what, *path[:-1]])} needs the key '{path[-1]}'",
                    _find(tree, path[:-1]),
                )
            elif line["type"] == "extra_forbidden":
                help = did_you_mean(path[-1], model.model_fields)
                self._report(
                    "unknown-key",
                    f"{'.'.join([what, *path[:-1]])} has no key '{path[-1]}'",
                    _find(tree, path, key=True),
                    help,
                )
            else:
                message = str(line["msg"]).removeprefix("Value error, ").removeprefix("Input ")
                self._report("invalid-value", f"{shown} {message}", _find(tree, path))

    def _report(self, code: str, message: str, span: Span, help: str | None = None) -> None:
        self._grammar.problems.append(Diagnostic(code, message, span, help=help))


class _RampModel(BaseModel):
    model_config = {"extra": "forbid", "strict": True, "frozen": True, "allow_inf_nan": False}
    blocks: list[str]
    start: float
    stop: float
    endpoint: bool = True


def _find(tree: Mapping, path: list[str], *, key: bool = False) -> Span:
    """Where the value (or key) at this path stands; the nearest one around it if it is not there."""
    current: Tree = tree
    span = tree.span
    for name in path:
        if not isinstance(current, Mapping) or name not in current.entries:
            break
        entry = current.entries[name]
        span, current = entry.key.span if key else entry.value.span, entry.value
    return span

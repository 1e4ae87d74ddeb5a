"""The `init` of a spec and of its items: which initializer each tensor of an operator gets.

The fields of an initializer may be expressions: those of an item see what its other fields see, those of the spec see
the network's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from typing import NamedTuple

from archc.diagnostics import Span, did_you_mean
from archc.elaborate.arguments import Argument, validate
from archc.elaborate.problems import Problems
from archc.ir.graph import Node
from archc.ir.initializers import INITIALIZERS, Initializer
from archc.ir.operator import Operator
from archc.operators import is_operator, operator_model, operator_words
from archc.spec.language.expressions import UNKNOWN, Environment
from archc.spec.tree import Mapping, Scalar, Tree, Unreadable

NO_NAMES: Environment = {}


class Chosen(NamedTuple):
    """The initializer of a tensor, and where a spec chose it."""

    initializer: Initializer
    span: Span


class Initializers:
    """An item's own `init` replaces the document's tensor by tensor."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._by_operator: dict[str, dict[str, Chosen]] = {}

    def read(self, document: Mapping, parameters: Environment) -> None:
        """Parse the document's `init` once for each operator word."""
        for word, entry in document.entries.items():
            if not is_operator(word):
                self._problems.add(
                    "unknown-operator",
                    f"there is no operator '{word}'",
                    entry.key.span,
                    help=did_you_mean(word, operator_words()),
                )
                continue
            self._by_operator[word] = self.parse(entry.value, operator_model(word), parameters)

    def of(self, model: type[Operator], item: Tree | None = None, names: Environment = NO_NAMES) -> dict[str, Chosen]:
        """The initializers that replace the operator's own, by tensor name; the item's `init` sees `names`."""
        document = self._by_operator.get(model.word, {})
        return {**document, **self.parse(item, model, names)} if item else document

    def check_shapes(self, node: Node, chosen: MappingType[str, Chosen]) -> None:
        """Record an initializer that cannot draw a tensor of a node, whose shapes are known now."""
        for parameter in node.parameters:
            name = next((name for name in chosen if node.key(name) == parameter.path), None)
            if name is not None and parameter.initializer.uses_fan and len(parameter.shape) < 2:
                word, ndim = parameter.initializer.word, ("none", "one")[len(parameter.shape)]
                shown = f"'{name}'" if name else "this one"
                message = f"{word} needs a tensor of two or more dimensions, and {shown} has {ndim}"
                self._problems.add("invalid-value", message, chosen[name].span)

    def parse(self, tree: Tree, model: type[Operator], names: Environment) -> dict[str, Chosen]:
        """`{weight: {kaiming_normal: {mode: fan_out}}, bias: zeros}`; problems are recorded and left out."""
        if isinstance(tree, Unreadable):
            return {}
        if model.tensors == ("",):
            single = self._initializer(tree, names)
            return {"": Chosen(single, tree.span)} if single else {}
        if not isinstance(tree, Mapping):
            self._problems.add("wrong-kind", f"init of {model.word} must map tensor names to initializers", tree.span)
            return {}
        parsed: dict[str, Chosen] = {}
        for name, entry in tree.entries.items():
            if name not in model.tensors:
                help = did_you_mean(name, model.tensors) or _tensors(model)
                self._problems.add("unknown-field", f"{model.word} has no tensor '{name}'", entry.key.span, help=help)
            elif initializer := self._initializer(entry.value, names):
                parsed[name] = Chosen(initializer, entry.value.span)
        return parsed

    def _initializer(self, tree: Tree, names: Environment) -> Initializer | None:
        if isinstance(tree, Unreadable) or (isinstance(tree, Mapping) and tree.lost):
            return None
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            return self._build(tree.value, tree.span, None, names)
        if isinstance(tree, Mapping) and len(tree.entries) == 1:
            ((word, entry),) = tree.entries.items()
            return self._build(word, entry.key.span, entry.value, names)
        self._problems.add("wrong-kind", "expected an initializer, such as zeros or {normal: {std: 0.01}}", tree.span)
        return None

    def _build(self, word: str, span: Span, fields: Tree | None, names: Environment) -> Initializer | None:
        model = INITIALIZERS.get(word)
        if model is None:
            help = did_you_mean(word, INITIALIZERS) or f"the initializers are {', '.join(INITIALIZERS)}"
            self._problems.add("unknown-initializer", f"there is no initializer '{word}'", span, help=help)
            return None
        arguments: dict[str, Argument] = {}
        partial = isinstance(fields, Mapping) and fields.lacks_keys
        if isinstance(fields, Mapping):
            arguments = {key: Argument(entry.key.span, entry.value, names) for key, entry in fields.entries.items()}
        elif fields is not None:
            arguments = {next(iter(model.model_fields), ""): Argument(fields.span, fields, names)}
        initializer = validate(model, word, span, arguments, self._problems, partial=partial)
        return None if initializer is UNKNOWN else initializer


def _tensors(model: type[Operator]) -> str:
    return f"{model.word} has {', '.join(model.tensors)}" if model.tensors else f"{model.word} has no tensors"

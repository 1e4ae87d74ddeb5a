"""Typed parameters of specs and of blocks: `stride: int = 1`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from archc.diagnostics import Span, SpecError, did_you_mean
from archc.spec.scalars import resolve
from archc.spec.tree import Scalar, Sequence, Tree

TYPES = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a word",
    "size": "an integer or a pair of them",
    "layer": "an operator or block, or none",
}
_SIGNATURE = re.compile(r"\s*(?P<type>\w+)\s*(?:=\s*(?P<default>.*?))?\s*")


@dataclass(frozen=True, slots=True)
class Signature:
    """One parameter: its type, and its default as a tree (None: it must be given)."""

    name: str
    type: str
    default: Tree | None
    span: Span

    def accepts(self, value: object) -> bool:
        """Whether an evaluated value (not a layer) is of the type."""
        match self.type:
            case "int":
                return _is_int(value)
            case "float":
                return _is_int(value) or isinstance(value, float)
            case "bool":
                return isinstance(value, bool)
            case "str":
                return isinstance(value, str)
            case "size":
                pair = isinstance(value, tuple | list) and len(value) == 2
                return _is_int(value) or (pair and all(map(_is_int, value)))  # type: ignore[arg-type]
        return False


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def parse_signature(name: Scalar, tree: Tree) -> Signature:
    """`int`, or `int = 1`. Raises SpecError."""
    if not isinstance(tree, Scalar) or not (match := _SIGNATURE.fullmatch(tree.text)):
        raise SpecError("expected a type, and a default after '='", code="bad-signature", span=tree.span)
    type_name, default = match["type"], match["default"]
    if type_name not in TYPES:
        help = did_you_mean(type_name, TYPES) or f"the types are {', '.join(TYPES)}"
        raise SpecError(f"there is no type '{type_name}'", code="bad-signature", span=tree.span, help=help)
    if default is None:
        return Signature(name.text, type_name, None, tree.span)
    signature = Signature(name.text, type_name, parse_value(default, tree.span), tree.span)
    if type_name != "layer" and not signature.accepts(_plain(signature.default)):
        raise SpecError(
            f"the default of '{name.text}' must be {TYPES[type_name]}, not '{default}'",
            code="invalid-value",
            span=tree.span,
        )
    return signature


def parse_value(text: str, span: Span) -> Tree:
    """A value as it stands in a signature or after `--set NAME=`: a scalar, or a pair in brackets."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return Sequence(tuple(parse_value(part, span) for part in text[1:-1].split(",")), span)
    try:
        return Scalar(resolve(text), text, span)
    except (OverflowError, ValueError):
        raise SpecError(f"the number {text[:20]}… is out of range", code="too-large", span=span) from None


def _plain(tree: Tree | None) -> object:
    if isinstance(tree, Scalar):
        return tree.value
    return tuple(map(_plain, tree.items)) if isinstance(tree, Sequence) else None

"""Typed parameters of specs and of blocks: `stride: int = 1`."""

from __future__ import annotations

import re
from typing import NamedTuple

from archc.diagnostics import Span, SpecError, as_written, did_you_mean
from archc.spec.language.arithmetic import is_number
from archc.spec.language.names import is_name
from archc.spec.tree import Scalar, Sequence, Tree
from archc.spec.yaml.scalars import resolve

TYPES = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a word",
    "size": "an integer or a pair of them",
    "list": "a list of numbers",
    "layer": "an operator or block, or none",
    "value": "the name of a value",
}
_SIGNATURE = re.compile(r"\s*(?P<type>\w+)\s*(?:=\s*(?P<default>.*?))?\s*", re.DOTALL)


class Signature(NamedTuple):
    """One parameter: its type, and its default as a tree (None: it must be given)."""

    name: str
    type: str
    default: Tree | None
    span: Span

    def accepts(self, value: object) -> bool:
        """True if an evaluated value (not a layer) is of the type."""
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
                return _is_int(value) or (
                    isinstance(value, tuple | list) and len(value) == 2 and all(map(_is_int, value))
                )
            case "list":
                return isinstance(value, tuple | list) and len(value) > 0 and all(map(is_number, value))
        return False

    def read(self, text: str) -> Tree:
        """The value that a text stands for, in a default or after `--set NAME=`.

        Raises: ValueError: it is not of the type; the message completes "NAME …".
        """
        text = text.strip()
        if self.type == "value":
            raise ValueError("is not possible: a value is named where the block is used")
        if self.type in ("str", "layer"):
            tree: Tree = Scalar(text, text, self.span)
            fits = text != "" and (self.type == "str" or is_name(text))
        else:
            tree = _read_numbers(text, self.span)
            fits = self.accepts(value_of(tree))
        if not fits:
            raise ValueError(f"must be {TYPES[self.type]}, not '{text}'")
        return tree


def parse_signature(name: Scalar, tree: Tree) -> Signature:
    """`int`, or `int = 1`. Raises SpecError."""
    match = _SIGNATURE.fullmatch(tree.text) if isinstance(tree, Scalar) else None
    if match is None:
        help = _with_type(name.text, tree) or "such as 'int', or 'int = 1' with a default"
        raise SpecError(f"'{name.text}' needs a type", code="bad-signature", span=tree.span, help=help)
    type_name, default = match["type"], match["default"]
    if type_name not in TYPES:
        listed = f"the types are {', '.join(TYPES)}"
        help = _with_type(name.text, tree) or did_you_mean(type_name, TYPES) or listed
        raise SpecError(f"there is no type '{type_name}'", code="bad-signature", span=tree.span, help=help)
    signature = Signature(name.text, type_name, None, tree.span)
    if default is None:
        return signature
    try:
        return Signature(name.text, type_name, signature.read(default), tree.span)
    except ValueError as error:
        message = f"the default of '{name.text}' {error}"
        raise SpecError(message, code="invalid-value", span=tree.span) from None


def _with_type(name: str, tree: Tree) -> str | None:
    """Help for a default without its type: `num_classes: 10`."""
    value = value_of(tree)
    fits = (kind for kind in ("int", "float", "bool", "list") if Signature(name, kind, None, tree.span).accepts(value))
    return next((f"write '{name}: {kind} = {as_written(value)}'" for kind in fits), None)


def value_of(tree: Tree) -> object:
    """The value of a parameter: a scalar's, or a tuple."""
    if isinstance(tree, Scalar):
        return tree.value
    return tuple(map(value_of, tree.items)) if isinstance(tree, Sequence) else None


def _read_numbers(text: str, span: Span) -> Tree:
    """A number or constant, or several of them in brackets. Raises ValueError: one is out of range."""
    if text.startswith("[") and text.endswith("]"):
        return Sequence(tuple(_read_number(part.strip(), span) for part in text[1:-1].split(",")), span)
    return _read_number(text, span)


def _read_number(text: str, span: Span) -> Scalar:
    try:
        return Scalar(resolve(text), text, span)
    except OverflowError as error:
        raise ValueError(f"cannot be '{text}': the number {error}") from None


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

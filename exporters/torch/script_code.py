"""Holds a TorchScript archive to what a trace has, before PyTorch loads it: to load one runs code of it.

The code is looked at token by token and not as a tree, so that nothing depends on how its grammar differs from
Python's: every name before a parenthesis is an operator that only computes, a method of the archive, or refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from .pure import is_pure
from .records import Archive, Unsafe, check_pickle, opened

_RECORD = re.compile(
    r"(data|constants|traced_inputs)(\.pkl|/\d+)|code/[\w/]+\.py(\.debug_pkl)?|extra/.+"
    r"|version|byteorder|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
)
_TOKEN = re.compile(
    r"""(?P<space>[ \n]+)
    | (?P<text>"(?:[^"\\\n]|\\[^\n])*" | '(?:[^'\\\n]|\\[^\n])*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>[0-9](?:[eE][-+]|[A-Za-z0-9_.])*)
    | (?P<sign>->|[-+*/%=<>!.,:()\[\]{}&|^~])""",
    re.VERBOSE,
)
LOADED = {"data.pkl", "constants.pkl"}  # the trace's inputs are not
KEYWORDS = {"and", "elif", "else", "if", "in", "is", "not", "or", "return"}
FORBIDDEN = set("assert async await break continue del except exec finally for from global import lambda nonlocal raise"
                " try while with yield".split())  # fmt: skip
FUNCTIONS = set("abs annotate bool float getattr int isinstance len list max min tuple unchecked_cast"
                " uninitialized".split())  # fmt: skip
OPERATORS = {f"ops.prim.{name}" for name in ("NumToTensor", "RaiseException", "device", "dtype", "max", "min")}
METHOD = re.compile(r"forward\d*")
MOST_TOKENS, MOST_DEPTH = 5_000, 100
"""Tokens and brackets of one statement, at most: PyTorch's parser recurses, and its stack would overflow."""


class Token(NamedTuple):
    """A token: its kind (a group of `_TOKEN`), its text, and its line."""

    kind: str
    text: str
    line: int


def check_torch_script(path: Path) -> None:
    """Raise ExportError if an archive holds what a trace does not; what no archive raises."""
    with opened(path) as file:
        _check_records(Archive(file))


def _check_records(archive: Archive) -> None:
    code: dict[str, list[Token]] = {}
    for name, size in archive.sizes.items():
        if not _RECORD.fullmatch(name):
            raise Unsafe(f"it has a record {name}, which no trace has")
        if name.endswith(".py"):
            code[name] = list(tokens(name, archive.read(name)))
        elif name in LOADED and size:
            folder = name.removesuffix(".pkl") + "/"
            storages = {
                key.removeprefix(folder): bytes for key, bytes in archive.sizes.items() if key.startswith(folder)
            }
            check_pickle(name, archive.read(name), storages)
    methods = {token.text for found in code.values() for token in defined(found)}
    for name, found in code.items():
        check_code(name, found, methods)


def tokens(name: str, data: bytes) -> Iterator[Token]:
    """The tokens of a record. Raises Unsafe: a character that PyTorch does not write."""
    text, position, line = data.decode("ascii", "replace"), 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or text.startswith(('"""', "'''"), position):
            raise _unsafe(name, line, f"has {text[position]!r}, which a trace does not")
        if match.lastgroup != "space":
            yield Token(str(match.lastgroup), match[0], line)
        line += match[0].count("\n")
        position = match.end()


def defined(found: list[Token]) -> list[Token]:
    """The names of functions and methods."""
    return [token for before, token in pairwise(found) if before.text == "def"]


def check_code(name: str, found: list[Token], methods: set[str]) -> None:
    """Raise Unsafe if code can call anything but operators that compute, and these methods of the archive."""
    _check_nesting(name, found)
    for token in defined(found):
        if token.text.startswith("__") or (not is_pure(token.text) and _is_builtin(token.text)):
            raise _unsafe(name, token.line, f"defines {token.text}")
    depth, ends = 0, [Token("sign", "", 0)]
    padded = ends + found + ends
    for index, token in enumerate(found, 1):
        before, after = padded[index - 1], padded[index + 1]
        if token.kind == "name" and token.text in FORBIDDEN:
            raise _unsafe(name, token.line, f"has '{token.text}', which a trace does not")
        depth += (token.text in "([{") - (token.text in ")]}")
        typed = depth > 0 and before.text == ":"  # a parameter's type, with a default after it
        if token.text in FUNCTIONS and after.text in ("=", ":") and not typed:  # it would stand for something else
            raise _unsafe(name, token.line, f"assigns to {token.text}")
        if token.text == "(" and (before.kind in ("text", "number") or before.text in (")", "]", "}")):
            raise _unsafe(name, token.line, "calls what an expression gives")
        if token.kind != "name" or after.text == ".":
            continue
        path, head = _path(padded, index)
        if head.text in ("def", "class"):
            continue
        if problem := _problem(path, after.text == "(", head.text == ".", methods):
            raise _unsafe(name, token.line, problem)


def _check_nesting(name: str, found: list[Token]) -> None:
    depth, length, line = 0, 0, 0
    for token in found:
        if depth == 0 and token.line != line:
            length, line = 0, token.line
        length += 1
        depth = max(0, depth + (token.text in "([{") - (token.text in ")]}"))
        if length > MOST_TOKENS or depth > MOST_DEPTH:
            raise _unsafe(name, token.line, "has a statement that is too long or too deep")


def _path(padded: list[Token], index: int) -> tuple[list[str], Token]:
    """The dotted names that end here, and what stands before them."""
    path = [padded[index].text]
    while padded[index - 1].text == "." and padded[index - 2].kind == "name":
        index -= 2
        path.insert(0, padded[index].text)
    return path, padded[index - 1]


def _problem(path: list[str], called: bool, of_value: bool, methods: set[str]) -> str | None:
    """What is wrong with a dotted name; `of_value` tells that an expression stands before its first dot."""
    dotted, last = ".".join(path), path[-1]
    if not of_value:
        match path:
            case ["torch", operator]:
                return None if is_pure(operator) else f"names {dotted}"
            case ["torch" | "ops", *_]:
                return None if dotted in OPERATORS else f"names {dotted}"
            case ["__torch__"] | ["__torch__", "torch"] | ["__torch__", "torch", "classes", *_]:
                return f"names {dotted}"
            case ["__torch__", *_]:
                return None
            case [single]:
                fine = not called or single in KEYWORDS | FUNCTIONS
                return None if fine else f"calls {single}"
    return None if not called or is_pure(last) or last in methods or METHOD.fullmatch(last) else f"calls {last}"


def _is_builtin(method: str) -> bool:
    """True if PyTorch has an operator of this name, which a value that is no module would call instead."""
    import torch

    return bool(torch._C._jit_get_schemas_for_operator(f"aten::{method}"))


def _unsafe(name: str, line: int, problem: str) -> Unsafe:
    return Unsafe(f"its record {name}, line {line}, {problem}")

"""Module paths and classes of an ONNX graph, from what its exporter left of them in names and metadata."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

SCOPES, CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
_LOST = re.compile(r"onnx::|^\d*$")
BESIDE = ("downsample", "shortcut", "proj")
"""Children that some blocks of a kind have and others do not."""


def stack_of(node: Any) -> list[tuple[str, str]]:
    """Paths of the modules that a node lies in, the outermost first, each with the name of its class or nothing."""
    found = {entry.key: entry.value for entry in node.metadata_props}
    if SCOPES in found:
        paths, classes = _texts(found[SCOPES])[:-1], _texts(found.get(CLASSES, "[]"))[:-1]
        named = zip(paths, [*classes, *[""] * len(paths)], strict=False)
        return [(path, each.rpartition(".")[2]) for path, each in named if path]
    stack: list[tuple[str, str]] = []
    for part in node.name.strip("/").split("/")[:-1]:
        above = stack[-1][0] if stack else ""
        _, _, last = above.rpartition(".")
        inside = part.removeprefix(f"{last}.") if last else part  # a number in a list is called `layer1.0`
        stack.append((f"{above}.{inside}" if above else part, ""))
    return stack if all(is_path(path) for path, _ in stack) else []


def _texts(text: str) -> list[str]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def is_path(text: str) -> bool:
    """True for a path that a module can have."""
    return bool(re.fullmatch(r"\w+(\.\w+)*", text))


def is_lost(tensor: str) -> bool:
    """True for the name of a tensor that an exporter made up, as it does for one that it computed."""
    return bool(_LOST.search(tensor))


def owner_of(tensor: str, node: Any, fallback: str) -> str:
    """The path of the module that owns a weight: from the weight's name, the node's scopes, or the node's name."""
    path, _, name = tensor.rpartition(".")
    if name == "weight" and is_path(path):
        return path
    if stack := stack_of(node):
        return stack[-1][0]
    plain = re.sub(r"\W+", "_", node.name).strip("_")
    return plain if plain and not plain[0].isdigit() else fallback


def common(paths: Iterable[str]) -> str:
    """The innermost module in which all of these lie."""
    found: Sequence[str] | None = None
    for path in paths:
        parts = path.split(".") if path else []
        found = parts if found is None else [a for a, b in zip(found, parts, strict=False) if a == b]
    return ".".join(found or [])


def class_names(paths: Iterable[str]) -> dict[str, str]:
    """Names of classes for modules: one for all that have modules of the same names inside."""
    children: dict[str, set[str]] = {}
    for path in paths:
        while path:
            path, _, name = path.rpartition(".")
            children.setdefault(path, set()).add(name)
    kinds: dict[frozenset[str], str] = {}
    found: dict[str, str] = {}
    for path, names in children.items():
        if all(name.isdigit() for name in names):
            found[path] = "Sequential"
            continue
        kind = frozenset(name for name in names if name not in BESIDE)
        found[path] = kinds.setdefault(kind, f"Block{len(kinds) + 1}")
    return found

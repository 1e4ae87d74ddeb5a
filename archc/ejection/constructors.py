"""Constructors of layers: their arguments by name, without those that are torch's defaults."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from torch import nn

from archc.ir.graph import Node
from archc.nn import layers

PAIRS = ("kernel_size", "stride", "padding", "dilation", "output_size", "output_padding", "normalized_shape")
"""Arguments of torch.nn for which one number means itself along every axis."""


def constructor(node: Node) -> tuple[ast.expr, dict[str, Any]]:
    """The constructor of a node's layer and its arguments by name, without those that are torch's defaults."""
    parsed = ast.parse(node.operator.torch_source(node.kind[1]), mode="eval").body
    assert isinstance(parsed, ast.Call), "a layer is constructed"
    path = ast.unparse(parsed.func)
    cls = getattr(layers if path.startswith("layers.") else nn, path.rpartition(".")[2])
    if path.startswith("layers.") and hasattr(nn, cls.__name__):
        path, cls = f"nn.{cls.__name__}", getattr(nn, cls.__name__)
    arguments = _bound(cls, parsed)
    return ast.parse(path, mode="eval").body, {name: single(name, value) for name, value in arguments.items()}


def arguments_of(cls: type[nn.Module]) -> dict[str, Any]:
    """The arguments of a constructor with their defaults, those that it hands to its base classes included."""
    found: dict[str, Any] = {}
    for owner in cls.__mro__:
        if "__init__" not in vars(owner):
            continue
        given = list(inspect.signature(vars(owner)["__init__"]).parameters.values())[1:]
        plain = [each for each in given if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
        found = {**found, **{each.name: each.default for each in plain if each.name not in found}}
        if len(plain) == len(given):
            break
    return found


def _bound(cls: type[nn.Module], call: ast.Call) -> dict[str, Any]:
    defaults = arguments_of(cls)
    given = dict(zip(defaults, map(ast.literal_eval, call.args), strict=False))
    given |= {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
    found: dict[str, Any] = {}
    for name, value in given.items():
        pooled = name == "stride" and defaults[name] is None and single(name, value) == found.get("kernel_size")
        if single(name, value) != defaults[name] and not pooled:
            found[name] = single(name, value)
    return found


def single(name: str, value: Any) -> Any:
    """One number for a tuple that repeats it, where that means the same."""
    if not isinstance(value, tuple) or len(set(value)) != 1 or name not in PAIRS:
        return value
    return next(iter(value)) if name != "normalized_shape" or len(value) == 1 else value

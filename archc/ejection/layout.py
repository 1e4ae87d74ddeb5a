"""Python syntax as text, laid out as ruff's formatter leaves it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

WIDTH = 120
HOLDERS = ("nn.Sequential", "nn.ModuleList", "super().__init__", "OrderedDict")
"""Calls with a line for each argument, if one line is not enough for all."""
ALONG_ALL_AXES = ("size", "scale_factor")
"""Arguments of functions for which one number means itself along every axis."""
_SINGLE_QUOTED = re.compile(r"'([^'\"\\]*)'")


def text(tree: ast.AST) -> str:
    """An expression in one line."""
    return _SINGLE_QUOTED.sub(r'"\1"', ast.unparse(tree))


def statement(tree: ast.expr, indent: int, before: str = "", after: str = "") -> list[str]:
    """The lines of an expression between two texts: one if it fits, else one for each of its parts."""
    line = f"{' ' * indent}{before}{text(tree)}{after}"
    if len(line) <= WIDTH:
        return [line]
    match tree:
        case ast.Call(function, arguments, keywords) if arguments or keywords:
            together = f"{' ' * (indent + 4)}{', '.join(map(text, [*arguments, *keywords]))}"
            if len(together) <= WIDTH and text(function) not in HOLDERS:
                return _bracketed(f"{before}{text(function)}(", [together], f"){after}", indent)
            inner = [part for argument in arguments for part in statement(argument, indent + 4, after=",")]
            inner += [part for each in keywords for part in statement(each.value, indent + 4, f"{each.arg}=", ",")]
            return _bracketed(f"{before}{text(function)}(", inner, f"){after}", indent)
        case ast.List(elements) | ast.Tuple(elements) if elements:
            inner = [part for element in elements for part in statement(element, indent + 4, after=",")]
            opened, closed = "[]" if isinstance(tree, ast.List) else "()"
            return _bracketed(before + opened, inner, closed + after, indent)
        case ast.IfExp(condition, then, otherwise):
            inner = statement(then, indent + 4)
            inner += [f"{' ' * (indent + 4)}if {text(condition)}", *statement(otherwise, indent + 4, "else ")]
            return _bracketed(f"{before}(", inner, f"){after}", indent)
        case ast.Starred(value):
            return statement(value, indent, f"{before}*", after)
        case ast.ListComp(element, generators):
            inner = statement(element, indent + 4)
            inner += [f"{' ' * (indent + 4)}{text(generator).strip()}" for generator in generators]
            return _bracketed(f"{before}[", inner, f"]{after}", indent)
    return [line]


def _bracketed(opened: str, inner: list[str], closed: str, indent: int) -> list[str]:
    return [f"{' ' * indent}{opened}", *inner, f"{' ' * indent}{closed}"]


def assignment(tree: ast.expr, indent: int, targets: Sequence[str]) -> list[str]:
    """An assignment; where it is too long for a line, the last methods are called in lines of their own."""
    lines, name = statement(tree, indent, f"{', '.join(targets)} = "), targets[0]
    later: list[ast.Call] = []  # the last methods, the outermost first
    before = tree
    while len(targets) == 1 and len(f"{' ' * indent}{name} = {text(before)}") > WIDTH:
        match before:
            case ast.Call(ast.Attribute(ast.Call() as inner), arguments, keywords):
                parts = [node for part in (*arguments, *keywords) for node in ast.walk(part)]
                if any(isinstance(node, ast.Name) and node.id == name for node in parts):
                    return lines
                later, before = [*later, before], inner
            case _:
                break
    if not later:
        return lines
    rest: ast.expr = ast.Name(name)
    for call in reversed(later):
        assert isinstance(call.func, ast.Attribute), "a method is an attribute"
        rest = ast.Call(ast.Attribute(rest, call.func.attr), call.args, call.keywords)
    return [*statement(before, indent, f"{name} = "), *assignment(rest, indent, targets)]


def without_defaults(tree: ast.expr) -> ast.expr:
    """An expression without the named arguments that torch would add itself, and one number for several."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).removeprefix("nn.functional.")
            function = getattr(nn.functional, name, None)
            known = inspect.signature(function).parameters if inspect.isfunction(function) else {}
            defaults = {key: each.default for key, each in known.items()} or {"keepdim": False}
            node.keywords = [each for each in node.keywords if not _is_default(each, defaults)]
            _drop_last(node, known)
            for each in node.keywords:
                match each.value:
                    case ast.Tuple([first, *others]) if each.arg in ALONG_ALL_AXES:
                        each.value = first if all(text(one) == text(first) for one in others) else each.value
    return tree


def _drop_last(call: ast.Call, known: Mapping[str, inspect.Parameter]) -> None:
    """Side effect: a call loses its last arguments if they are the function's defaults; in C, these are None."""
    defaults = [each.default for each in known.values()]
    while len(call.args) > 1 and not call.keywords and isinstance(last := call.args[-1], ast.Constant):
        default = defaults[len(call.args) - 1] if len(call.args) <= len(defaults) else None
        if last.value != default or not text(call.func).startswith("nn.functional."):
            return
        call.args.pop()


def _is_default(argument: ast.keyword, defaults: Mapping[str, Any]) -> bool:
    constant, name = argument.value, argument.arg
    return isinstance(constant, ast.Constant) and defaults.get(name or "", constant) == constant.value

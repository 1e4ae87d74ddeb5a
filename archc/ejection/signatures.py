"""The first line of a constructor: its arguments with their types and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archc.ejection.candidates import constant
from archc.ejection.layout import WIDTH, text
from archc.ejection.lines import Symbol
from archc.ejection.plans import REQUIRED, Plan


def signature(plan: Plan) -> list[str]:
    """The lines up to the body."""
    arguments = ["self", *(_argument(plan, name) for name in plan.arguments)]
    inner = ", ".join(arguments)
    line = f"    def __init__({inner}) -> None:"
    if len(line) <= WIDTH:
        return [line]
    rows = [f"        {inner}"] if len(inner) <= WIDTH - 8 else [f"        {argument}," for argument in arguments]
    return ["    def __init__(", *rows, "    ) -> None:"]


def _argument(plan: Plan, name: str) -> str:
    default = plan.arguments[name]
    values = [row.get(name) for row in plan.template.rows]
    if default is REQUIRED:
        return f"{name}: {_annotation(values)}"
    return f"{name}: {_annotation([*values, default])} = {text(constant(default))}"


def _annotation(values: Sequence[Any]) -> str:
    """The type of an argument that has these values."""
    names = {type(value) for value in values}
    plain = [kind.__name__ for kind in (bool, int, float, str) if kind in names]
    if "int" in plain and "float" in plain:
        plain.remove("int")
    for value in (value for value in values if isinstance(value, tuple)):
        kind = "float" if any(isinstance(each, float) for each in value) else "int"
        lengths = {len(each) for each in values if isinstance(each, tuple)}
        plain.append(f"tuple[{', '.join([kind] * len(value)) if len(lengths) == 1 else f'{kind}, ...'}]")
    if Symbol in names:
        plain.append("Callable[..., nn.Module]")
    if type(None) in names:
        plain.append("None")
    return " | ".join(dict.fromkeys(plain)) or "object"

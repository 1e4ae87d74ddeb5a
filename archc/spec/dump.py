"""Plain data -> YAML that our loader reads back as the same data."""

from __future__ import annotations

import re
from typing import Any

import yaml

from archc.spec.scalars import resolve


class _Dumper(yaml.SafeDumper):
    """Block style with short collections on one line; strings are quoted where YAML 1.2 would read something else."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(data: object) -> str:
    """The text of a document."""
    return yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120
    )


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    plain = _is_string(text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _is_string(text: str) -> bool:
    try:
        return isinstance(resolve(text), str)
    except (OverflowError, ValueError):
        return False


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value))


_Dumper.add_representer(str, _string)
_Dumper.add_representer(float, _float)
_Dumper.yaml_implicit_resolvers = {}
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+$"), None)

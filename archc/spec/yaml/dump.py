"""Plain data -> YAML that our loader reads back as the same data."""

from __future__ import annotations

from typing import Any

import yaml

from archc.spec.yaml import scalars

_TAGS: dict[type, str] = {
    str: "tag:yaml.org,2002:str",
    bool: "tag:yaml.org,2002:bool",
    int: "tag:yaml.org,2002:int",
    float: "tag:yaml.org,2002:float",
    type(None): "tag:yaml.org,2002:null",
}


def dump(data: object) -> str:
    """The text of a document: nested blocks, with the fields of a call on one line."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """PyYAML's dumper with YAML 1.2's idea of what an unquoted scalar is."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is not yaml.ScalarNode or not implicit[0]:
            return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]
        return _TAGS[type(_resolved(value))]

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        for item in node.value:
            if isinstance(item, yaml.MappingNode) and len(item.value) == 1:
                item.flow_style = False  # `- linear: 1000`, not `- {linear: 1000}`
        return node

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _resolved(text: str) -> object:
    try:
        return scalars.resolve(text)
    except OverflowError:
        return 0.0  # anything but a string, so that it is quoted


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if isinstance(_resolved(text), str) else '"'
    return dumper.represent_scalar(_TAGS[str], text, style=style)


def _float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar(_TAGS[float], repr(value))


_Dumper.add_representer(str, _string)
_Dumper.add_representer(float, _float)

"""What other packages add to archc: their entry points of the groups `archc.operators`, `archc.blocks`, …"""

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any


def plug_ins(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name, in the order of their names."""
    return _group(group, tuple(sys.path))


@cache
def _group(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in sorted(_all(path).select(group=group), key=lambda entry: entry.name)}


@cache
def _all(path: tuple[str, ...]) -> Any:
    """Every entry point on a path. To read them takes milliseconds, so that it is done once, when one is needed."""
    return entry_points()

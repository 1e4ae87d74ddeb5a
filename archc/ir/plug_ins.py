"""What other packages add to archc: their entry points of the groups `archc.operators`, `archc.blocks`, …"""

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any


@cache
def plug_ins(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name, in the order of their names."""
    return {entry.name: entry for entry in sorted(_all().select(group=group), key=lambda entry: entry.name)}


@cache
def _all() -> Any:
    """Every entry point that is installed. To read them takes milliseconds, so that it is done once, when needed."""
    return entry_points()

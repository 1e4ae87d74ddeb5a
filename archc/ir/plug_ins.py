"""What other packages add to archc, through entry points of the groups `archc.operators`, `archc.blocks` and others."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points


@cache
def plug_ins(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group, by name. To find them takes milliseconds, so this is done when they are needed."""
    return {entry.name: entry for entry in sorted(entry_points(group=group))}

"""YAML data with positions: what the loader composes from parser events."""

from __future__ import annotations

from typing import NamedTuple

from archc.diagnostics import Span


class Scalar(NamedTuple):
    """A string, number, boolean or null, after YAML 1.2's core schema; `text` is what was written."""

    value: str | int | float | bool | None
    text: str
    span: Span


class Unreadable(NamedTuple):
    """A value that could not be read, which the loader has reported; `text` is what was written.

    `meant` is what it is likely to mean, if a comma has cut it in pieces or it has a tag.
    """

    text: str
    span: Span
    meant: Scalar | None = None


class Sequence(NamedTuple):
    """A list."""

    items: tuple[Tree, ...]
    span: Span


class Entry(NamedTuple):
    """A key of a mapping with its value; keys are strings."""

    key: Scalar
    value: Tree


class Mapping(NamedTuple):
    """A mapping, in written order. `lost` are its entries whose key is no word, or was there already."""

    entries: dict[str, Entry]
    span: Span
    lost: tuple[Entry, ...] = ()

    @property
    def lacks_keys(self) -> bool:
        """True if a key that seems to be missing may be a lost one."""
        return any(entry.key.text not in self.entries for entry in self.lost)

    def get(self, key: str) -> Tree | None:
        """The value under this key, or None."""
        entry = self.entries.get(key)
        return entry.value if entry else None


Tree = Scalar | Unreadable | Sequence | Mapping


def plain(tree: Tree) -> object:
    """The data without positions: str, int, float, bool, None, list, dict; what could not be read stands for itself."""
    if isinstance(tree, Unreadable) or (isinstance(tree, Mapping) and tree.lost):
        return tree
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        return [plain(item) for item in tree.items]
    return {key: _plain(entry) for key, entry in tree.entries.items()}


def _plain(entry: Entry) -> object:
    """A value; a name is what was written, `010` and `False` included."""
    if entry.key.text == "name" and isinstance(entry.value, Scalar):
        return entry.value.text
    return plain(entry.value)

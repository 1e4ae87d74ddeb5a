"""What the layout writes: values with their comments, and with what a person chose among equal forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Leaf:
    """A scalar or an alias. A text is quoted where it needs to be; anything else stands as it is."""

    text: str
    is_text: bool = True
    anchor: str = ""

    @property
    def is_alias(self) -> bool:
        """True for `*name`."""
        return not self.is_text and self.text.startswith("*")


@dataclass(slots=True)
class Part:
    """An item of a list, or a key with its value.

    `above` are comment lines before it, with "" for a blank line; `indent` and `padding` are spaces before its value
    and behind it that bring it into a column, on a line with others.
    """

    value: Node
    key: Leaf | None = None
    above: list[str] = field(default_factory=list)
    beside: str = ""
    indent: int = 0
    padding: int = 0


@dataclass(slots=True)
class Group:
    """A list or mapping. `end` are comment lines after its last part.

    `is_flow`: a person wrote it in brackets; `is_aligned`: with values in columns.
    """

    is_mapping: bool
    parts: list[Part] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    is_flow: bool = False
    anchor: str = ""
    is_aligned: bool = False

    @property
    def has_comments(self) -> bool:
        """True if there is a comment inside, so that it cannot be on one line."""
        return any(self.end) or any(
            any(part.above) or part.beside or (isinstance(part.value, Group) and part.value.has_comments)
            for part in self.parts
        )

    def values(self) -> dict[str, Node]:
        """The values by key."""
        return {part.key.text: part.value for part in self.parts if part.key is not None}

    def anchors(self) -> Iterator[str]:
        """Its anchors and aliases in order."""
        if self.anchor:
            yield f"&{self.anchor}"
        for part in self.parts:
            for node in (part.key, part.value):
                if isinstance(node, Group):
                    yield from node.anchors()
                elif node is not None and (node.anchor or node.is_alias):
                    yield f"&{node.anchor}" if node.anchor else node.text

    def leaves(self) -> Iterator[Leaf]:
        """Every scalar below it, keys included."""
        for part in self.parts:
            if part.key is not None:
                yield part.key
            if isinstance(part.value, Group):
                yield from part.value.leaves()
            else:
                yield part.value


Node = Leaf | Group

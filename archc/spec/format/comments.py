"""Which part each comment belongs to.

A comment beside something belongs to it: to the last part that begins before, or to what the list or mapping that is
closed before belongs to. A comment on a line of its own belongs to the next part, unless it is indented deeper: then
it ends the list or mapping that it is indented as. In brackets it stays in them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archc.diagnostics.spans import Place
from archc.spec.format.nodes import Group, Part

_START = re.compile(r"(?:^|(?<=[ \t]))#")
_INDICATORS = "-?: \t"


@dataclass(slots=True, eq=False)
class Region:
    """Where a list or mapping stands; in brackets, `end` is behind them. `holder` is what it is the value of."""

    group: Group
    column: int
    holder: Stretch | None
    end: Place = (0, 0)


@dataclass(slots=True, eq=False)
class Stretch:
    """Where a part stands; `end` is that of its key or its scalar."""

    part: Part
    region: Region
    begin: Place
    end: Place

    def regions(self) -> Iterator[Region]:
        """What it lies in, from the inside."""
        region: Region | None = self.region
        while region is not None:
            yield region
            region = region.holder.region if region.holder else None


@dataclass(slots=True)
class Places:
    """Everything with a place, in the order of the text; `tokens` are the scalars, in which `#` begins no comment."""

    tokens: list[tuple[Place, Place]] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)

    def add_token(self, event: Any) -> None:
        """A scalar. What follows `|` or `>` on its line is no part of it."""
        begin, end = event.start_mark, event.end_mark
        is_block = getattr(event, "style", None) in ("|", ">")
        self.tokens.append(((begin.line + 1, 0) if is_block else (begin.line, begin.column), (end.line, end.column)))

    def add_stretch(self, part: Part, region: Region, begin: Place) -> Stretch:
        """A part of a region."""
        self.stretches.append(Stretch(part, region, begin, begin))
        return self.stretches[-1]

    def attach(self, root: Group, lines: list[str]) -> None:
        """Side effect: gives each comment and each blank line of a document to a part."""
        is_after_blank = False
        for number, line in enumerate(lines):
            if not line.strip() and not self._is_in_token((number, 0)):
                is_after_blank = True
                continue
            before, comment = self._split(number, line)
            self._attach_line(
                root, (number, len(before)), comment, [""] * is_after_blank, bool(before.strip(_INDICATORS))
            )
            is_after_blank = False

    def _attach_line(self, root: Group, place: Place, comment: str, blank: list[str], has_content: bool) -> None:
        owner = self._beside(place) if has_content else None
        if comment and owner is None:
            self._target(root, place).extend([*blank, comment])
            return
        if blank and (following := self._after((place[0], 0))) and following.begin[0] == place[0]:
            following.part.above.append("")
        if comment and owner is not None:
            owner.part.above += [owner.part.beside] if owner.part.beside else []
            owner.part.beside = comment

    def _split(self, number: int, line: str) -> tuple[str, str]:
        """What stands before the comment of a line, and the comment; "" if there is none."""
        for match in _START.finditer(line):
            if not self._is_in_token((number, match.start())):
                return line[: match.start()], line[match.start() :].rstrip()
        return line, ""

    def _is_in_token(self, place: Place) -> bool:
        index = bisect_right(self.tokens, place, key=lambda token: token[0]) - 1
        return index >= 0 and place < self.tokens[index][1]

    def _after(self, place: Place) -> Stretch | None:
        index = bisect_left(self.stretches, place, key=lambda each: each.begin)
        return self.stretches[index] if index < len(self.stretches) else None

    def _before(self, place: Place) -> Stretch | None:
        index = bisect_left(self.stretches, place, key=lambda each: each.begin)
        return self.stretches[index - 1] if index else None

    def _beside(self, place: Place) -> Stretch | None:
        """The part that a comment beside something belongs to."""
        stretch = self._before(place)
        while stretch is not None and stretch.region.group.is_flow and stretch.region.end <= place:
            stretch = stretch.region.holder
        return stretch

    def _target(self, root: Group, place: Place) -> list[str]:
        """Where a comment on a line of its own goes."""
        previous, following = self._before(place), self._after(place)
        if previous is not None and place < previous.end:  # between a key and its scalar
            return previous.part.above
        closed = self._closed(place, previous, following)
        if closed is not None:
            return closed.group.end
        return following.part.above if following else root.end

    def _closed(self, place: Place, previous: Stretch | None, following: Stretch | None) -> Region | None:
        """The list or mapping that a comment ends: the brackets around it, or the innermost that is indented so."""
        around = list(following.regions()) if following else []
        column = around[0].column if around and not around[0].group.is_flow else -1
        for region in previous.regions() if previous else ():
            if region in around:
                return None
            is_end = place < region.end if region.group.is_flow else column < region.column <= place[1]
            if is_end:
                return region
        return None

"""Paths and values as people read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

from archc.ir.graph import Node

MOST_NAMED = 4
"""Paths or pairs of values that are listed; of more, the first and the last."""


LONGEST = 60
"""Characters of a value that are shown."""


def generic(path: str) -> str:
    """A path with `*` for every number: `layer*.*.conv*`."""
    return re.sub(r"\d+", "*", path)


def numberless(path: str) -> str:
    """A path with `*` for every part that is a number: `features.*`, but `conv1`."""
    return ".".join("*" if part.isdecimal() else part for part in path.split("."))


def label(node: Node) -> str:
    """The end of a node's path, from its last name on: `conv2`, `downsample.0`."""
    parts = node.path.rpartition(":")[2].split(".")
    named = max((index for index, part in enumerate(parts) if not part.isdecimal()), default=0)
    return ".".join(parts[named:])


def where(nodes: Sequence[Node]) -> str:
    """The place of a node, or the places of several of one kind: `conv2 in 16 blocks (layer1.0 … layer4.2)`."""
    if len(nodes) == 1:
        return nodes[0].path.lstrip(":")
    labels = list(dict.fromkeys(map(label, nodes)))
    name = labels[0] if len(labels) == 1 else numberless(labels[0])
    blocks = list(dict.fromkeys(node.path.removesuffix(label(node)).rstrip(".:") or node.path for node in nodes))
    if len(blocks) == len(nodes) and len(labels) == 1:
        return f"{name} in {len(nodes)} blocks ({listed(blocks)})"
    return f"{name}, {len(nodes)} times ({listed([node.path for node in nodes])})"


def listed(texts: Sequence[str]) -> str:
    """All of a few, or the first and the last."""
    return ", ".join(texts) if len(texts) <= MOST_NAMED else f"{texts[0]} … {texts[-1]}"


def shown(value: object) -> str:
    """A field's value as a spec would write it; one number for equal ones."""
    if isinstance(value, tuple | list):
        equal = len({repr(each) for each in value}) == 1
        return shown(value[0]) if equal else f"[{listed([*map(shown, value)])}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def changed(pairs: Iterable[tuple[object, object]]) -> str:
    """What becomes of a field: one pair, one factor, a few pairs, or from where to where they range."""
    texts = list(dict.fromkeys((shown(before), shown(after)) for before, after in pairs))
    if len(texts) == 1:
        return _arrow(texts[0])
    numbers = [(_number(before), _number(after)) for before, after in texts]
    known = [(before, after) for before, after in numbers if before is not None and after is not None]
    if len(known) < len(numbers):
        return ", ".join(map(_arrow, texts)) if len(texts) <= MOST_NAMED else f"{len(texts)} other values"
    factors = {after / before for before, after in known if before}
    if len(factors) == 1 and all(before or not after for before, after in known):
        return f"×{float(next(iter(factors))):.4g}"
    if len(texts) <= MOST_NAMED:
        return ", ".join(map(_arrow, texts))
    ends = [f"{float(min(side)):.4g} … {float(max(side)):.4g}" for side in zip(*known, strict=True)]
    return " → ".join(ends)


def _arrow(pair: tuple[str, str]) -> str:
    return f"{pair[0]} → {pair[1]}"


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text).limit_denominator(10**6)
    except (ValueError, ZeroDivisionError):
        return None


def different_part(one: str, other: str) -> tuple[str, str]:
    """Two paths without the parts that they share at their ends, for which `*` stands.

    A number keeps what is before it.
    """
    ours, theirs = one.split("."), other.split(".")
    end = _common(ours[::-1], theirs[::-1])
    end -= end == min(len(ours), len(theirs)) and len(ours) == len(theirs)
    ours, theirs = ours[: len(ours) - end], theirs[: len(theirs) - end]
    if not ours or not theirs:  # one has modules around what the other has
        return ".".join([*ours, "*"]), ".".join([*theirs, "*"])
    start = 0 if ours[-1].isdecimal() and theirs[-1].isdecimal() else _common(ours, theirs)
    before, after = (".".join([*(["*"] if start else []), *parts[start:]]) for parts in (ours, theirs))
    return before, after


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many parts are the same at the beginning."""
    return next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))

"""Words of other frameworks and of papers, and the words that are meant by them here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

OPERATOR_KEYS = ("op", "type", "layer", "module", "operator", "block")
"""Keys that name an operator in the files of others."""

JOINS_BY_NAME = {
    "residual": ("sum: [identity, […]]", "added"),
    "skip": ("sum: [identity, […]]", "added"),
    "shortcut": ("sum: [identity, […]]", "added"),
    "parallel": ("concat: [[…], […]]", "joined"),
    "branches": ("concat: [[…], […]]", "joined"),
    "se": ("product: [identity, […]]", "multiplied"),
}
"""Names of sequences whose author may well mean a composite -> what to write, and what it does with its branches."""

_NEAR = 0.75  # 'conv', which is a good name for a sequence, is 0.6 near to 'concat'


def composite_meant(word: str, composites: Sequence[str], elsewhere: Mapping[str, str]) -> str | None:
    """The composite that a misspelt or foreign word is likely to mean; `elsewhere` maps foreign words to ours."""
    lower = word.lower()
    if elsewhere.get(lower) in composites:
        return elsewhere[lower]
    is_short = len(lower) <= 2 * max(map(len, composites))
    near = get_close_matches(lower, composites, n=1, cutoff=_NEAR) if is_short else []
    return near[0] if near else None
